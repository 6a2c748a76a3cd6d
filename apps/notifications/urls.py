"""Addresses outside the admin: the calendars of people's tasks, and the pages behind the buttons of messages."""

from django.urls import URLPattern, URLResolver, path

from apps.notifications.pages import calendars, deeds

app_name = "notifications"
urlpatterns: list[URLPattern | URLResolver] = [
    path("calendars/<str:secret>.ics", calendars.feed, name="calendar"),
    path("messages/do/<str:secret>/", deeds.deed, name="deed"),
    path("messages/stop/<str:said>/", deeds.unsubscribe, name="unsubscribe"),
]
