"""What happens to strangers' interest: it arrives, is given to somebody, worked on, and comes to something or nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import first_team_id
from apps.crm import events, lead_facts
from apps.crm.contact_points import normalise
from apps.crm.countries import country_code
from apps.crm.models import Company, ContactPoint, DisqualifyReason, Lead, LeadArrival, Source
from apps.crm.services import assigning, rows
from apps.crm.services.custom_values import change_custom, clean_custom

Status = Lead.Status
_CONTACTS = {"email": "EMAIL", "phone": "PHONE", "telegram": "TELEGRAM"}


class LeadFields(TypedDict, total=False):
    """What people write on a lead; relations by id. Without owner and team it is common to all."""

    name: str
    company_name: str
    email: str
    phone: str
    telegram: str
    message: str
    country: str
    language: str
    source_id: int | None
    next_step: str
    next_step_date: date | None
    owner_id: int | None
    team_id: int | None
    tag_ids: Sequence[int]
    custom: Mapping[str, Any]
    external_source: str
    external_id: str


@transaction.atomic
def create_lead(
    *, actor: User, channel: LeadArrival.Channel = LeadArrival.Channel.API, **fields: Unpack[LeadFields]
) -> Lead:
    """
    Write down a lead, or one more arrival of an open one that the actor sees and that is reached by the same.

    It is the actor's own unless another owner is named; who may give away all leads leaves that to the rules.

    :raises PermissionDenied: the actor may not make such a lead
    :raises ValidationError: a value is refused, or there is nobody in it ("lead_is_somebody")
    """
    access.require(actor, "add", Lead)
    values: dict[str, Any] = dict(fields)
    tags = rows.named_tags(values.pop("tag_ids", ()), actor=actor)
    rows.named(Source, values.get("source_id"), actor=actor, field="source")
    if "owner_id" not in values and not access.reaches_all(actor, "assign", Lead):
        values["owner_id"] = actor.pk
    rows.owner_and_team(values, actor=actor)
    values |= contact_values(values)
    values["custom"] = clean_custom(Lead, values.get("custom", {}), actor=actor)
    arrival = LeadArrival(channel=channel, values=_written(values))
    among = Lead.objects.visible_to(actor, "change")
    lead = take_in(values, arrival, among=among, actor=actor)
    if tags:
        lead.tags.add(*tags)
    access.require(actor, "add", lead)
    return lead


@transaction.atomic
def change_lead(
    lead_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[LeadFields]
) -> Lead:
    """
    Change what is written on a lead; what is not named stays. Nothing happens where nothing differs.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not change it, or not give it away
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(lead)
    values: dict[str, Any] = dict(fields)
    tag_ids = values.pop("tag_ids", None)
    change_custom(lead, values, actor=actor)
    changes = rows.differing(lead, values)
    if changes.keys() & {"owner_id", "team_id"}:
        access.require(actor, "assign", lead)
        changes |= {"assigned_at": timezone.now(), "assigned_because": {"by": "hand", "who": actor.name}}
    rows.owner_and_team(changes, actor=actor)
    rows.named(Source, changes.get("source_id"), actor=actor, field="source")
    if changes.keys() & {*_CONTACTS, "country"}:
        changes |= rows.differing(lead, contact_values(_as_written(lead, changes)))
        changes |= known_holders({**_contacts_of(lead), **changes})
    are_tags_new = tag_ids is not None and rows.set_tags(lead, rows.named_tags(tag_ids, actor=actor))
    if changes or are_tags_new:
        rows.write(lead, changes, actor=actor)
        lead_facts.publish_lead(events.LEAD_CHANGED, lead.pk, actor_id=actor.pk)
    return lead


@transaction.atomic
def start_lead(lead_id: int, *, actor: User, expected_version: int | None = None) -> Lead:
    """
    Take a new lead into work; starting twice is once.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is decided ("lead_not_open"), "archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="change", expected_version=expected_version)
    require_open(lead)
    if lead.status == Status.NEW:
        rows.write(lead, {"status": Status.WORKING}, actor=actor)
        lead_facts.publish_lead(events.LEAD_CHANGED, lead.pk, actor_id=actor.pk)
    return lead


@transaction.atomic
def assign_lead(
    lead_id: int,
    *,
    owner_id: int,
    actor: User,
    team_id: int | None = None,
    expected_version: int | None = None,
) -> Lead:
    """
    Give a lead to somebody, and with it to their first team unless another is named.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not assign it
    :raises ValidationError: "archived", "stale", the new owner is unknown ("not_found") or left ("inactive")
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="assign", expected_version=expected_version)
    rows.require_active(lead)
    values: dict[str, Any] = {"owner_id": owner_id}
    if team_id is not None:
        values["team_id"] = team_id
    rows.owner_and_team(values, actor=actor)
    previous = lead_facts.owner_of(lead)
    changes = rows.differing(lead, values)
    if changes:
        changes |= {"assigned_at": timezone.now(), "assigned_because": {"by": "hand", "who": actor.name}}
        rows.write(lead, changes, actor=actor)
        lead_facts.publish_lead(events.LEAD_ASSIGNED, lead.pk, actor_id=actor.pk, previous_owner=previous)
    return lead


