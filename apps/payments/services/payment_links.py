"""
Links by which customers see what they owe of one invoice, and pay it.

Whoever has the secret of a link is whom it is for. It is told once, to who made the link; here is its digest. A link that
leads nowhere is answered as one that never was.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal
from apps.common.links import digest_of, new_token
from apps.payments.models import Invoice, PaymentLink
from apps.payments.services.invoices import require_open

USUAL_DAYS = 30
# What was paid is still shown, and what is a draft or void never.
_SHOWN = (Invoice.Status.OPEN, Invoice.Status.PAID)


@transaction.atomic
def make_link(
    invoice_id: int, *, actor: User, expires_at: datetime | None = None, lets_part: bool = True
) -> tuple[PaymentLink, str]:
    """
    Make a link by which an open invoice is paid.

    :param expires_at: in a month unless said, and within `PAYMENT_LINK_MAX_DAYS`
    :param lets_part: less than all that is owed may be paid, too
    :return: the link, and the secret that is told this once
    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is not open ("invoice_not_open"), or the end is refused ("expiry_refused")
    """
    invoice = locked(Invoice, invoice_id, actor=actor, action="change")
    require_open(invoice)
    now = timezone.now()
    ends = expires_at or now + timedelta(days=min(USUAL_DAYS, settings.PAYMENT_LINK_MAX_DAYS))
    if not now < ends <= now + timedelta(days=settings.PAYMENT_LINK_MAX_DAYS, hours=1):
        text = ngettext_lazy("A link ends within %(days)d day.", "A link ends within %(days)d days.", "days")
        raise refusal("expires_at", text, code="expiry_refused", days=settings.PAYMENT_LINK_MAX_DAYS)
    token, digest = new_token()
    link = PaymentLink.objects.create(
        invoice=invoice, digest=digest, expires_at=ends, lets_part=lets_part, created_by=actor
    )
    return link, token


@transaction.atomic
def revoke_link(link_id: int, *, actor: User) -> PaymentLink:
    """
    Take a link back: it ends at once. Asking twice is asking once.

    :raises DoesNotExist: the link is out of sight
    :raises PermissionDenied: the actor may not change its invoice
    """
    link = PaymentLink.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=link_id)
    access.require(actor, "change", link)
    if link.revoked_at is None:
        link.revoked_at, link.revoked_by = timezone.now(), actor
        link.save(update_fields=["revoked_at", "revoked_by"])
    return link


def open_link(token: str) -> PaymentLink:
    """
    Return the link behind a secret, as long as it leads somewhere.

    :raises DoesNotExist: there never was one, its time is over, it was taken back, or there is nothing to be seen
    """
    rows = PaymentLink.objects.open().select_related("invoice__legal_entity", "invoice__document")
    return rows.get(digest=digest_of(token), invoice__status__in=_SHOWN)


def note_opened(link: PaymentLink) -> None:
    """Count that somebody has looked."""
    PaymentLink.objects.filter(pk=link.pk).update(views=F("views") + 1, viewed_at=timezone.now())


def require_part(link: PaymentLink, amount_minor: int | None) -> None:
    """Insist that so much may be paid by a link. :raises ValidationError: all or nothing ("whole_only")"""
    if not link.lets_part and amount_minor not in (None, link.invoice.left_minor):
        raise ValidationError(_("This invoice is paid as a whole."), code="whole_only")
