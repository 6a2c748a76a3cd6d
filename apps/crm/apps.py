from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "apps.crm"
    verbose_name = _("Customers and deals")

    def ready(self) -> None:
        from apps.crm import defaults, history  # noqa: PLC0415 - models are loaded by now
        from apps.crm.imports import jobs  # noqa: PLC0415

        post_migrate.connect(defaults.ensure, sender=self)
        jobs.register_kinds()
        history.declare()
