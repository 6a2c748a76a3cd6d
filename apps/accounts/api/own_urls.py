"""Addresses under /api/v1/me/: what is the caller's own."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api import consents, me, sessions, views

router = SimpleRouter()
router.register("api-keys", views.OwnApiKeyViewSet, basename="own-api-key")
urlpatterns = [
    path("", me.MeView.as_view(), name="me"),
    path("policy/", me.PolicyView.as_view(), name="own-policy"),
    path("auth-events/", me.OwnAuthEventsView.as_view(), name="own-auth-events"),
    path("consents/", consents.OwnConsentsView.as_view(), name="own_consents"),
    path("consents/<int:pk>/", consents.OwnConsentView.as_view(), name="own_consent"),
    path("sessions/", sessions.OwnSessionsView.as_view(), name="own_sessions"),
    path("sessions/<int:pk>/", sessions.OwnSessionView.as_view(), name="own_session"),
    *router.urls,
]
