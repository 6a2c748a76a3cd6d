"""What people decide about a bank line that pays no invoice."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import rows
from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.events.services import publish
from apps.payments import bank_events as events
from apps.payments.models.bank import BankLine


@transaction.atomic
def set_aside(line_id: int, *, actor: User, reason: str) -> BankLine:
    """
    Set a line aside: a fee, a transfer of our own, or whatever pays no invoice. It stays in sight.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not match lines
    :raises ValidationError: it is matched ("line_matched"), set aside already ("line_set_aside"), or there is no reason
        ("no_reason")
    """
    line = rows.locked(BankLine, line_id, actor=actor, action="change")
    if line.matched_minor:
        raise ValidationError(_("This line is matched. Take the match back first."), code="line_matched")
    if line.set_aside_at is not None:
        raise ValidationError(_("This line is set aside already."), code="line_set_aside")
    if not reason.strip():
        raise refusal("reason", _("Say why this line pays no invoice."), code="no_reason")
    rows.write(line, {"set_aside_at": timezone.now(), "set_aside_reason": reason.strip()[:250]}, actor=actor)
    publish(events.LINE_SET_ASIDE, line.pk, told(line), actor_id=actor.pk)
    return line


@transaction.atomic
def put_back(line_id: int, *, actor: User) -> BankLine:
    """
    Let a line that was set aside be matched again.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not match lines
    :raises ValidationError: it is not set aside ("line_not_set_aside")
    """
    line = rows.locked(BankLine, line_id, actor=actor, action="change")
    if line.set_aside_at is None:
        raise ValidationError(_("This line is not set aside."), code="line_not_set_aside")
    rows.write(line, {"set_aside_at": None, "set_aside_reason": ""}, actor=actor)
    publish(events.LINE_PUT_BACK, line.pk, told(line), actor_id=actor.pk)
    return line


def told(line: BankLine) -> dict[str, Any]:
    """Return what facts tell of a line."""
    account = line.account
    return {
        "id": line.pk,
        "account": {"id": account.pk, "number": account.number, "currency": account.currency},
        "booked_on": line.booked_on.isoformat(),
        "amount_minor": line.amount_minor,
        "currency": account.currency,
        "matched_minor": line.matched_minor,
        "reason": line.set_aside_reason,
    }
