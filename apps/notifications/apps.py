from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "apps.notifications"
    verbose_name = _("Telling others")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415 - apps first
        from apps.events import sinks  # noqa: PLC0415
        from apps.notifications import (  # noqa: PLC0415 - models are loaded by now
            access_events,
            automation,
            bulk,
            history,
            home,
            letters,
            merging,
            personal,
            quick,
            targets,
        )

        register_status(409, "webhook_active", "webhook_not_active", "delivery_waits")
        from apps.events import brokers, streams  # noqa: PLC0415
        from apps.notifications.telling import rules  # noqa: PLC0415
        from apps.notifications.telling.stream import InboxStream  # noqa: PLC0415

        register_status(
            409, "task_not_open", "task_open", "address_replaced", "address_off", "delivery_expired"
        )
        register_status(422, "key_reused")
        targets.declare()
        history.declare()
        bulk.declare()
        merging.declare()
        quick.declare()
        home.declare()
        automation.declare()
        rules.declare()
        streams.register("inbox", InboxStream())
        brokers.register_topology(_declare_queues)
        access_events.declare()
        letters.declare()
        personal.declare()
        sinks.register("apps.notifications.webhooks.sink.WebhookSink")


def _declare_queues(channel: object) -> None:
    from apps.notifications.delivering.queues import declare_queues  # noqa: PLC0415 - amqp, which few need

    declare_queues(channel)
