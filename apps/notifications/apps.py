from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "apps.notifications"
    verbose_name = _("Telling others")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415 - apps first
        from apps.events import sinks  # noqa: PLC0415
        from apps.history.tracking import exempt  # noqa: PLC0415 - models are loaded by now
        from apps.notifications import access_events, letters, personal  # noqa: PLC0415
        from apps.notifications.models import WebhookDelivery, WebhookEndpoint  # noqa: PLC0415

        register_status(409, "webhook_active", "webhook_not_active", "delivery_waits")
        exempt(
            WebhookEndpoint,
            "Each step is a fact of its own, and an undo must not bring back an earlier secret or address.",
        )
        exempt(WebhookDelivery, "It is the record of what was sent.")
        access_events.declare()
        letters.declare()
        personal.declare()
        sinks.register("apps.notifications.webhooks.sink.WebhookSink")
