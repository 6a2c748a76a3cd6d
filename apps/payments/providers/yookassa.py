"""
YooKassa: the payer pays on a page of theirs, and messages are not signed. No Django here.

A message is therefore taken for a hint that something happened, and what happened, the API is asked.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from apps.common.amounts import places_of
from apps.payments.providers.http import Response, call, part, text
from apps.payments.providers.interface import (
    About,
    Answer,
    Charge,
    DisputeAnswer,
    Keys,
    NotGenuine,
    Notice,
    Receipt,
    ReceiptAnswer,
    RefundAnswer,
    Refused,
    State,
)

# VAT within the price, by its rate in percent; without any, 1.
_VAT = {"0": 2, "10": 3, "20": 4, "5": 7, "7": 8, "22": 11}
_NO_VAT = 1
_STATES = {"succeeded": State.SUCCEEDED, "canceled": State.CANCELED}


class YooKassa:
    """One shop at YooKassa."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def create(self, charge: Charge) -> Answer:
        """Ask for a payment that is captured at once. :raises NoAnswer, Refused: see the interface"""
        body = {
            "amount": _amount(charge.amount_minor, charge.currency),
            "capture": True,
            "confirmation": {
                "type": "redirect",
                "return_url": charge.back_url,
                "locale": "ru_RU" if charge.locale == "ru" else "en_US",
            },
            "description": charge.description[:128],
            "metadata": {"artel": charge.key},
        }
        return _answer(self._post("payments", body, key=charge.key))

    def ask(self, external_id: str) -> Answer:
        """Ask how a payment stands. :raises NoAnswer, Refused: see the interface"""
        return _answer(self._get(f"payments/{quote(external_id, safe='')}"))

    def cancel(self, external_id: str) -> Answer:
        """Refuse: a payment that waits for its payer ends by itself within the hour. :raises Refused: always"""
        raise Refused("cannot_cancel")

    def refund(self, money_id: str, amount_minor: int, currency: str, *, key: str) -> RefundAnswer:
        """Give some of a payment back. :raises NoAnswer, Refused: see the interface"""
        body = {"payment_id": money_id, "amount": _amount(amount_minor, currency)}
        return _refund(self._post("refunds", body, key=key))

    def ask_refund(self, external_id: str) -> RefundAnswer:
        """Ask how a refund stands. :raises NoAnswer, Refused: see the interface"""
        return _refund(self._get(f"refunds/{quote(external_id, safe='')}"))

    def ask_dispute(self, external_id: str) -> DisputeAnswer:
        """Refuse: disputes are dealt with by mail there. :raises Refused: always"""
        raise Refused("no_disputes")

    def send_receipt(self, receipt: Receipt) -> ReceiptAnswer:
        """Have a receipt registered. :raises NoAnswer, Refused: see the interface"""
        if receipt.kind == "CORRECTION":
            raise Refused("no_corrections", "a correction is made at the cash register")
        total = sum(int(line["amount_minor"]) for line in receipt.lines)
        contact = "email" if "@" in receipt.contact else "phone"
        is_refund = receipt.kind == "REFUND"
        body: dict[str, Any] = {
            "type": "refund" if is_refund else "payment",
            "refund_id" if is_refund else "payment_id": receipt.paid_id,
            "send": True,
            "customer": {contact: receipt.contact},
            "items": [_item(line, receipt.currency) for line in receipt.lines],
            "settlements": [{"type": "cashless", "amount": _amount(total, receipt.currency)}],
        }
        if receipt.tax_system is not None:
            body["tax_system_code"] = receipt.tax_system
        return _receipt(self._post("receipts", body, key=receipt.key))

    def ask_receipt(self, external_id: str) -> ReceiptAnswer:
        """Ask what became of a receipt. :raises NoAnswer, Refused: see the interface"""
        return _receipt(self._get(f"receipts/{quote(external_id, safe='')}"))

    def read(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a message, which anybody may have written. :raises NotGenuine: it is no message"""
        try:
            message = json.loads(body)
        except ValueError as error:
            raise NotGenuine("no_json") from error
        kind = text(message, "event") if isinstance(message, dict) else ""
        row = part(message, "object") if isinstance(message, dict) else {}
        if not kind or not text(row, "id") or len(text(row, "id")) > 64:
            raise NotGenuine("no_event")
        # It has no number of its own: what happened to what, happens once.
        known: dict[str, Any] = {
            "event_id": f"{kind[:100]}:{text(row, 'id')}",
            "type": kind[:100],
            "external_id": text(row, "id"),
        }
        key = text(row, "metadata", "artel")
        if kind.startswith("payment."):
            return Notice(**known, about=About.CHARGE, key=key)
        if kind.startswith("refund."):
            return Notice(**known, about=About.REFUND, key=key, money_id=text(row, "payment_id"))
        return Notice(**known)

    def _get(self, path: str) -> dict[str, Any]:
        return self._read(self._call("GET", path))

    def _post(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        headers = [("Content-Type", "application/json"), ("Idempotence-Key", key)]
        return self._read(self._call("POST", path, headers, json.dumps(body).encode()))

    def _call(
        self,
        method: str,
        path: str,
        headers: list[tuple[str, str]] | None = None,
        content: bytes | None = None,
    ) -> Response:
        opened = base64.b64encode(f"{self._keys.shop_id}:{self._keys.secret}".encode()).decode()
        return call(
            method,
            f"{self._keys.url}/v3/{path}",
            headers=[("Authorization", f"Basic {opened}"), *(headers or [])],
            content=content,
            seconds=self._keys.timeout,
        )

    @staticmethod
    def _read(response: Response) -> dict[str, Any]:
        if response.status < 300:
            return response.body
        code = text(response.body, "code") or f"status_{response.status}"
        raise Refused(code, text(response.body, "description"))


def _amount(amount_minor: int, currency: str) -> dict[str, str]:
    places = places_of(currency)
    return {"value": f"{Decimal(amount_minor).scaleb(-places):.{places}f}", "currency": currency}


def _minor(document: dict[str, Any], *path: str) -> int | None:
    """Return an amount of theirs in minor units; None where there is none that is exact."""
    found = part(document, *path)
    try:
        value = Decimal(text(found, "value")).scaleb(places_of(text(found, "currency") or "RUB"))
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and value == value.to_integral_value() else None


def _answer(payment: dict[str, Any]) -> Answer:
    amount, income = _minor(payment, "amount"), _minor(payment, "income_amount")
    state = _STATES.get(text(payment, "status"), State.PENDING)
    is_ours = text(payment, "income_amount", "currency") == text(payment, "amount", "currency")
    return Answer(
        state=state,
        external_id=text(payment, "id"),
        money_id=text(payment, "id"),
        url=text(payment, "confirmation", "confirmation_url"),
        amount_minor=amount or 0,
        currency=text(payment, "amount", "currency"),
        fee_minor=amount - income if is_ours and amount is not None and income is not None else None,
        paid_on=_day(text(payment, "captured_at")),
        error=text(payment, "cancellation_details", "reason"),
    )


def _day(at: str) -> Any:
    try:
        return datetime.fromisoformat(at).astimezone(UTC).date()
    except ValueError:
        return None


def _refund(refund: dict[str, Any]) -> RefundAnswer:
    return RefundAnswer(
        state=_STATES.get(text(refund, "status"), State.PENDING),
        external_id=text(refund, "id"),
        money_id=text(refund, "payment_id"),
        amount_minor=_minor(refund, "amount") or 0,
        key=text(refund, "metadata", "artel"),
    )


def _item(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    rate = line.get("tax_rate")
    plain = None if rate is None else f"{Decimal(str(rate)).normalize():f}"
    return {
        "description": str(line["name"])[:128],
        # The amount is of one unit there; a line of several that does not divide stands as one.
        "quantity": "1.00",
        "amount": _amount(int(line["amount_minor"]), currency),
        "vat_code": _NO_VAT if plain is None else _VAT.get(plain, _NO_VAT),
        "payment_mode": "full_payment",
        "payment_subject": "service",
    }


_RECEIPTS = {"succeeded": State.SUCCEEDED, "canceled": State.FAILED}


def _receipt(receipt: dict[str, Any]) -> ReceiptAnswer:
    return ReceiptAnswer(
        state=_RECEIPTS.get(text(receipt, "status"), State.PENDING),
        external_id=text(receipt, "id"),
        fiscal_storage=text(receipt, "fiscal_storage_number"),
        fiscal_document=text(receipt, "fiscal_document_number"),
        fiscal_sign=text(receipt, "fiscal_attribute"),
    )
