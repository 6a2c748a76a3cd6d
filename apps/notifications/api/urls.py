"""Addresses under /api/v1/notifications/."""

from rest_framework.routers import SimpleRouter

from apps.notifications.api.webhooks import EventTypeViewSet, WebhookDeliveryViewSet, WebhookViewSet

router = SimpleRouter()
# Before the webhooks, whose rows stand under any name.
router.register("webhooks/event-types", EventTypeViewSet, basename="webhook-event-type")
router.register("webhooks/deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")
router.register("webhooks", WebhookViewSet, basename="webhook")
urlpatterns = router.urls
