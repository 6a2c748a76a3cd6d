"""The page by which a customer sees what they owe and pays it, and the one that they come back to from the provider."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.faces.declared import public
from apps.accounts.models import User
from apps.common.amounts import to_decimal, to_minor
from apps.documents.faces.serving import respond_with
from apps.payments.models import Invoice, PaymentAttempt, PaymentLink
from apps.payments.pages.shown import limited, nowhere, speak, strict
from apps.payments.services import charging, payment_links
from apps.payments.services.charging import Asked
from apps.payments.services.provider_accounts import offered_for

_WHY = "whoever holds the link that they were sent, and nobody else, pays by it"
# While somebody looks, the provider is asked no more often.
_ASK_PAUSE = timedelta(seconds=4)
_REFRESH_SECONDS = 5
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,4})?", re.ASCII)


@public(_WHY)
@limited
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is owed of an invoice, and lead to the provider."""
    try:
        link = payment_links.open_link(token)
    except ObjectDoesNotExist:
        return nowhere(request)
    speak(request, link.invoice.locale)
    if request.method == "POST":
        return _done(request, link, token=token)
    if request.method == "GET":
        payment_links.note_opened(link)
    return _page(request, link, token=token)


@public(_WHY)
@limited
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def back(request: HttpRequest, signed: str) -> HttpResponse:
    """Show who comes back from the provider how it stands; as long as nobody knows, the page renews itself."""
    try:
        attempt = charging.attempt_of(signed)
    except ObjectDoesNotExist:
        return nowhere(request)
    link = attempt.link
    speak(request, attempt.locale)
    if request.method == "POST":
        if link is None or not link.is_open:
            return nowhere(request)
        return _done(request, link, signed=signed)
    if request.method == "GET" and not attempt.has_ended:
        charging.ask_attempt(attempt.pk, at_most_every=_ASK_PAUSE)
        attempt = charging.attempt_of(signed)
    return _page(request, link if link is not None and link.is_open else None, attempt=attempt)


@public(_WHY)
@limited
@require_safe
def paper(request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer with the invoice as a PDF."""
    try:
        document = payment_links.open_link(token).invoice.document
    except ObjectDoesNotExist:
        return nowhere(request)
    if document is None or document.current_version is None:
        return nowhere(request)
    response = respond_with(document.current_version, request, as_attachment="keep" in request.GET)
    # A browser that others may use does not keep what a link led to.
    response["Cache-Control"] = "private, no-store"
    return response


def _done(request: HttpRequest, link: PaymentLink, *, token: str = "", signed: str = "") -> HttpResponse:
    """Do what a button asks for; a refusal is shown where the person is looking."""
    action = request.POST.get("action", "")
    try:
        if action == "pay":
            return _started(request, link)
        pending = charging.pending_of(link.invoice)
        if action == "give-up" and pending is not None:
            charging.give_up_attempt(pending.pk)
            return strict(HttpResponseRedirect(request.path))
    except ValidationError as refused:
        return _page(
            request, link, refused=" ".join(refused.messages), status=400, token=token, signed=signed
        )
    return _page(request, link, status=400, token=token, signed=signed)


def _started(request: HttpRequest, link: PaymentLink) -> HttpResponse:
    invoice = link.invoice
    amount = _amount(request.POST.get("amount", ""), invoice.currency)
    payment_links.require_part(link, amount)
    account = request.POST.get("account", "")
    asked = Asked(
        account_id=int(account) if account.isdecimal() and len(account) < 19 else 0,
        amount_minor=amount,
        origin=request.build_absolute_uri("/").rstrip("/"),
        locale=(get_language() or invoice.locale)[:8],
        contact=_contact(request.POST.get("contact", "")),
        link=link,
    )
    attempt = charging.start_attempt(invoice.pk, asked, actor=User.objects.system())
    attempt = charging.send_attempt(attempt.pk)
    is_ready = attempt.state == PaymentAttempt.State.PENDING and attempt.url
    to = attempt.url if is_ready else charging.back_path(attempt)
    return strict(HttpResponseRedirect(to))


def _amount(entered: str, currency: str) -> int | None:
    """Return what was entered in minor units; None where nothing was. :raises ValidationError: no amount ("amount")"""
    plain = "".join(entered.split()).replace("\u202f", "").replace(",", ".")
    if not plain:
        return None
    if not _AMOUNT.fullmatch(plain):
        raise ValidationError(_("Enter an amount as in 1500.00."), code="amount")
    minor = to_minor(Decimal(plain), currency)
    if to_decimal(minor, currency) != Decimal(plain) or minor <= 0:
        raise ValidationError(_("Enter an amount as in 1500.00."), code="amount")
    return minor


def _contact(entered: str) -> str:
    """Return an e-mail address, or a phone as digits. :raises ValidationError: it is neither ("contact")"""
    plain = entered.strip()
    if not plain:
        return ""
    if "@" not in plain:
        digits = re.sub(r"[\s()+-]", "", plain)
        if re.fullmatch(r"[0-9]{10,15}", digits, re.ASCII):
            return digits
        raise ValidationError(_("Enter an e-mail address or a phone number."), code="contact")
    try:
        validate_email(plain)
    except ValidationError:
        raise ValidationError(_("Enter an e-mail address or a phone number."), code="contact") from None
    return plain


def _page(
    request: HttpRequest,
    link: PaymentLink | None,
    *,
    attempt: PaymentAttempt | None = None,
    token: str = "",
    signed: str = "",
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    invoice = attempt.payment.invoice if attempt is not None else link.invoice if link is not None else None
    if invoice is None:
        return nowhere(request)
    # As it is now: money may have come a moment ago.
    invoice.refresh_from_db()
    if signed and attempt is None:
        attempt = charging.attempt_of(signed)
    is_open = invoice.status == Invoice.Status.OPEN
    pending = charging.pending_of(invoice) if is_open else None
    is_waiting = attempt is not None and not attempt.has_ended
    accounts = offered_for(invoice) if link is not None and is_open and pending is None else []
    context: dict[str, Any] = {
        "invoice": invoice,
        "sender": invoice.legal_entity.full_name or invoice.legal_entity.name if invoice.legal_entity else "",
        "lines": invoice.lines.select_related("invoice").order_by("position"),
        "attempt": attempt,
        "pending": pending,
        "may_give_up": pending is not None and link is not None and bool(pending.external_id),
        "is_waiting": is_waiting,
        "refresh": _REFRESH_SECONDS if is_waiting and not refused else None,
        "is_open": is_open,
        "accounts": accounts,
        "needs_contact": any(each.has_receipts for each in accounts) and invoice.currency == "RUB",
        "is_demo": any(each.is_demo for each in accounts),
        "lets_part": link is not None and link.lets_part,
        "token": token,
        "has_paper": bool(token and invoice.document and invoice.document.current_version_id),
        "refused": refused,
        "entered": request.POST if refused else {},
    }
    return strict(render(request, "payments/pay.html", context, status=status))
