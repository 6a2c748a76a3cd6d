"""What keeps timelines moving: the numbers of their streams, and when something was last written about a row."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from apps.crm.models import Company, Deal, Person, TimelineChange

# Changes become one, and the counter's row is locked only where there is something new.
_NUMBER = """
with gone as (delete from crm_timelinechange where target = %(target)s returning 1)
insert into crm_timeline as t (target, seq) select %(target)s, 1 where exists (select from gone)
on conflict (target) do update set seq = t.seq + 1 returning seq
"""
_HEAD = "select seq from crm_timeline where target = %s"


def number_changes(target: str) -> int:
    """Number what has been committed to a timeline since this was last asked; return its last number."""
    with connection.cursor() as cursor:
        cursor.execute(_NUMBER, {"target": target})
        found = cursor.fetchone()
        if found is None:
            cursor.execute(_HEAD, [target])
            found = cursor.fetchone()
    return found[0] if found else 0


def number_unwatched() -> int:
    """Number what nobody watches, so that changes do not pile up; return how many timelines that were."""
    targets = list(TimelineChange.objects.order_by().values_list("target", flat=True).distinct())
    for target in targets:
        number_changes(target)
    return len(targets)


def touch_activity(
    *, at: datetime, deals: Iterable[int], companies: Iterable[int], people: Iterable[int]
) -> None:
    """
    Remember that something was written about rows, and about the companies and people of the deals among them.

    Called after the fact, so that whoever writes a note does not wait for everybody else who writes about the company.
    """
    deal_ids = list(deals)
    of_deals = list(Deal.objects.filter(pk__in=deal_ids).values_list("company_id", "person_id"))
    _touch(Deal, deal_ids, at)
    _touch(Company, [*companies, *(company for company, _person in of_deals if company)], at)
    _touch(Person, [*people, *(person for _company, person in of_deals if person)], at)


def _touch(model: type[Any], keys: Iterable[int], at: datetime) -> None:
    earlier = Q(last_activity_at=None) | Q(last_activity_at__lt=at)
    # In one order, so that two of these never wait for each other.
    for key in sorted(set(keys)):
        model._base_manager.filter(earlier, pk=key).update(last_activity_at=at)
