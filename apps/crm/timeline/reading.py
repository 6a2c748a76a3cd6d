"""
Reading a timeline: what is about a row, and about the deals and people that belong to it, as far as the reader sees
those.

One statement for a page, whatever there is: of each place and kind the next few are read from an index, and the
latest of all of them are kept. The policy's conditions are the ORM's, within it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Activity, Company, Deal, Person, StageTransition
from apps.documents.models import Document

PAGE = 20
MOST = 100
PINNED_SHOWN = 10
# The steps of deals stand among the activities, and are filtered like a kind of them.
STEP = "STEP"
KINDS = (*Activity.Kind.values, STEP)
# What counts as having been in touch.
CONTACT = (Activity.Kind.CALL, Activity.Kind.MEETING, Activity.Kind.EMAIL, Activity.Kind.MESSAGE)
Target = Deal | Company | Person
# Order within one moment: steps after what was written.
_ACTIVITY, _STEP = 1, 0


@dataclass(frozen=True)
class Key:
    """Where a page ends: entries are ordered by time, then by what they are, then by number; all of it backwards."""

    at: datetime
    what: int
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.what}~{self.pk}"


@dataclass
class Entry:
    """
    One thing that happened.

    :ivar row: an activity, or a step of a deal
    :ivar about: the deal or person in whose place it was found, on the page of a company or person
    :ivar documents: what came with it, as far as the reader sees it
    """

    key: Key
    row: Any
    about: Any = None
    documents: list[Document] = field(default_factory=list)

    @property
    def is_step(self) -> bool:
        return self.key.what == _STEP


@dataclass(frozen=True)
class Page:
    """A part of a timeline, and the key to go on from; None at its end."""

    entries: list[Entry]
    next_key: str | None


def parse_key(text: str) -> Key:
    """Read a key back. :raises ValidationError: it is none (code "cursor")"""
    parts = text.split("~")
    try:
        at = parse_datetime(parts[0])
        numbers = [int(part) for part in parts[1:]]
    except ValueError:
        at, numbers = None, []
    if at is None or at.tzinfo is None or len(numbers) != 2 or not 0 <= numbers[1] < 2**63:
        raise ValidationError(_("This is no place in a timeline."), code="cursor")
    return Key(at, numbers[0], numbers[1])


def read(
    target: Target,
    *,
    actor: User,
    kinds: Iterable[str] = (),
    term: str = "",
    after: Key | None = None,
    limit: int = PAGE,
) -> Page:
    """
    Return a page of the timeline of a row that `actor` sees, the latest first.

    :param kinds: only these; none of them is all
    :param term: only activities with this in their words; steps have none
    """
    wanted = [kind for kind in KINDS if kind in set(kinds)] or list(KINDS)
    sql, params = _Question(target, actor, wanted, term, after, limit + 1).statement()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    entries = _entries(found[:limit], target, actor)
    # What has gone between the two questions is no reason to stop here.
    last = found[limit - 1] if len(found) > limit else None
    return Page(entries, None if last is None else str(Key(last[0], last[1], last[2])))


def pinned(target: Target, *, actor: User) -> list[Entry]:
    """Return what is pinned to a row's own timeline, the latest first."""
    name = target._meta.model_name
    links = f'select activity_id from crm_activitylink where "{name}_id" = %s and is_pinned and is_live'
    with connection.cursor() as cursor:
        cursor.execute(f"{links} order by at desc, activity_id desc limit {PINNED_SHOWN}", [target.pk])
        ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return []
    rows = _activities(ids)
    found = [(rows[pk].occurred_at, _ACTIVITY, pk, None, None) for pk in ids if pk in rows]
    return _entries(found, target, actor, rows)


def last_contact(target: Target, *, actor: User) -> datetime | None:
    """Return when anybody was last in touch."""
    sql, params = _Question(target, actor, list(CONTACT), "", None, 1).statement()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchone()
    return found[0] if found else None


