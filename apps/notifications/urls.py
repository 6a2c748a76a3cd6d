"""Addresses outside the admin: the calendars of people's tasks."""

from django.urls import URLPattern, URLResolver, path

from apps.notifications.pages import calendars

app_name = "notifications"
urlpatterns: list[URLPattern | URLResolver] = [
    path("calendars/<str:secret>.ics", calendars.feed, name="calendar"),
]
