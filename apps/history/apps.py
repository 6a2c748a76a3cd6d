from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class HistoryConfig(AppConfig):
    name = "apps.history"
    verbose_name = _("History")

    def ready(self) -> None:
        from apps.accounts import versions  # noqa: PLC0415 - models are loaded
        from apps.history import context, declarations, personal, triggers, undo_job  # noqa: PLC0415
        from apps.history.selectors.versions import changed_since  # noqa: PLC0415

        declarations.declare()
        personal.declare()
        undo_job.register()
        versions.remember_with(changed_since)
        context.name_command()
        connection_created.connect(context.listen, dispatch_uid="history")
        post_migrate.connect(triggers.sync, sender=self)