class _Question:
    """The one statement that reads a page."""

    def __init__(
        self, target: Target, actor: User, kinds: Sequence[str], term: str, after: Key | None, limit: int
    ) -> None:
        self.target, self.actor, self.after, self.limit = target, actor, after, limit
        self.kinds = [kind for kind in kinds if kind != STEP]
        self.has_steps = STEP in kinds and not term.strip()
        self.term = term.strip().upper()
        self.params: list[Any] = []

    def statement(self) -> tuple[str, list[Any]]:
        places = self._places()
        opening = ", ".join(
            f"{name} (id) as materialized ({self._of(rows)})" for name, rows in places.items()
        )
        branches = [self._links(self.target._meta.model_name or "", None)]
        branches += [self._links(name.removesuffix("s"), name) for name in places]
        if self.has_steps:
            branches.append(self._steps("deals" if "deals" in places else None))
        # Each branch is short already; one thing found in several places stands there once.
        union = " union all ".join(f"({branch})" for branch in branches)
        self.params.append(self.limit)
        sql = (
            f"{'with ' + opening if opening else ''} select at, what, id, min(deal_id), min(person_id) "
            f"from ({union}) as found group by at, what, id order by at desc, what desc, id desc limit %s"
        )
        return sql, self.params

    def _places(self) -> dict[str, QuerySet[Any]]:
        """Return what else the timeline is made of, by the table expression that will hold it."""
        if isinstance(self.target, Deal):
            return {}
        deals = Deal.objects.visible_to(self.actor).active().order_by()
        if isinstance(self.target, Person):
            return {"deals": deals.filter(person=self.target).values("pk")}
        people = Person.objects.visible_to(self.actor).active().order_by()
        return {
            "deals": deals.filter(company=self.target).values("pk"),
            "persons": people.filter(employments__company=self.target).values("pk").distinct(),
        }

    def _of(self, rows: QuerySet[Any]) -> str:
        try:
            sql, params = rows.query.sql_with_params()
        except EmptyResultSet:
            # Who sees no deals at all, nor any person.
            return "select null::bigint where false"
        self.params += params
        return sql

    def _links(self, name: str, places: str | None) -> str:
        """Return the latest links of the row itself, or of each place."""
        columns = "l.at, 1 as what, l.activity_id as id"
        found = f"{columns}, {'l.deal_id' if places else 'null::bigint as deal_id'}, "
        found += "l.person_id" if places else "null::bigint as person_id"
        origin = f"{places} as p cross join " if places else ""
        whose = "p.id" if places else "%s"
        if self.term:
            return self._searched(found, name, whose, origin)
        self.params.append(self.kinds)
        if not places:
            return f"select {found} from unnest(%s::text[]) as k (kind) cross join lateral ({self._top(name)}) as l"
        # What is on the page comes from as many places as it has entries at most: those with the latest of them.
        first = self._latest(name, whose="p.id", limit=1)
        self.params.append(self.limit)
        tops = (
            f"select p.id, k.kind from {origin}unnest(%s::text[]) as k (kind) "
            f"cross join lateral ({first}) as l order by l.at desc, l.activity_id desc limit %s"
        )
        rest = self._latest(name, whose="k.id", limit=self.limit)
        return f"select {found} from ({tops}) as k cross join lateral ({rest}) as l"

    def _top(self, name: str) -> str:
        self.params.append(self.target.pk)
        return self._latest(name, whose="%s", limit=self.limit)

    def _latest(self, name: str, *, whose: str, limit: int) -> str:
        before = self._before("l.at", 1, "l.activity_id")
        self.params.append(limit)
        return (
            f"select l.* from crm_activitylink as l where l.{name}_id = {whose} and l.is_live "
            f"and l.kind = k.kind {before} order by l.at desc, l.activity_id desc limit %s"
        )

    def _searched(self, found: str, name: str, whose: str, origin: str) -> str:
        if not origin:
            self.params.append(self.target.pk)
        where = f"l.{name}_id = {whose} and l.is_live and l.kind = any(%s)"
        self.params.append(self.kinds)
        before = self._before("l.at", 1, "l.activity_id")
        self.params += [f"%{_escaped(self.term)}%", self.limit]
        return (
            f"select {found} from {origin}crm_activitylink as l "
            f"join crm_activity as a on a.id = l.activity_id where {where} {before} "
            "and crm_activity_words(a.subject, a.body) like %s order by l.at desc, l.activity_id desc limit %s"
        )

    def _steps(self, places: str | None) -> str:
        whose = "p.id" if places else "%s"
        if not places:
            self.params.append(self.target.pk)
        before = self._before("t.at", 0, "t.id")
        self.params.append(self.limit)
        inner = (
            "select t.at, t.id, t.deal_id from crm_stagetransition as t "
            f"where t.deal_id = {whose} {before} order by t.at desc, t.id desc limit %s"
        )
        columns = (
            f"t.at, 0 as what, t.id, {'t.deal_id' if places else 'null::bigint as deal_id'}, null::bigint"
        )
        return (
            f"select {columns} from {places} as p cross join lateral ({inner}) as t"
            if places
            else f"select {columns} from ({inner}) as t"
        )

    def _before(self, at: str, what: int, pk: str) -> str:
        if self.after is None:
            return ""
        self.params += [self.after.at, self.after.what, self.after.pk]
        # The first condition is what an index can begin at.
        return f"and ({at}, {what}, {pk}) < (%s, %s, %s)"


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\x00", "")


