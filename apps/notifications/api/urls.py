"""Addresses under /api/v1/notifications/."""

from rest_framework.routers import SimpleRouter

from apps.notifications.api.inbox import InboxViewSet, MuteViewSet, VerdictViewSet
from apps.notifications.api.messages import (
    AddressViewSet,
    DeliveryViewSet,
    PreferenceViewSet,
    QuietTimeViewSet,
    TemplateViewSet,
)
from apps.notifications.api.tasks import CalendarFeedViewSet, TaskViewSet
from apps.notifications.api.webhooks import EventTypeViewSet, WebhookDeliveryViewSet, WebhookViewSet

router = SimpleRouter()
# Before the webhooks, whose rows stand under any name.
router.register("webhooks/event-types", EventTypeViewSet, basename="webhook-event-type")
router.register("webhooks/deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")
router.register("webhooks", WebhookViewSet, basename="webhook")
router.register("inbox", InboxViewSet, basename="inbox")
router.register("mutes", MuteViewSet, basename="mute")
router.register("verdicts", VerdictViewSet, basename="verdict")
router.register("tasks", TaskViewSet, basename="task")
router.register("calendar-feeds", CalendarFeedViewSet, basename="calendar-feed")
router.register("addresses", AddressViewSet, basename="channel-address")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("preferences", PreferenceViewSet, basename="preference")
router.register("quiet-hours", QuietTimeViewSet, basename="quiet-time")
router.register("message-templates", TemplateViewSet, basename="message-template")
urlpatterns = router.urls
