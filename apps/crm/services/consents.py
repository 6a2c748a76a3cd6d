"""What people agree to, and take back."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm import lead_facts
from apps.crm.models import Company, Consent, ContactPoint, Lead, LeadArrival, Person, Purpose
from apps.crm.services import rows


@transaction.atomic
def give_consent(
    contact_point_id: int,
    *,
    purpose: str,
    actor: User,
    source: str,
    basis: str = Consent.Basis.CONSENT,
    at: datetime | None = None,
    note: str = "",
) -> Consent:
    """
    Write down that somebody agreed to something at one of their addresses.

    :param at: when, if not just now
    :raises DoesNotExist: the contact is out of sight
    :raises PermissionDenied: the actor may not change whose it is
    :raises ValidationError: "archived", "time_order", or it was given already and stands ("consent_stands")
    """
    point = _locked_point(contact_point_id, actor=actor)
    if at is not None and at > timezone.now():
        raise rows.refusal("at", _("This is in the future."), code="time_order")
    latest = latest_of(point, purpose)
    if latest is not None and latest.status == Consent.Status.GIVEN:
        raise ValidationError(_("This consent was given already."), code="consent_stands")
    consent = Consent(
        contact_point=point,
        purpose=Purpose(purpose),
        basis=Consent.Basis(basis),
        status=Consent.Status.GIVEN,
        source=source,
        at=at or timezone.now(),
        note=note.strip(),
        actor=actor,
    )
    return _kept(consent)


@transaction.atomic
def withdraw_consent(consent_id: int, *, actor: User, source: str, note: str = "") -> Consent:
    """
    Write down that a consent was taken back; what was done before stays right.

    :param consent_id: the consent that stands
    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change whose it is
    :raises ValidationError: it does not stand any more ("consent_over")
    """
    given = Consent.objects.visible_to(actor).select_related("contact_point").get(pk=consent_id)
    point = _locked_point(given.contact_point_id, actor=actor, is_active=False)
    latest = latest_of(point, given.purpose)
    if latest is None or latest.pk != given.pk or given.status != Consent.Status.GIVEN:
        raise ValidationError(_("This consent does not stand any more."), code="consent_over")
    taken_back = Consent(
        contact_point=point,
        purpose=given.purpose,
        basis=given.basis,
        status=Consent.Status.WITHDRAWN,
        source=source,
        text=given.text,
        note=note.strip(),
        actor=actor,
    )
    return _kept(taken_back)


def keep_given(lead: Lead, person: Person, *, actor: User) -> None:
    """
    Make what was agreed to with a lead's messages consents of the person whom it turned out to be.

    Only now: that a message came from whoever is reached by its address, nobody knows before somebody has looked.
    """
    points = {
        point.value: point
        for point in person.contact_points.filter(
            archived_at=None, value__in=[v for _k, _r, v in lead.contacts]
        )
    }
    arrivals = LeadArrival.objects.filter(lead=lead, consent_text__isnull=False).order_by("pk")
    for arrival in arrivals.select_related("consent_text__form"):
        text = arrival.consent_text
        for point in points.values():
            latest = latest_of(point, text.form.consent_purpose) if text else None
            if text is None or (latest is not None and latest.at >= arrival.at):
                continue
            _kept(
                Consent(
                    contact_point=point,
                    purpose=text.form.consent_purpose,
                    basis=Consent.Basis.CONSENT,
                    status=Consent.Status.GIVEN,
                    source=Consent.Source.FORM,
                    at=arrival.at,
                    text=text,
                    actor=actor,
                )
            )


def latest_of(point: ContactPoint, purpose: str) -> Consent | None:
    """Return what counts of a contact and a purpose."""
    return point.consents.filter(purpose=purpose).order_by("-pk").first()


def _locked_point(contact_point_id: int, *, actor: User, is_active: bool = True) -> ContactPoint:
    """Lock whose a contact is, so that what counts is known, and return it."""
    point = ContactPoint.objects.visible_to(actor).get(pk=contact_point_id)
    model: type[Person] | type[Company] = Person if point.person_id else Company
    rows.locked(model, point.person_id or point.company_id or 0, actor=actor, action="change")
    if is_active:
        rows.require_active(point)
    return point


def _kept(consent: Consent) -> Consent:
    consent.clean_fields(exclude=["contact_point", "text", "actor"])
    with rows.refusals():
        consent.save(force_insert=True)
    lead_facts.publish_consent(consent)
    return consent
