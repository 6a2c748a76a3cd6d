from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    verbose_name = _("Money")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415 - apps first
        from apps.events import brokers, sinks  # noqa: PLC0415
        from apps.payments import (  # noqa: PLC0415 - models are loaded by now
            bank_declarations,
            declarations,
            defaults,
            history,
            letters,
            personal,
        )

        post_migrate.connect(defaults.ensure, sender=self)
        # What somebody else, or the same request, has done already.
        register_status(
            409,
            *("payment_recorded_once", "refund_recorded_once", "journal_entry_once"),
            *("payment_one_charge_under_way", "charge_under_way", "in_flight"),
        )
        register_status(422, "key_reused")
        history.declare()
        letters.declare()
        personal.declare()
        declarations.declare()
        brokers.register(
            brokers.Route("kafka", "apps.payments.kafka.Kafka", "KAFKA_BOOTSTRAP_SERVERS", prefix="payments.")
        )
        sinks.register("apps.payments.feed.FeedSink")
        bank_declarations.declare()
