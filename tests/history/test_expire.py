"""History is bounded in time and in size; the oldest goes first, and whole."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.crm.models import Tag
from apps.history.models import Change, ChangeSet
from apps.history.selectors.size import estimated_changes, size
from apps.history.services import expiring
from apps.history.tasks import expire_history
from tests.history.factories import recorded, set_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sets() -> list[ChangeSet]:
    """Three change sets of 10 changes each, and nothing else."""
    Change.objects.all().delete()
    ChangeSet.objects.all().delete()
    made = []
    for number in range(3):
        with recorded() as work:
            Tag.objects.bulk_create(Tag(name=f"Tag {number}-{n}") for n in range(10))
        made.append(set_of(work))
    return made


def test_what_is_too_old_goes(sets: list[ChangeSet], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "BATCH", 3)
    settings.HISTORY_RETENTION_DAYS = 30
    ChangeSet.objects.filter(pk=sets[0].pk).update(at=timezone.now() - timedelta(days=31))
    assert expire_history() == 10
    assert set(ChangeSet.objects.all()) == set(sets[1:])
    assert not Change.objects.filter(change_set=sets[0].pk).exists()
    assert Change.objects.count() == 20


def test_what_is_too_much_goes(sets: list[ChangeSet], settings: Any) -> None:
    settings.HISTORY_MAX_CHANGES = 15
    assert expire_history() == 20
    assert list(ChangeSet.objects.all()) == sets[2:]


def test_what_is_within_its_bounds_stays(sets: list[ChangeSet]) -> None:
    assert expire_history() == 0
    assert Change.objects.count() == 30


def test_size_is_told_by_kind(sets: list[ChangeSet]) -> None:
    found = size()
    assert (found.changes, found.sets, found.is_estimate) == (30, 3, False)
    (tags,) = found.models
    assert (tags.name, tags.changes) == ("tags", 30)
    assert tags.size > 30 * 50
    assert estimated_changes() == 30
