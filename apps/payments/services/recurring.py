"""Invoices that are drawn up again and again, like one that was issued, by a rule of RFC 5545."""

import logging
from datetime import date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import insert, locked
from apps.accounts.rows import differing, refusal, write
from apps.common import recurrence
from apps.payments.models import Invoice, InvoiceLetter, RecurringInvoice, RecurringIssue
from apps.payments.services import invoices
from apps.payments.services.invoices import NewLine
from apps.payments.services.reminding import send_invoice

logger = logging.getLogger(__name__)

State = RecurringInvoice.State


@transaction.atomic
def create_recurring(
    invoice_id: int,
    *,
    actor: User,
    recurrence_rule: str,
    first_date: date,
    due_days: int = invoices.DUE_DAYS,
    is_issued: bool = True,
    is_sent: bool = False,
) -> RecurringInvoice:
    """
    Have an invoice that was issued drawn up anew whenever a rule says so.

    :param recurrence_rule: as in RFC 5545: "FREQ=MONTHLY;BYMONTHDAY=1"
    :param first_date: the first day that it may be drawn up on, today at the earliest
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not issue it
    :raises ValidationError: it is a draft ("invoice_draft"), the rule is none ("invalid_recurrence"), the day is over
        ("past"), or what is only drafted is to be sent ("draft_not_sent")
    """
    pattern = locked(Invoice, invoice_id, actor=actor, action="issue")
    if pattern.is_draft:
        raise ValidationError(_("Issue the invoice first."), code="invoice_draft")
    if first_date < timezone.localdate():
        raise refusal("first_date", _("This day is over."), code="past")
    zone = recurrence.zone_named("")
    series = RecurringInvoice(
        pattern=pattern,
        recurrence=recurrence.cleaned(recurrence_rule, zone=zone),
        first_date=first_date,
        due_days=due_days,
        is_issued=is_issued,
        is_sent=is_sent,
    )
    _require_sense(series)
    series.next_date = next_day(series, first_date - timedelta(days=1))
    return insert(series, actor=actor)


def _require_sense(series: RecurringInvoice) -> None:
    if series.is_sent and not series.is_issued:
        raise refusal("is_sent", _("A draft is not sent to anybody."), code="draft_not_sent")


def next_day(series: RecurringInvoice, after: date) -> date | None:
    """Return the first day of a series after another; None where it is over."""
    start = datetime(series.first_date.year, series.first_date.month, series.first_date.day)  # noqa: DTZ001 - a wall clock
    clock = datetime(after.year, after.month, after.day, 23, 59)  # noqa: DTZ001
    found = recurrence.next_wall(series.recurrence, start.strftime(recurrence.WALL), clock)
    return None if found is None else found.date()


