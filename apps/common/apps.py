from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    name = "apps.common"
    verbose_name = _("Common")

    def ready(self) -> None:
        from apps.common import checks  # noqa: F401, PLC0415 - registers itself
        from apps.common.api import schema  # noqa: F401, PLC0415 - registers how the session is described
