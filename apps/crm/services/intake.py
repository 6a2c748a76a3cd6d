"""What comes in through a form on somebody's site."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.intake import Message
from apps.crm.models import ConsentText, Lead, LeadArrival, LeadForm
from apps.crm.services.leads import contact_values, take_in


@dataclass(frozen=True)
class Taken:
    """What became of a message: the lead that it is part of, and whether it had come before."""

    lead: Lead
    is_repeated: bool


def open_form(token: str) -> LeadForm:
    """Return the form behind an address. :raises DoesNotExist: there is none, or it takes nothing any more"""
    return LeadForm.objects.active().get(token=token, is_active=True)


@transaction.atomic
def take_message(form_id: int, message: Message, *, origin: str = "", at: datetime | None = None) -> Taken:
    """
    Make a lead of a message, or add it to the open one that is reached by the same; the same message twice is once.

    The form's address is the right to do so, whoever holds it; the platform itself acts.

    :param origin: the site from which it was sent
    :param at: when it came, where that was earlier than now
    :raises DoesNotExist: the form is gone or takes nothing any more
    :raises ValidationError: a contact is none, by our names of the fields
    """
    form = LeadForm.objects.active().select_related("default_owner").get(pk=form_id, is_active=True)
    if message.submission_id:
        _wait_for_twin(form, message)
        before = LeadArrival.objects.filter(form=form, submission_id=message.submission_id).first()
        if before is not None:
            return Taken(before.lead, is_repeated=True)
    values: dict[str, Any] = {**message.values, **contact_values(message.values, country=form.country)}
    values |= {"source_id": form.source_id, "form_id": form.pk}
    arrival = LeadArrival(
        form=form,
        channel=LeadArrival.Channel.FORM,
        submission_id=message.submission_id,
        values=message.values,
        extra=message.extra,
        origin=origin[:255],
        at=at or timezone.now(),
        consent_text=_agreed_text(form) if message.has_agreed else None,
    )
    system = User.objects.system()
    lead = take_in(values, arrival, among=Lead.objects.all(), actor=system, fallback=form.default_owner)
    return Taken(lead, is_repeated=False)


def _wait_for_twin(form: LeadForm, message: Message) -> None:
    """Let a second sending of the same message wait for the first, and see it."""
    with connection.cursor() as cursor:
        key = f"crm_lead_form {form.pk} {message.submission_id}"
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def _agreed_text(form: LeadForm) -> ConsentText:
    return form.consent_texts.get(version=form.consent_version)


def translated(error: ValidationError, form: LeadForm) -> ValidationError:
    """Return a refusal with the fields as the form calls them."""
    if not hasattr(error, "error_dict"):
        return error
    theirs = {ours: name for name, ours in form.field_map.items()}
    return ValidationError({theirs.get(name, name): found for name, found in error.error_dict.items()})