@transaction.atomic
def change_recurring(
    series_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> RecurringInvoice:
    """
    Change how a series goes on; what was drawn up stays.

    :param fields: due_days, is_issued, is_sent
    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not issue its invoice
    :raises ValidationError: a value is refused, "draft_not_sent", "stale"
    """
    series = _locked(series_id, actor=actor, expected_version=expected_version)
    changes = differing(series, fields)
    for name, value in changes.items():
        setattr(series, name, value)
    _require_sense(series)
    return write(series, changes, actor=actor) if changes else series


@transaction.atomic
def pause_recurring(series_id: int, *, actor: User, expected_version: int | None = None) -> RecurringInvoice:
    """
    Draw nothing up until it is resumed.

    :raises: what :func:`change_recurring` raises, or it is not active ("series_not_active")
    """
    series = _locked(series_id, actor=actor, expected_version=expected_version)
    if series.state != State.ACTIVE:
        raise ValidationError(_("This series is not active."), code="series_not_active")
    return write(series, {"state": State.PAUSED}, actor=actor)


@transaction.atomic
def resume_recurring(series_id: int, *, actor: User, expected_version: int | None = None) -> RecurringInvoice:
    """
    Go on with a series that is paused; what was left out meanwhile stays left out.

    :raises: what :func:`change_recurring` raises, or it is not paused ("series_not_paused")
    """
    series = _locked(series_id, actor=actor, expected_version=expected_version)
    if series.state != State.PAUSED:
        raise ValidationError(_("This series is not paused."), code="series_not_paused")
    yesterday = timezone.localdate() - timedelta(days=1)
    following = next_day(series, max(yesterday, series.first_date - timedelta(days=1)))
    drawn = series.issues.filter(day=following).exists() if following else False
    if following is not None and drawn:
        following = next_day(series, following)
    values = {"state": State.ACTIVE if following else State.ENDED, "next_date": following, "error": ""}
    return write(series, values, actor=actor)


@transaction.atomic
def end_recurring(series_id: int, *, actor: User, expected_version: int | None = None) -> RecurringInvoice:
    """
    End a series for good.

    :raises: what :func:`change_recurring` raises, or it has ended ("series_ended")
    """
    series = _locked(series_id, actor=actor, expected_version=expected_version)
    if series.state == State.ENDED:
        raise ValidationError(_("This series has ended."), code="series_ended")
    return write(series, {"state": State.ENDED, "next_date": None}, actor=actor)


def _locked(series_id: int, *, actor: User, expected_version: int | None) -> RecurringInvoice:
    return locked(RecurringInvoice, series_id, actor=actor, action="issue", expected_version=expected_version)


def draw_due() -> int:
    """Draw up what is due by now, day by day; return how many invoices."""
    count = 0
    due = RecurringInvoice.objects.filter(state=State.ACTIVE, next_date__lte=timezone.localdate())
    for pk in list(due.order_by("next_date", "pk").values_list("pk", flat=True)):
        # A series of which several days were missed catches up.
        while _draw(pk):
            count += 1
    return count


def _draw(series_id: int) -> bool:
    try:
        with transaction.atomic():
            return _draw_next(series_id)
    except ValidationError as error:
        said = " ".join(error.messages)
        logger.warning("the recurring invoice %s was not drawn up: %s", series_id, said)
        RecurringInvoice.objects.filter(pk=series_id).update(error=said[:300])
        return False


def _draw_next(series_id: int) -> bool:
    rows = RecurringInvoice.objects.select_for_update(skip_locked=True, of=("self",))
    series = rows.select_related("pattern").filter(pk=series_id, state=State.ACTIVE).first()
    today = timezone.localdate()
    if series is None or series.next_date is None or series.next_date > today:
        return False
    system, day = User.objects.system(), series.next_date
    invoice = _drawn(series, day, actor=system)
    RecurringIssue.objects.create(series=series, day=day, invoice=invoice)
    if series.is_issued:
        invoices.issue_invoice(invoice.pk, actor=system)
    if series.is_issued and series.is_sent:
        _send(series, invoice, actor=system)
    following = next_day(series, day)
    values = {"next_date": following, "error": "", "state": State.ACTIVE if following else State.ENDED}
    write(series, differing(series, values), actor=system)
    return True


def _drawn(series: RecurringInvoice, day: date, *, actor: User) -> Invoice:
    pattern, today = series.pattern, timezone.localdate()
    lines = [
        NewLine(
            name=line.name,
            quantity=line.quantity,
            unit_price=line.unit_price,
            unit=line.unit,
            discount_percent=line.discount_percent,
            tax_rate=line.tax_rate,
            is_tax_included=line.is_tax_included,
            product_id=line.product_id,
        )
        for line in pattern.lines.order_by("position")
    ]
    invoice = invoices.create_invoice(
        actor=actor,
        lines=lines,
        company_id=pattern.company_id,
        person_id=pattern.person_id,
        legal_entity_id=pattern.legal_entity_id,
        series=pattern.series,
        currency=pattern.currency,
        locale=pattern.locale,
        issue_date=today,
        due_date=max(day, today) + timedelta(days=series.due_days),
        note=pattern.note,
    )
    return write(invoice, {"owner_id": pattern.owner_id, "team_id": pattern.team_id}, actor=actor)


def _send(series: RecurringInvoice, invoice: Invoice, *, actor: User) -> None:
    """Send an invoice to whom the one that it follows was sent."""
    sent = InvoiceLetter.objects.filter(invoice=series.pattern, kind=InvoiceLetter.Kind.INVOICE)
    last = sent.order_by("-pk").first()
    if last is not None and last.recipients:
        send_invoice(invoice.pk, actor=actor, recipients=last.recipients, origin=last.origin)


def may_recur(actor: User, invoice: Invoice) -> bool:
    """Tell whether somebody may have an invoice drawn up again."""
    return not invoice.is_draft and access.can(actor, "issue", invoice)
