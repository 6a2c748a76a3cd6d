from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    verbose_name = _("Money")

    def ready(self) -> None:
        from apps.events import brokers  # noqa: PLC0415 - apps first

        brokers.register(
            brokers.Route("kafka", "apps.payments.kafka.Kafka", "KAFKA_BOOTSTRAP_SERVERS", prefix="payments.")
        )