def _activities(ids: Iterable[int]) -> dict[int, Activity]:
    rows = Activity.objects.filter(pk__in=list(ids)).select_related("author", "mail")
    # Only some notes name anybody.
    rows = rows.prefetch_related("mentions__user")
    return {row.pk: row for row in rows}


def _entries(
    found: Sequence[tuple[Any, ...]], target: Target, actor: User, rows: dict[int, Activity] | None = None
) -> list[Entry]:
    ids = [pk for _at, what, pk, *_rest in found if what == _ACTIVITY]
    activities = rows if rows is not None else _activities(ids) if ids else {}
    steps = [pk for _at, what, pk, *_rest in found if what == _STEP]
    transitions = (
        StageTransition.objects.select_related("from_stage", "to_stage", "actor").in_bulk(steps)
        if steps
        else {}
    )
    deals = _named(Deal, [row[3] for row in found])
    people = _named(Person, [row[4] for row in found])
    papers = _documents(activities, actor)
    entries = []
    for at, what, pk, deal_id, person_id in found:
        row: Any = activities.get(pk) if what == _ACTIVITY else transitions.get(pk)
        if row is None:
            continue
        about = deals.get(deal_id) or people.get(person_id)
        is_own = about is not None and type(about) is type(target) and about.pk == target.pk
        entries.append(
            Entry(Key(at, what, pk), row, None if is_own else about, papers.get(pk, []) if what else [])
        )
    return entries


def _named(model: type[Any], keys: Iterable[int | None]) -> dict[int | None, Any]:
    wanted = {key for key in keys if key is not None}
    return dict(model.objects.in_bulk(wanted)) if wanted else {}


def _documents(activities: dict[int, Activity], actor: User) -> dict[int, list[Document]]:
    """Return what came with activities, as far as the reader sees it: one query, or none."""
    if not activities or not access.can_any(actor, "view", Document):
        return {}
    links = Activity.attachments.rel.related_model.objects.filter(  # type: ignore[attr-defined]
        activity__in=list(activities), document__in=Document.objects.visible_to(actor).active()
    )
    found: dict[int, list[Document]] = {}
    for link in links.select_related("document").order_by("pk"):
        found.setdefault(link.activity_id, []).append(link.document)
    return found
