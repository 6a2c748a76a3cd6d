from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ListsConfig(AppConfig):
    name = "apps.lists"
    verbose_name = _("Lists")

    def ready(self) -> None:
        from apps.history.tracking import exempt  # noqa: PLC0415 - models are loaded by now
        from apps.lists.models import SavedView  # noqa: PLC0415

        exempt(
            SavedView,
            "What somebody likes to look at is nobody's business, and no change of what is looked at.",
        )