@transaction.atomic
def claim_lead(lead_id: int, *, actor: User, expected_version: int | None = None) -> Lead:
    """
    Take an open lead that is nobody's as one's own; of two who do so at once, one is told.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor has no leads of their own
    :raises ValidationError: it is somebody's ("lead_taken"), "lead_not_open", "archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="view", expected_version=expected_version)
    if lead.owner_id is not None or lead.team_id is not None:
        raise ValidationError(_("This lead is somebody's already."), code="lead_taken")
    require_open(lead)
    access.require(actor, "add", Lead)
    values = {
        "owner_id": actor.pk,
        "team_id": first_team_id(actor),
        "assigned_at": timezone.now(),
        "assigned_because": {"by": "claim"},
    }
    rows.write(lead, values, actor=actor)
    lead_facts.publish_lead(events.LEAD_ASSIGNED, lead.pk, actor_id=actor.pk, previous_owner=None)
    return lead


@transaction.atomic
def disqualify_lead(
    lead_id: int, *, reason_id: int, actor: User, note: str = "", expected_version: int | None = None
) -> Lead:
    """
    Say that a lead comes to nothing, and why.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not disqualify it
    :raises ValidationError: "lead_not_open", "archived", "stale", or there is no such reason ("not_found")
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="disqualify", expected_version=expected_version)
    require_open(lead)
    reason = DisqualifyReason.objects.visible_to(actor).filter(pk=reason_id, is_active=True).first()
    if reason is None:
        raise rows.refusal("reason", _("There is no such reason."), code="not_found")
    values = {
        "status": Status.DISQUALIFIED,
        "disqualify_reason": reason,
        "disqualify_note": note.strip(),
    }
    rows.write(lead, values, actor=actor)
    lead_facts.publish_lead(events.LEAD_DISQUALIFIED, lead.pk, actor_id=actor.pk)
    return lead


@transaction.atomic
def recycle_lead(lead_id: int, *, actor: User, expected_version: int | None = None) -> Lead:
    """
    Take a disqualified lead into work again.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not recycle it
    :raises ValidationError: it is not disqualified ("lead_not_disqualified"), "archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="disqualify", expected_version=expected_version)
    rows.require_active(lead)
    if lead.status != Status.DISQUALIFIED:
        raise ValidationError(_("This lead is not disqualified."), code="lead_not_disqualified")
    values = {"status": Status.WORKING, "disqualify_reason": None, "disqualify_note": ""}
    rows.write(lead, values, actor=actor)
    lead_facts.publish_lead(events.LEAD_RECYCLED, lead.pk, actor_id=actor.pk)
    return lead


@transaction.atomic
def archive_lead(lead_id: int, *, actor: User, expected_version: int | None = None) -> Lead:
    """
    Put a lead into the trash, from where it can be restored.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="archive", expected_version=expected_version)
    rows.archive(lead, actor=actor)
    lead_facts.publish_lead(events.LEAD_CHANGED, lead.pk, actor_id=actor.pk)
    return lead


