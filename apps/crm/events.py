"""
The facts of the sales side, and the one place that says what each tells.

Every fact carries a snapshot of its aggregate as it is after the change (`schemas/` holds a JSON Schema per
type); what else a kind of fact has to say stands beside it, as `transition` does with a move.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import JSONField, Q, QuerySet
from django.db.models.expressions import RawSQL

from apps.common.amounts import to_decimal
from apps.common.plans import kept_plans
from apps.crm.models import (
    Activity,
    ActivityLink,
    AutomationRule,
    Company,
    ContactPoint,
    Deal,
    Person,
    Quote,
    TimelineChange,
)
from apps.events.services import Fact, publish
from apps.events.wakeup import poke_stream

DEAL_CREATED = Fact("crm.deal.created.v1")
DEAL_CHANGED = Fact("crm.deal.changed.v1")
DEAL_MOVED = Fact("crm.deal.moved.v1")
DEAL_WON = Fact("crm.deal.won.v1")
DEAL_LOST = Fact("crm.deal.lost.v1")
DEAL_REOPENED = Fact("crm.deal.reopened.v1")
DEAL_ASSIGNED = Fact("crm.deal.assigned.v1")
DEAL_ARCHIVED = Fact("crm.deal.archived.v1")
DEAL_RESTORED = Fact("crm.deal.restored.v1")
COMPANY_CREATED = Fact("crm.company.created.v1")
COMPANY_CHANGED = Fact("crm.company.changed.v1")
COMPANY_ARCHIVED = Fact("crm.company.archived.v1")
COMPANY_RESTORED = Fact("crm.company.restored.v1")
COMPANY_MERGED = Fact("crm.company.merged.v1")
PERSON_CREATED = Fact("crm.person.created.v1")
PERSON_CHANGED = Fact("crm.person.changed.v1")
PERSON_ARCHIVED = Fact("crm.person.archived.v1")
PERSON_RESTORED = Fact("crm.person.restored.v1")
PERSON_MERGED = Fact("crm.person.merged.v1")
PERSON_ERASED = Fact("crm.person.erased.v1")
QUOTE_SENT = Fact("crm.quote.sent.v1")
QUOTE_ACCEPTED = Fact("crm.quote.accepted.v1")
QUOTE_REJECTED = Fact("crm.quote.rejected.v1")
QUOTE_SUPERSEDED = Fact("crm.quote.superseded.v1")
QUOTE_EXPIRED = Fact("crm.quote.expired.v1")
IMPORT_APPLIED = Fact("crm.import.applied.v1")
ACTIVITY_LOGGED = Fact("crm.activity.logged.v1")
ACTIVITY_CHANGED = Fact("crm.activity.changed.v1")
ACTIVITY_MENTIONED = Fact("crm.activity.mentioned.v1")
IMPORT_OF_ANY_KIND_APPLIED = Fact("crm.import.applied.v2")
LEAD_CREATED = Fact("crm.lead.created.v1")
LEAD_CHANGED = Fact("crm.lead.changed.v1")
LEAD_ARRIVED = Fact("crm.lead.arrived.v1")
LEAD_ASSIGNED = Fact("crm.lead.assigned.v1")
LEAD_QUALIFIED = Fact("crm.lead.qualified.v1")
LEAD_DISQUALIFIED = Fact("crm.lead.disqualified.v1")
LEAD_RECYCLED = Fact("crm.lead.recycled.v1")
CONSENT_CHANGED = Fact("crm.consent.changed.v1")
AUTOMATION_RULE_CHANGED = Fact("crm.automation_rule.changed.v1")
AUTOMATION_RULE_STOPPED = Fact("crm.automation_rule.stopped.v1")
AUTOMATION_RULE_FIRED = Fact("crm.automation_rule.fired.v1")

FACTS = [value for value in globals().values() if isinstance(value, Fact)]

_OWNED = ["owner_id", "owner__name", "team_id", "team__name"]
_STATE = ["archived_at", "version", "external_source", "external_id"]
_DEAL = [
    *["id", "number", "title", "status", "amount", "currency", "probability", "opened_date"],
    *["expected_close_date", "closed_at", "lost_note", "next_step", "next_step_date", "stage_entered_at"],
    *[
        "pipeline_id",
        "pipeline__name",
        "stage_id",
        "stage__name",
        "stage__kind",
        "company_id",
        "company__name",
    ],
    *["person_id", "person__full_name", "lost_reason_id", "lost_reason__name", *_OWNED, *_STATE],
]
_COMPANY = [
    *["id", "name", "legal_name", "tax_id", "domain", "industry", "country", "city", "founded_year"],
    *["employee_count", "annual_revenue", "parent_id", "parent__name", *_OWNED, *_STATE],
]
_PERSON = [
    *["id", "given_name", "middle_name", "family_name", "full_name", "job_title", "locale", *_OWNED, *_STATE],
]
_TAGS = ArrayAgg("tags__name", filter=Q(tags__isnull=False), default=[], order_by="tags__name")
_NO_TAGS = RawSQL("'{}'::text[]", [])


def further_fields(model: str) -> RawSQL:
    """
    Return what rows have in their further fields, as facts tell it: without what refers to rows.

    Not everybody who hears of a row sees those, and a key tells that there is one.
    """
    known = f"select array_agg(key) from crm_customfield where model = '{model}' and kind = 'REFERENCE'"  # noqa: S608
    told = f'"crm_{model}"."custom" - coalesce(({known})::text[], array[]::text[])'
    return RawSQL(told, [], output_field=JSONField())  # noqa: S611 - of names of ours


Snapshots = list[tuple[int, dict[str, Any]]]


def deal_snapshots(deal_ids: Iterable[int]) -> Snapshots:
    """Return (id, snapshot) of each deal as it stands in the database: two queries, whatever their number."""
    return [(row["id"], deal_snapshot(row)) for row in _deals(deal_ids)]


def _deals(deal_ids: Iterable[int]) -> QuerySet[Deal, dict[str, Any]]:
    found: QuerySet[Deal, dict[str, Any]] = Deal.objects.filter(pk__in=list(deal_ids)).values(
        *_DEAL, tag_names=_TAGS, further=further_fields("deal")
    )
    return found


def deal_snapshot(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what facts tell of a deal, from a row of values named as in :func:`deal_snapshots`."""
    return {
        "id": row["id"],
        "number": row["number"],
        "title": row["title"],
        "status": row["status"],
        "pipeline": _named(row, "pipeline"),
        "stage": {**_known(row, "stage"), "kind": row["stage__kind"]},
        "company": _named(row, "company"),
        "person": _named(row, "person", "full_name"),
        "owner": _named(row, "owner"),
        "team": _named(row, "team"),
        "amount": _money(row["amount"], row["currency"]),
        "currency": row["currency"],
        "probability": row["probability"],
        "opened_date": row["opened_date"],
        "expected_close_date": row["expected_close_date"],
        "stage_entered_at": row["stage_entered_at"],
        "closed_at": row["closed_at"],
        "lost_reason": _named(row, "lost_reason"),
        "lost_note": row["lost_note"],
        "next_step": row["next_step"],
        "next_step_date": row["next_step_date"],
        "tags": row["tag_names"],
        "custom": _further(row),
        **_state(row),
    }


