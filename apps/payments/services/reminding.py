"""Invoices to customers by e-mail, and reminders before and after they are due."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal
from apps.accounts.services.letters import send_letter
from apps.common.templatetags.artel import money
from apps.payments import events, letters
from apps.payments.models import Invoice, InvoiceLetter
from apps.payments.services.invoices import require_open
from apps.payments.services.payment_links import make_link

Kind = InvoiceLetter.Kind
MOST_RECIPIENTS = 10
# What should have been told longer ago is told no more: a machine that stood still does not dun for weeks at once.
_STALE = timedelta(days=3)


@transaction.atomic
def send_invoice(
    invoice_id: int,
    *,
    actor: User,
    recipients: Sequence[str],
    origin: str,
    expected_version: int | None = None,
) -> InvoiceLetter:
    """
    Write customers a letter with the link by which they see an invoice and pay it.

    Whoever was sent an invoice is reminded of it, too.

    :param origin: of our own pages, as in "https://artel.example"
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is not open ("invoice_not_open"), nobody is to get it ("required"), these are too many
        ("too_many"), an address is none ("mail_address"), "stale"
    """
    invoice = locked(Invoice, invoice_id, actor=actor, action="change", expected_version=expected_version)
    require_open(invoice)
    addresses = _checked(recipients)
    letter = InvoiceLetter.objects.create(
        invoice=invoice, kind=Kind.INVOICE, recipients=addresses, origin=origin[:200], created_by=actor
    )
    _write(letter, letters.INVOICE, actor=actor)
    return letter


def _checked(recipients: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(each.strip() for each in recipients if each.strip()))
    if not found:
        raise refusal("recipients", _("Say to whom."), code="required")
    if len(found) > MOST_RECIPIENTS:
        text = _("A letter goes to %(most)s people at most.")
        raise refusal("recipients", text, code="too_many", most=MOST_RECIPIENTS)
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            text = _("“%(address)s” is no e-mail address.")
            raise refusal("recipients", text, code="mail_address", address=address[:100]) from error
    return found


def _write(letter: InvoiceLetter, kind: str, *, actor: User) -> None:
    """Have a letter sent to each of its recipients, each with a link of their own."""
    invoice = letter.invoice
    entity = invoice.legal_entity
    with override(invoice.locale):
        said = {
            "sender": str(entity.name if entity else invoice.owner),
            "number": str(invoice),
            "amount": money(invoice.due, invoice.currency),
            "due": letters.day(invoice.due_date),
        }
    for address in letter.recipients:
        _link, token = make_link(invoice.pk, actor=actor)
        link = f"{letter.origin}{reverse('payments:pay', args=[token])}"
        send_letter(kind, address, {**said, "link": link}, language=invoice.locale)


def addresses_of(invoice: Invoice) -> list[str]:
    """Return where an invoice may be sent to: where it was last, else the addresses of its customer."""
    last = InvoiceLetter.objects.filter(invoice=invoice, kind=Kind.INVOICE).order_by("-pk").first()
    if last is not None:
        return list(last.recipients)
    holder = invoice.person if invoice.company_id is None else invoice.company
    if holder is None:
        return []
    points = holder.contact_points.filter(kind="EMAIL", archived_at=None).order_by("pk")
    return [point.raw for point in points[:1]]


def remind_due() -> int:
    """
    Tell owners, and customers who were sent them, of invoices that are due soon or overdue; each time once.

    :return: how many reminders were written
    """
    today = timezone.localdate()
    count = 0
    for days in settings.INVOICE_REMINDER_DAYS:
        # Those that were due so many days ago, or a little longer where nobody was here to tell.
        last = today - timedelta(days=days)
        rows = Invoice.objects.owed().filter(due_date__range=(last - _STALE, last))
        rows = rows.exclude(letters__kind=Kind.REMINDER, letters__days=days)
        for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
            count += _remind(pk, days)
    return count


@transaction.atomic
def _remind(invoice_id: int, days: int) -> bool:
    system = User.objects.system()
    rows = Invoice.objects.select_for_update(of=("self",), no_key=True).select_related(
        "legal_entity", "owner"
    )
    invoice = rows.get(pk=invoice_id)
    known = InvoiceLetter.objects.filter(invoice=invoice, kind=Kind.REMINDER, days=days)
    # It was due later when somebody issued it anew, or paid since.
    if invoice.status != Invoice.Status.OPEN or known.exists():
        return False
    sent = InvoiceLetter.objects.filter(invoice=invoice, kind=Kind.INVOICE).order_by("-pk").first()
    letter = InvoiceLetter.objects.create(
        invoice=invoice,
        kind=Kind.REMINDER,
        days=days,
        recipients=sent.recipients if sent else [],
        origin=sent.origin if sent else "",
        created_by=system,
    )
    is_over = days > 0
    _write(letter, letters.OVERDUE if is_over else letters.DUE_SOON, actor=system)
    fact = events.INVOICE_OVERDUE if is_over else events.INVOICE_DUE_SOON
    events.publish_invoice(fact, invoice.pk, actor_id=system.pk)
    return True