@transaction.atomic
def restore_lead(lead_id: int, *, actor: User, expected_version: int | None = None) -> Lead:
    """
    Take a lead out of the trash.

    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="archive", expected_version=expected_version)
    rows.restore(lead, actor=actor)
    lead_facts.publish_lead(events.LEAD_CHANGED, lead.pk, actor_id=actor.pk)
    return lead


def require_open(lead: Lead) -> None:
    """Insist that nobody has decided about a lead. :raises ValidationError: "lead_not_open", "archived" """
    rows.require_active(lead)
    if not lead.is_open:
        raise ValidationError(
            _("It is decided about this lead already."), code="lead_not_open", params={"status": lead.status}
        )


# Arriving


def take_in(
    values: Mapping[str, Any], arrival: LeadArrival, *, among: Any, actor: User, fallback: User | None = None
) -> Lead:
    """
    Let a message make a lead, or join the open one that is reached by the same; whose the lead is, the rules say.

    Whoever brings the same contact at the same moment waits here, and joins what the first has made.

    :param values: of the lead, with its contacts in the forms that compare
    :param among: the leads that it may join
    :param fallback: who gets it where no rule fits
    """
    _queue(values)
    same = _reached_by(values)
    open_leads = among.open().active()
    lead = open_leads.filter(same).select_for_update(of=("self",), no_key=True).order_by("pk").first()
    if lead is not None:
        return _join(lead, values, arrival, actor=actor)
    made = Lead(**{name: value for name, value in values.items() if value is not None})
    for name, value in known_holders(values).items():
        setattr(made, name, value)
    if made.owner_id is None and "owner_id" not in values:
        assigning.give_owner(made, fallback=fallback)
    elif made.owner_id is not None:
        made.assigned_at = timezone.now()
        made.assigned_because = {"by": "hand", "who": actor.name}
    made.arrived_at = arrival.at
    lead = rows_insert(made, actor=actor)
    _keep(arrival, lead)
    lead_facts.publish_lead(events.LEAD_CREATED, lead.pk, actor_id=actor.pk)
    if lead.owner_id is not None and lead.owner_id != actor.pk:
        lead_facts.publish_lead(events.LEAD_ASSIGNED, lead.pk, actor_id=actor.pk, previous_owner=None)
    return lead


def rows_insert(lead: Lead, *, actor: User) -> Lead:
    """Insert a lead whose place the rules have decided, wherever the actor may add leads by hand."""
    rows.prepare(lead, actor=actor)
    with rows.refusals():
        lead.save(force_insert=True)
    return lead


def _join(lead: Lead, values: Mapping[str, Any], arrival: LeadArrival, *, actor: User) -> Lead:
    """Add a message to an open lead, which takes over what it did not know."""
    known = [*_CONTACTS, *(f"{name}_value" for name in _CONTACTS)]
    names = [*known, "name", "company_name", "message", "country", "language", "source_id"]
    missing = {name: values[name] for name in names if values.get(name) and not getattr(lead, name)}
    further = {**values.get("custom", {}), **lead.custom}
    if further != lead.custom:
        missing["custom"] = further
    # A contact is taken over whole, as it was written and as it compares.
    changes = {
        **missing,
        **known_holders({**_contacts_of(lead), **missing}),
        "arrived_at": arrival.at,
        "arrival_count": lead.arrival_count + 1,
    }
    rows.write(lead, changes, actor=actor)
    _keep(arrival, lead)
    lead_facts.publish_lead(events.LEAD_ARRIVED, lead.pk, actor_id=actor.pk)
    return lead


def _keep(arrival: LeadArrival, lead: Lead) -> None:
    arrival.lead = lead
    with rows.refusals():
        arrival.save(force_insert=True)


def _queue(values: Mapping[str, Any]) -> None:
    """Let those who bring the same contact come one after the other, in one order, so that none wait in a circle."""
    keys = sorted(
        f"crm_lead {kind} {values[f'{kind}_value']}" for kind in _CONTACTS if values.get(f"{kind}_value")
    )
    with connection.cursor() as cursor:
        for key in keys:
            cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def _reached_by(values: Mapping[str, Any]) -> Q:
    same = Q(pk__in=[])
    for kind in _CONTACTS:
        value = values.get(f"{kind}_value")
        if value:
            same |= Q(**{f"{kind}_value": value})
    return same


def known_holders(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the person and the company that are reached by a lead's contacts, or whose mail goes to its domain."""
    same = Q(pk__in=[])
    for name, kind in _CONTACTS.items():
        if values.get(f"{name}_value"):
            same |= Q(kind=kind, value=values[f"{name}_value"])
    found = list(
        ContactPoint.objects.active().filter(same).order_by("pk").values_list("person_id", "company_id")
    )
    person_id = next((person for person, _company in found if person), None)
    company_id = next((company for _person, company in found if company), None)
    if company_id is None and person_id is not None:
        company_id = _employer_of(person_id)
    if company_id is None:
        company_id = _company_of_domain(values.get("email_value", ""))
    return {"known_person_id": person_id, "known_company_id": company_id}


def _employer_of(person_id: int) -> int | None:
    companies = Company.objects.active().filter(employments__person=person_id)
    return companies.order_by("-employments__is_primary", "pk").values_list("pk", flat=True).first()


def _company_of_domain(email: str) -> int | None:
    domain = email.rpartition("@")[2]
    if not domain:
        return None
    companies = Company.objects.active().exclude(domain="").filter(domain__in=[domain, f"www.{domain}"])
    return companies.order_by("pk").values_list("pk", flat=True).first()


# Contacts


def contact_values(values: Mapping[str, Any], *, country: str = "") -> dict[str, str]:
    """
    Return the contacts among a lead's values as they are written and in the forms that compare.

    :param country: where a phone number is from that names no country, where the lead does not say it
    :raises ValidationError: one is no such contact, under its field
    """
    region = country_code(values.get("country", "") or country) or settings.PHONE_REGION
    found: dict[str, str] = {}
    refused: dict[str, ValidationError] = {}
    for name, kind in _CONTACTS.items():
        raw = str(values.get(name, "") or "").strip()
        try:
            found[f"{name}_value"] = normalise(kind, raw, region) if raw else ""
        except ValidationError as error:
            refused[name] = error
        found[name] = raw
    if refused:
        raise ValidationError(refused)
    return found


def _as_written(lead: Lead, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: changes.get(name, getattr(lead, name)) for name in (*_CONTACTS, "country")}


def _contacts_of(lead: Lead) -> dict[str, str]:
    return {f"{name}_value": getattr(lead, f"{name}_value") for name in _CONTACTS}


def _written(values: Mapping[str, Any]) -> dict[str, str]:
    names: Iterable[str] = ("name", "company_name", *_CONTACTS, "message", "country", "language")
    return {name: str(values[name]) for name in names if values.get(name)}
