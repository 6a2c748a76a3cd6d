"""Nobody looks at what they were asked: whoever waits is told, once, and not of what has ended meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.notifications.models import Notification
from apps.notifications.selectors.inbox import items_of
from apps.notifications.services import inbox, tasks
from apps.notifications.services.escalating import escalate_ignored
from tests.accounts.factories import make_team
from tests.notifications.messaging import notify
from tests.notifications.test_inbox import told
from tests.notifications.todos import make_doer, make_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> tuple[User, User]:
    team = make_team("North")
    return make_doer("Lea", team=team, role="sales_lead"), make_doer("Sam", team=team)


def a_day_passes() -> None:
    for row in Notification.objects.all():
        Notification.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(hours=25))


def test_who_gave_a_task_is_told_once_that_nobody_looks(pair: tuple[User, User]) -> None:
    lead, seller = pair
    task = make_task(lead, "Count the stock", assignee_id=seller.pk)
    notify(seller, task, "task.assigned")
    assert escalate_ignored() == 0
    a_day_passes()
    assert escalate_ignored() == 1
    assert escalate_ignored() == 0
    (item,) = items_of(inbox.inbox_of(lead), reader=lead)
    assert item.title == "Sam has not looked at “Count the stock” yet"
    assert told(seller) == ["task.assigned"]


def test_what_was_read_or_done_is_not_told(pair: tuple[User, User]) -> None:
    lead, seller = pair
    one, two = (make_task(lead, title, assignee_id=seller.pk) for title in ("one", "two"))
    read, _done = (notify(seller, task, "task.assigned") for task in (one, two))
    inbox.mark([read.pk], actor=seller, as_what="read")
    tasks.complete_task(two.pk, actor=seller)
    a_day_passes()
    escalate_ignored()
    assert told(lead) == []


def test_nobody_is_told_of_themselves_or_of_what_is_long_ago(pair: tuple[User, User]) -> None:
    lead, seller = pair
    notify(seller, make_task(seller, "my own"), "task.due")
    a_day_passes()
    escalate_ignored()
    notify(seller, make_task(lead, "old", assignee_id=seller.pk), "task.due")
    Notification.objects.update(created_at=timezone.now() - timedelta(days=20), escalated_at=None)
    assert escalate_ignored() == 0
    assert told(lead) == []
    assert told(seller) == ["task.due", "task.due"]
