"""The gateway's part of the API."""

from django.urls import path
from django.views.decorators.cache import never_cache

from apps.gateway.api.views import StreamView, TicketView

urlpatterns = [
    path("ws-tickets/", TicketView.as_view(), name="ws-tickets"),
    path("streams/<str:name>/", never_cache(StreamView.as_view()), name="streams"),
]
