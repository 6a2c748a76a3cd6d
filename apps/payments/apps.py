from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    verbose_name = _("Money")

    def ready(self) -> None:
        from apps.payments import bank_declarations  # noqa: PLC0415 - models are loaded by now

        bank_declarations.declare()
