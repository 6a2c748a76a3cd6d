"""A lead that is worth something becomes a person, and with them a company and a deal, in one step."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import events, lead_facts
from apps.crm.contact_points import normalise
from apps.crm.duplicates.finding import Candidate, Probe, find
from apps.crm.models import Company, ContactPoint, Deal, Lead, Person, Stage, StageTransition
from apps.crm.services import companies, consents, deals, people, rows
from apps.crm.services.contacts import add_contact_point, region_of
from apps.crm.services.custom_values import carried
from apps.crm.services.leads import require_open

Face = StageTransition.Face


class NewDeal(TypedDict, total=False):
    """The deal that a lead becomes; the stage is the first open one of the form's pipeline unless another is named."""

    title: str
    amount: Decimal | None
    currency: str
    stage_id: int | None


def people_for(lead: Lead, *, actor: User) -> list[Candidate]:
    """List the people that `actor` sees and that a lead may be of, the likeliest first."""
    companies_known = (lead.known_company_id,) if lead.known_company_id else ()
    probe = Probe(name=lead.name, contacts=_probed(lead), company_ids=companies_known)
    return find(Person, probe, actor=actor)


def companies_for(lead: Lead, *, actor: User) -> list[Candidate]:
    """List the companies that `actor` sees and that a lead may be of, the likeliest first."""
    probe = Probe(name=lead.company_name, country=lead.country, contacts=_probed(lead))
    found = find(Company, probe, actor=actor)
    known = lead.known_company
    is_new = known is not None and known.pk not in {one.row.pk for one in found}
    if known is not None and is_new and known.archived_at is None and access.can(actor, "view", known):
        # Where the person who is reached by the same works.
        found.insert(0, Candidate(known))
    return found


def _probed(lead: Lead) -> tuple[tuple[str, str], ...]:
    return tuple((kind, value) for kind, _raw, value in lead.contacts)


@transaction.atomic
def qualify_lead(
    lead_id: int,
    *,
    actor: User,
    face: Face,
    person_id: int | None = None,
    company_id: int | None = None,
    company_name: str | None = None,
    deal: NewDeal | None = None,
    expected_version: int | None = None,
) -> Lead:
    """
    Make of an open lead a person, and where they are named a company and a deal; a second time changes nothing.

    A person or company that is known is taken as it is, and gets what it lacks as far as the actor may change it. What
    somebody else is reached by already stays theirs.

    :param person_id: who it is; a new person where None
    :param company_id: where they work
    :param company_name: of a new company, where none is named; the lead's where None, no company where empty
    :param deal: the deal to open; none where None
    :raises DoesNotExist: the lead is out of sight
    :raises PermissionDenied: the actor may not qualify it, or not make or change what it becomes
    :raises ValidationError: "lead_not_open", "archived", "stale", or what is named is not there ("not_found")
    """
    lead = rows.locked(Lead, lead_id, actor=actor, action="qualify")
    if lead.status == Lead.Status.QUALIFIED and lead.archived_at is None:
        return lead
    if expected_version is not None and lead.version != expected_version:
        raise ValidationError(
            _("Somebody else has changed this meanwhile. Reload it and try again."), code="stale"
        )
    require_open(lead)
    company = _company(lead, company_id, company_name, actor=actor)
    person = _person(lead, person_id, company, actor=actor)
    opened = _deal(lead, person, company, deal, actor=actor, face=face) if deal is not None else None
    values = {
        "status": Lead.Status.QUALIFIED,
        "converted_person_id": person.pk,
        "converted_company_id": company.pk if company else None,
        "converted_deal_id": opened.pk if opened else None,
        "converted_at": timezone.now(),
    }
    rows.write(lead, values, actor=actor)
    consents.keep_given(lead, person, actor=actor)
    lead_facts.publish_lead(events.LEAD_QUALIFIED, lead.pk, actor_id=actor.pk)
    return lead


def _company(lead: Lead, company_id: int | None, name: str | None, *, actor: User) -> Company | None:
    if company_id is not None:
        return rows.named(Company, company_id, actor=actor, field="company")
    wanted = (lead.company_name if name is None else name).strip()
    if not wanted:
        return None
    return companies.create_company(
        actor=actor,
        name=wanted,
        country=lead.country,
        custom=carried(lead, Company, actor=actor),
        **_owned_as(lead, actor),
    )


def _person(lead: Lead, person_id: int | None, company: Company | None, *, actor: User) -> Person:
    if person_id is None:
        given, _space, family = str(lead).partition(" ")
        return people.create_person(
            actor=actor,
            given_name=given[:100],
            family_name=family.strip()[:100],
            locale=lead.language,
            company_id=company.pk if company else None,
            contact_points=[{"kind": kind, "raw": raw} for kind, raw in _free_contacts(lead, company)],
            custom=carried(lead, Person, actor=actor),
            **_owned_as(lead, actor),
        )
    person = rows.named(Person, person_id, actor=actor, field="person")
    if person is None:
        raise Person.DoesNotExist
    if access.can(actor, "change", person):
        _complete(person, lead, company, actor=actor)
    return person


def _complete(person: Person, lead: Lead, company: Company | None, *, actor: User) -> None:
    """Give a known person what they lack: ways to reach them, and where they work."""
    for kind, raw in _free_contacts(lead, person):
        add_contact_point(Person, person.pk, actor=actor, kind=kind, raw=raw)
    if company is not None and not person.employments.filter(company=company).exists():
        is_first = not person.employments.exists()
        people.employ_person(person.pk, company_id=company.pk, actor=actor, is_primary=is_first)


def _free_contacts(lead: Lead, holder: Person | Company | None) -> list[tuple[str, str]]:
    """Return the lead's contacts that nobody is reached by, as the holder's country reads them."""
    free = []
    for kind, raw, value in lead.contacts:
        # What was read with another country in mind is written in full.
        region = region_of(holder or Person())
        try:
            written = raw if normalise(kind, raw, region) == value else value
        except ValidationError:
            written = value
        if not ContactPoint.objects.active().filter(kind=kind, value=value).exists():
            free.append((kind, written))
    return free


def _owned_as(lead: Lead, actor: User) -> Mapping[str, Any]:
    """Let what a lead becomes belong to whom the lead belongs, as far as the actor may give it to them."""
    if lead.owner_id in {None, actor.pk} or not access.can_any(actor, "assign", Deal):
        return {}
    return {"owner_id": lead.owner_id, "team_id": lead.team_id}


def _deal(
    lead: Lead, person: Person, company: Company | None, values: NewDeal, *, actor: User, face: Face
) -> Deal:
    fields: dict[str, Any] = {name: value for name, value in values.items() if value not in (None, "")}
    fields.setdefault("title", _title(lead, company))
    fields.setdefault("stage_id", first_stage_of(lead))
    return deals.create_deal(
        actor=actor,
        face=face,
        person_id=person.pk,
        company_id=company.pk if company else None,
        description=lead.message,
        custom=carried(lead, Deal, actor=actor),
        **fields,
        **_owned_as(lead, actor),
    )


def _title(lead: Lead, company: Company | None) -> str:
    return str(company or lead)[:200]


def first_stage_of(lead: Lead) -> int | None:
    """Return the first stage of the form's pipeline; None leaves it to the usual one."""
    if lead.form is None or lead.form.pipeline_id is None:
        return None
    stages = Stage.objects.filter(
        pipeline=lead.form.pipeline_id, kind=Stage.Kind.OPEN, pipeline__archived_at=None
    )
    return stages.order_by("position").values_list("pk", flat=True).first()
