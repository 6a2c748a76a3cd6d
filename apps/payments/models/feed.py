"""Facts about money in the order in which they left."""

from django.db import models

from apps.events.models import Event


class FeedEntry(models.Model):
    """
    A fact about money, numbered as it was told.

    The relay writes them, one at a time and after their transactions, so that whoever has read up to a number has missed
    nothing below it.
    """

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.pk}: event {self.event_id}"
