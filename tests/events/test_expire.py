"""Facts go after their retention, unless somebody still waits for them."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.events import services
from apps.events.models import Aggregate, Delivery, Event, Outbox
from apps.events.tasks import expire_events
from tests.events.platform import tell

pytestmark = pytest.mark.django_db


def _aged(number: int, *, days: float, is_sent: bool = True) -> Event:
    event = tell(number)
    Event.objects.filter(pk=event.pk).update(at=timezone.now() - timedelta(days=days))
    if is_sent:
        Outbox.objects.filter(pk=event.pk).delete()
    return event


def test_only_old_facts_that_everybody_has_heard_go() -> None:
    old, young = settings.EVENT_RETENTION_DAYS + 1, settings.EVENT_RETENTION_DAYS - 1
    now = timezone.now()
    gone, waiting, given_up, unsent, recent = (
        _aged(1, days=old),
        _aged(2, days=old),
        _aged(3, days=old),
        _aged(4, days=old, is_sent=False),
        _aged(5, days=young),
    )
    Delivery.objects.create(event=gone, receiver="a", done_at=now)
    Delivery.objects.create(event=waiting, receiver="a", done_at=now)
    Delivery.objects.create(event=waiting, receiver="b", next_attempt_at=now)
    Delivery.objects.create(event=given_up, receiver="a", next_attempt_at=None)

    expire_events()

    assert set(Event.objects.all()) == {waiting, given_up, unsent, recent}
    assert Delivery.objects.count() == 3


def test_numbers_go_on_after_expiry() -> None:
    _aged(1, days=settings.EVENT_RETENTION_DAYS + 1)
    expire_events()

    assert not Event.objects.exists()
    assert Aggregate.objects.get().sequence == 1
    assert tell(1).sequence == 2


def test_many_go_in_batches(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(services, "_EXPIRY_BATCH", 2)
    for number in range(5):
        _aged(number, days=settings.EVENT_RETENTION_DAYS + 1)

    assert [services._expire_batch(), services.expire_events(), services.expire_events()] == [2, 3, 0]
    assert not Event.objects.exists()