def company_snapshots(company_ids: Iterable[int]) -> Snapshots:
    """Return (id, snapshot) of each company: two queries, whatever their number."""
    ids = list(company_ids)
    rows = list(
        Company.objects.filter(pk__in=ids).values(
            *_COMPANY, tag_names=_TAGS, further=further_fields("company")
        )
    )
    points = _contact_points("company_id", ids)
    return [(row["id"], company_snapshot(row, points.get(row["id"], []))) for row in rows]


def company_snapshot(row: Mapping[str, Any], contact_points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what facts tell of a company, from a row of values and its contact points."""
    return {
        **{name: row[name] for name in _COMPANY[:10]},
        "annual_revenue": None if row["annual_revenue"] is None else str(row["annual_revenue"]),
        "parent": _named(row, "parent"),
        "owner": _named(row, "owner"),
        "team": _named(row, "team"),
        "contact_points": contact_points,
        "tags": row["tag_names"],
        "custom": _further(row),
        **_state(row),
    }


def person_snapshots(person_ids: Iterable[int]) -> Snapshots:
    """Return (id, snapshot) of each person: three queries, whatever their number."""
    ids = list(person_ids)
    rows = list(
        Person.objects.filter(pk__in=ids).values(
            *_PERSON, tag_names=_TAGS, companies=_EMPLOYERS, further=further_fields("person")
        )
    )
    points = _contact_points("person_id", ids)
    return [(row["id"], person_snapshot(row, points.get(row["id"], []))) for row in rows]


def person_snapshot(row: Mapping[str, Any], contact_points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what facts tell of a person, from a row of values and their contact points."""
    return {
        **{name: row[name] for name in _PERSON[:7]},
        "company_ids": row["companies"],
        "owner": _named(row, "owner"),
        "team": _named(row, "team"),
        "contact_points": contact_points,
        "tags": row["tag_names"],
        "custom": _further(row),
        **_state(row),
    }


# Distinct, because the join of the tags multiplies the employments.
_EMPLOYERS = ArrayAgg(
    "employments__company_id", filter=Q(employments__isnull=False), default=[], distinct=True
)


def _contact_points(holder: str, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    rows = ContactPoint.objects.active().filter(**{f"{holder}__in": ids}).order_by("id")
    points: dict[int, list[dict[str, Any]]] = {}
    for row in rows.values(holder, "id", "kind", "raw", "value", "is_primary"):
        points.setdefault(row.pop(holder), []).append(dict(row))
    return points


def _known(row: Mapping[str, Any], relation: str, name: str = "name") -> dict[str, Any]:
    return {"id": row[f"{relation}_id"], "name": row[f"{relation}__{name}"]}


def _named(row: Mapping[str, Any], relation: str, name: str = "name") -> dict[str, Any] | None:
    return None if row[f"{relation}_id"] is None else _known(row, relation, name)


def _further(row: Mapping[str, Any]) -> dict[str, Any]:
    # As text, where it was asked for outside of the ORM.
    found: Any = row["further"]
    return dict(json.loads(found) if isinstance(found, str) else found)


def _money(amount: Decimal | None, currency: str) -> dict[str, str] | None:
    return None if amount is None else {"amount": f"{amount:.2f}", "currency": currency}


def _state(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _STATE}


def publish_deal(fact: Fact, deal_id: int, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one deal; `more` stands beside the snapshot."""
    sql, params, names = _one_deal()
    with connection.cursor() as cursor, kept_plans(connection):
        cursor.execute(sql, [*params, deal_id])
        row = dict(zip(names, cursor.fetchone(), strict=True))
    publish_read_deal(fact, row, actor_id=actor_id, **more)


def publish_read_deal(fact: Fact, row: Mapping[str, Any], *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one deal that was read just now, as :func:`deal_snapshot` takes it."""
    publish(fact, row["id"], {**deal_snapshot(row), **more}, actor_id=actor_id)
    poke_board(row["pipeline_id"])
    if "transition" in more:
        move_timelines([f"deal:{row['id']}"])


def poke_board(pipeline_id: int) -> None:
    """Tell who watches a board that something is new; who forgets it makes them wait for a heartbeat."""
    poke_stream(f"board:{pipeline_id}")


@cache
def _one_deal() -> tuple[str, list[Any], list[str]]:
    """
    Return the question for one deal's snapshot, its values but for the id, which comes last, and its columns.

    To write it anew takes longer than to ask.
    """
    query = _deals([0]).query
    sql, params = query.sql_with_params()
    return sql, list(params[:-1]), [*query.values_select, *query.annotation_select]


@cache
def untagged_deals() -> tuple[str, list[str]]:
    """
    Return the question for the snapshots of all the deals in `crm_deal`, none of which has tags as yet, and its columns.

    It has no values: whoever asks it says what `crm_deal` is.
    """
    query = (
        Deal._base_manager.order_by().values(*_DEAL, tag_names=_NO_TAGS, further=further_fields("deal")).query
    )
    sql, _none = query.sql_with_params()
    return sql, [*query.values_select, *query.annotation_select]


def publish_company(fact: Fact, company_id: int, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one company; `more` stands beside the snapshot."""
    for pk, snapshot in company_snapshots([company_id]):
        publish(fact, pk, {**snapshot, **more}, actor_id=actor_id)


def publish_person(fact: Fact, person_id: int, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one person; `more` stands beside the snapshot."""
    for pk, snapshot in person_snapshots([person_id]):
        publish(fact, pk, {**snapshot, **more}, actor_id=actor_id)


# As much of a note as a fact carries.
_EXCERPT = 1000


def publish_activity(fact: Fact, activity: Activity, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one activity, and let the timelines that show it move."""
    links = list(
        ActivityLink.objects.filter(activity=activity)
        .select_related("deal", "company", "person")
        .order_by("pk")
    )
    publish(fact, activity.pk, {**_activity_snapshot(activity, links), **more}, actor_id=actor_id)
    move_timelines(_timelines(links))


def _activity_snapshot(activity: Activity, links: list[ActivityLink]) -> dict[str, Any]:
    author = activity.author
    return {
        "id": activity.pk,
        "kind": activity.kind,
        "subject": activity.subject,
        "body": activity.body[:_EXCERPT],
        "occurred_at": activity.occurred_at,
        "duration_minutes": activity.duration_minutes,
        "direction": activity.direction,
        "outcome": activity.outcome,
        "author": None if author is None else {"id": author.pk, "name": author.name},
        "deals": [{"id": link.deal_id, "name": str(link.deal)} for link in links if link.deal],
        "companies": [{"id": link.company_id, "name": str(link.company)} for link in links if link.company],
        "people": [{"id": link.person_id, "name": str(link.person)} for link in links if link.person],
        "archived_at": activity.archived_at,
        "version": activity.version,
    }


def _timelines(links: Iterable[ActivityLink]) -> list[str]:
    """Name the timelines that show what these links lead to: a deal's things stand with its company and person too."""
    found: dict[str, None] = {}
    for link in links:
        deal = link.deal
        company_id = link.company_id or (deal.company_id if deal else None)
        person_id = link.person_id or (deal.person_id if deal else None)
        for name, pk in (("deal", link.deal_id), ("company", company_id), ("person", person_id)):
            if pk is not None:
                found[f"{name}:{pk}"] = None
    return list(found)


def move_timelines(targets: Iterable[str]) -> None:
    """Let timelines move for whoever watches them, without waiting for others who write there."""
    names = list(targets)
    TimelineChange.objects.bulk_create(TimelineChange(target=name) for name in names)
    for name in names:
        poke_stream(name)


def quote_snapshot(quote: Quote) -> dict[str, Any]:
    """Return what facts tell of a quote, its lines included; never the secret of its link."""
    deal, currency = quote.deal, quote.currency
    return {
        "id": quote.pk,
        "number": quote.number,
        "revision": quote.revision,
        "status": quote.status,
        "deal": {"id": deal.pk, "number": deal.number, "title": deal.title},
        "company": None if deal.company is None else {"id": deal.company.pk, "name": deal.company.name},
        "owner": {"id": deal.owner_id, "name": deal.owner.name},
        "currency": currency,
        "net": str(quote.net),
        "tax": str(quote.tax),
        "total": str(quote.total),
        "valid_until": quote.valid_until,
        "sent_at": quote.sent_at,
        "document_id": quote.document_id,
        "decided_at": quote.decided_at,
        "decided_by_name": quote.decided_by_name,
        "rejected_reason": quote.rejected_reason,
        "lines": [
            {
                "product_id": line.product_id,
                "name": line.name,
                "quantity": str(line.quantity),
                "unit_price": None if line.unit_price is None else str(line.unit_price),
                "amount": None if line.amount_minor is None else str(to_decimal(line.amount_minor, currency)),
            }
            for line in quote.lines.order_by("position")
        ],
        "version": quote.version,
    }


def publish_quote(fact: Fact, quote_id: int, *, actor_id: int) -> None:
    """Tell a fact of one quote."""
    quote = Quote.objects.select_related("deal__company", "deal__owner").get(pk=quote_id)
    publish(fact, quote.pk, quote_snapshot(quote), actor_id=actor_id)


def publish_rule(fact: Fact, rule: AutomationRule, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one automation rule; `more` stands beside the snapshot."""
    owner = rule.owner
    data = {
        "id": rule.pk,
        "name": rule.name,
        "trigger": rule.trigger,
        "owner": None if owner is None else {"id": owner.pk, "name": owner.name},
        "is_active": rule.is_active,
        "stop_reason": rule.stop_reason,
        "archived_at": rule.archived_at,
        "version": rule.version,
    }
    publish(fact, rule.pk, {**data, **more}, actor_id=actor_id)
