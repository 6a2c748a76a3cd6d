from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DocumentsConfig(AppConfig):
    name = "apps.documents"
    verbose_name = _("Documents")

    def ready(self) -> None:
        from apps.documents import start  # noqa: PLC0415 - models are loaded by now

        start.declare(self)
