from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ListsConfig(AppConfig):
    name = "apps.lists"
    verbose_name = _("Lists")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415
        from apps.history.tracking import exempt  # noqa: PLC0415 - models are loaded by now
        from apps.lists import export_job, personal  # noqa: PLC0415
        from apps.lists.models import BulkEdit, BulkRow, Export, SavedView  # noqa: PLC0415
        from apps.lists.services import bulk_steps  # noqa: PLC0415

        bulk_steps.register_kinds()
        register_status(409, "export_not_ready", "too_many_exports")
        register_status(410, "export_expired", "export_missing")
        export_job.register_kind()
        personal.declare()
        for machinery in (BulkEdit, BulkRow):
            exempt(machinery, "A bulk change records itself; what it does to other rows is recorded there.")
        exempt(Export, "An export is itself the record of what was taken away, and changes nothing else.")
        exempt(
            SavedView,
            "What somebody likes to look at is nobody's business, and no change of what is looked at.",
        )
