"""What facts tell of leads and of consents: each as it stands in the database after the change."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from apps.crm.events import CONSENT_CHANGED, Snapshots, further_fields
from apps.crm.models import Consent, Lead
from apps.events.services import Fact, publish, publish_many

_PLAIN = [
    *["id", "name", "company_name", "email", "phone", "telegram", "message", "country", "language"],
    *[
        "status",
        "arrived_at",
        "arrival_count",
        "next_step",
        "next_step_date",
        "disqualify_note",
        "converted_at",
    ],
    *["archived_at", "version", "external_source", "external_id"],
]
# By the name under which each is told, the column of its own name.
_NAMED = {
    "source": "name",
    "form": "name",
    "owner": "name",
    "team": "name",
    "disqualify_reason": "name",
    "converted_person": "full_name",
    "converted_company": "name",
    "converted_deal": "title",
}
_TAGS = ArrayAgg("tags__name", filter=Q(tags__isnull=False), default=[], order_by="tags__name")


def lead_snapshots(lead_ids: Iterable[int]) -> Snapshots:
    """Return (id, snapshot) of each lead: one query, whatever their number."""
    columns = [
        name for relation, label in _NAMED.items() for name in (f"{relation}_id", f"{relation}__{label}")
    ]
    rows = Lead.objects.filter(pk__in=list(lead_ids)).values(
        *_PLAIN, *columns, tag_names=_TAGS, further=further_fields("lead")
    )
    return [(row["id"], _snapshot(row)) for row in rows]


def _snapshot(row: Mapping[str, Any]) -> dict[str, Any]:
    related = {
        relation.removeprefix("converted_"): None
        if row[f"{relation}_id"] is None
        else {"id": row[f"{relation}_id"], "name": row[f"{relation}__{label}"]}
        for relation, label in _NAMED.items()
    }
    return {
        **{name: row[name] for name in _PLAIN},
        **related,
        "tags": row["tag_names"],
        "custom": row["further"],
    }


def owner_of(lead: Lead) -> dict[str, Any] | None:
    """Return whose a lead is, as facts tell it."""
    return None if lead.owner is None else {"id": lead.owner.pk, "name": str(lead.owner)}


def publish_lead(fact: Fact, lead_id: int, *, actor_id: int, **more: Any) -> None:
    """Tell a fact of one lead; `more` stands beside the snapshot."""
    publish_leads(fact, [lead_id], actor_id=actor_id, **more)


def publish_leads(fact: Fact, lead_ids: Iterable[int], *, actor_id: int, **more: Any) -> None:
    """Tell a fact of many leads."""
    told = [(pk, {**snapshot, **more}) for pk, snapshot in lead_snapshots(lead_ids)]
    publish_many(fact, told, actor_id=actor_id)


def publish_consent(consent: Consent) -> None:
    """Tell that somebody agreed to something, or took it back."""
    point = consent.contact_point
    data = {
        "id": consent.pk,
        "contact_point": {"id": point.pk, "kind": point.kind, "value": point.value},
        "person_id": point.person_id,
        "company_id": point.company_id,
        "purpose": consent.purpose,
        "basis": consent.basis,
        "status": consent.status,
        "source": consent.source,
        "at": consent.at,
        "text_version": consent.text.version if consent.text else None,
        "form_id": consent.text.form_id if consent.text else None,
    }
    publish(CONSENT_CHANGED, consent.pk, data, actor_id=consent.actor_id)
