"""
Stripe: the payer pays on a page of theirs (a Checkout Session), and webhooks are signed. No Django here.

Plain HTTP rather than the library `stripe`: what counts here is to tell "refused" from "nobody knows", which takes a
deadline for the whole exchange, and the library retries by itself.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from apps.payments.providers.http import Response, call, part, text, whole
from apps.payments.providers.interface import (
    About,
    Answer,
    Charge,
    DisputeAnswer,
    Keys,
    NoAnswer,
    NotGenuine,
    Notice,
    Receipt,
    ReceiptAnswer,
    RefundAnswer,
    Refused,
    State,
)

# The version that these answers were read in; an account may stand at any other.
VERSION = "2025-03-31.basil"
# So old a signature may be, as the library has it.
TOLERANCE = 300
# Units that Stripe writes with two places although the currency has none.
_HUNDREDTHS = frozenset({"ISK", "UGX"})
_EXPAND = ("payment_intent.latest_charge.balance_transaction",)
_LOCALES = frozenset({"ru", "en"})


class Stripe:
    """One account with Stripe."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def create(self, charge: Charge) -> Answer:
        """Ask for a Checkout Session. :raises NoAnswer, Refused: see the interface"""
        form: list[tuple[str, str]] = [
            ("mode", "payment"),
            ("client_reference_id", charge.key),
            ("metadata[artel]", charge.key),
            ("payment_intent_data[metadata][artel]", charge.key),
            ("payment_intent_data[description]", charge.description),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", charge.currency.lower()),
            ("line_items[0][price_data][unit_amount]", str(_theirs(charge.amount_minor, charge.currency))),
            ("line_items[0][price_data][product_data][name]", charge.description),
            ("locale", charge.locale if charge.locale in _LOCALES else "auto"),
            ("success_url", charge.back_url),
            ("cancel_url", charge.back_url),
            ("expires_at", str(int(charge.expires_at.timestamp()))),
        ]
        if "@" in charge.contact:
            form.append(("customer_email", charge.contact))
        return _answer(self._post("checkout/sessions", form, key=charge.key))

    def ask(self, external_id: str) -> Answer:
        """Ask how a session stands. :raises NoAnswer, Refused: see the interface"""
        query = urlencode([("expand[]", each) for each in _EXPAND])
        return _answer(self._get(f"checkout/sessions/{quote(external_id, safe='')}?{query}"))

    def cancel(self, external_id: str) -> Answer:
        """Let a session expire that nobody has paid. :raises NoAnswer, Refused: see the interface"""
        return _answer(self._post(f"checkout/sessions/{quote(external_id, safe='')}/expire", []))

    def refund(self, money_id: str, amount_minor: int, currency: str, *, key: str) -> RefundAnswer:
        """Give some of a payment back. :raises NoAnswer, Refused: see the interface"""
        form = [
            ("payment_intent", money_id),
            ("amount", str(_theirs(amount_minor, currency))),
            ("metadata[artel]", key),
        ]
        return _refund(self._post("refunds", form, key=key))

    def ask_refund(self, external_id: str) -> RefundAnswer:
        """Ask how a refund stands. :raises NoAnswer, Refused: see the interface"""
        return _refund(self._get(f"refunds/{quote(external_id, safe='')}"))

    def ask_dispute(self, external_id: str) -> DisputeAnswer:
        """Ask how a dispute stands. :raises NoAnswer, Refused: see the interface"""
        return _dispute(self._get(f"disputes/{quote(external_id, safe='')}"))

    def send_receipt(self, receipt: Receipt) -> ReceiptAnswer:
        """Refuse: Stripe knows no fiscal receipts. :raises Refused: always"""
        raise Refused("no_receipts")

    def ask_receipt(self, external_id: str) -> ReceiptAnswer:
        """Refuse: Stripe knows no fiscal receipts. :raises Refused: always"""
        raise Refused("no_receipts")

    def read(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a signed message. :raises NotGenuine: its signature is not ours, or old, or it is no message"""
        given = {name.lower(): value for name, value in headers.items()}
        verify(body, given.get("stripe-signature", ""), self._keys.webhook_secret)
        return notice_of(body)

    def _get(self, path: str) -> dict[str, Any]:
        return self._read(self._call("GET", path))

    def _post(self, path: str, form: list[tuple[str, str]], *, key: str = "") -> dict[str, Any]:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        if key:
            headers.append(("Idempotency-Key", key))
        return self._read(self._call("POST", path, headers, urlencode(form).encode()))

    def _call(
        self,
        method: str,
        path: str,
        headers: list[tuple[str, str]] | None = None,
        content: bytes | None = None,
    ) -> Response:
        ours = [("Authorization", f"Bearer {self._keys.secret}"), ("Stripe-Version", VERSION)]
        return call(
            method,
            f"{self._keys.url}/v1/{path}",
            headers=[*ours, *(headers or [])],
            content=content,
            seconds=self._keys.timeout,
        )

    @staticmethod
    def _read(response: Response) -> dict[str, Any]:
        if response.status < 300:
            return response.body
        code = text(response.body, "error", "code") or text(response.body, "error", "type")
        if response.status == 409 or code == "lock_timeout":
            # A twin of this request is under way: what becomes of it is not known yet.
            raise NoAnswer("in_flight")
        raise Refused(code or f"status_{response.status}", text(response.body, "error", "message"))


def verify(body: bytes, header: str, secret: str, *, now: float | None = None) -> None:
    """
    Insist that Stripe has signed a message, and not long ago.

    :param header: Stripe-Signature: "t=1732962000,v1=…"; any of several signatures will do
    :raises NotGenuine: it has not
    """
    parts = [each.partition("=") for each in header.split(",")]
    times = [value for name, _equals, value in parts if name.strip() == "t"]
    given = [value for name, _equals, value in parts if name.strip() == "v1"]
    if not secret or len(times) != 1 or not times[0].isascii() or not times[0].isdigit():
        raise NotGenuine("no_signature")
    digest = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(digest.encode(), each.encode()) for each in given):
        raise NotGenuine("wrong_signature")
    if abs((time.time() if now is None else now) - int(times[0][:15])) > TOLERANCE:
        raise NotGenuine("old_signature")


def _theirs(amount_minor: int, currency: str) -> int:
    return amount_minor * 100 if currency in _HUNDREDTHS else amount_minor


def _ours(amount: int, currency: str) -> int:
    return amount // 100 if currency in _HUNDREDTHS else amount


def _answer(session: dict[str, Any]) -> Answer:
    currency = text(session, "currency").upper()
    status, paid = text(session, "status"), text(session, "payment_status")
    intent = part(session, "payment_intent")
    charge = part(intent, "latest_charge")
    state = State.PENDING
    if paid == "paid":
        state = State.SUCCEEDED
    elif status == "expired":
        state = State.CANCELED
    elif status == "complete" and text(intent, "status") in ("canceled", "requires_payment_method"):
        # A payment that takes days has failed after the session was over.
        state = State.FAILED
    fees = part(charge, "balance_transaction")
    has_fee = text(fees, "currency").upper() == currency
    created = whole(charge, "created")
    return Answer(
        state=state,
        external_id=text(session, "id"),
        money_id=text(intent, "id") or text(session, "payment_intent"),
        url=text(session, "url"),
        amount_minor=_ours(whole(session, "amount_total"), currency),
        currency=currency,
        fee_minor=_ours(whole(fees, "fee"), currency) if has_fee else None,
        paid_on=datetime.fromtimestamp(created, tz=UTC).date() if created else None,
        error=text(intent, "last_payment_error", "code") if state == State.FAILED else "",
    )


_REFUND_STATES = {
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
}


def _refund(refund: dict[str, Any]) -> RefundAnswer:
    currency = text(refund, "currency").upper()
    return RefundAnswer(
        state=_REFUND_STATES.get(text(refund, "status"), State.PENDING),
        external_id=text(refund, "id"),
        money_id=text(refund, "payment_intent"),
        amount_minor=_ours(whole(refund, "amount"), currency),
        key=text(refund, "metadata", "artel"),
    )


_DISPUTES = {"won": "WON", "lost": "LOST", "warning_closed": "WON", "prevented": "WON"}


def _dispute(dispute: dict[str, Any]) -> DisputeAnswer:
    currency = text(dispute, "currency").upper()
    found = dispute.get("balance_transactions")
    moves = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    # An inquiry takes no money away; a fee of another currency is not of this payment's books.
    taken = [each for each in moves if whole(each, "amount") < 0]
    fees = sum(whole(each, "fee") for each in taken if text(each, "currency").upper() == currency)
    due = whole(dispute, "evidence_details", "due_by")
    return DisputeAnswer(
        external_id=text(dispute, "id"),
        money_id=text(dispute, "payment_intent"),
        status=_DISPUTES.get(text(dispute, "status"), "OPEN"),
        amount_minor=_ours(whole(dispute, "amount"), currency),
        currency=currency,
        fee_minor=max(_ours(fees, currency), 0),
        reason=text(dispute, "reason")[:100],
        is_withdrawn=bool(taken),
        opened_at=datetime.fromtimestamp(whole(dispute, "created"), tz=UTC),
        respond_by=datetime.fromtimestamp(due, tz=UTC) if due else None,
    )


def notice_of(body: bytes) -> Notice:
    """Return what a message says whose signature was verified. :raises NotGenuine: it is none"""
    try:
        event = json.loads(body)
    except ValueError as error:
        raise NotGenuine("no_json") from error
    if not isinstance(event, dict) or not text(event, "id"):
        raise NotGenuine("no_event")
    return _notice(event)


def _notice(event: dict[str, Any]) -> Notice:
    kind, row = text(event, "type"), part(event, "data", "object")
    known: dict[str, Any] = {
        "event_id": text(event, "id"),
        "type": kind[:100],
        "external_id": text(row, "id"),
    }
    if kind.startswith("checkout.session."):
        return Notice(**known, about=About.CHARGE, key=text(row, "client_reference_id"))
    if kind.startswith("payment_intent."):
        known["external_id"] = ""
        return Notice(
            **known, about=About.CHARGE, key=text(row, "metadata", "artel"), money_id=text(row, "id")
        )
    if kind.startswith("charge.dispute."):
        return Notice(**known, about=About.DISPUTE, money_id=text(row, "payment_intent"))
    if kind.startswith(("refund.", "charge.refund.")):
        return Notice(
            **known,
            about=About.REFUND,
            key=text(row, "metadata", "artel"),
            money_id=text(row, "payment_intent"),
        )
    if kind in ("charge.succeeded", "charge.failed", "charge.updated"):
        known["external_id"] = ""
        return Notice(
            **known,
            about=About.CHARGE,
            key=text(row, "metadata", "artel"),
            money_id=text(row, "payment_intent"),
        )
    return Notice(**known)
