"""YooKassa, as far as payments, refunds and receipts: payments that somebody pays or not, and notifications about it."""

import base64
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.provider import FakeProvider, Message, Problem, serving

SHOP, SECRET = "100500", "test_fake"


def _error(status: int, code: str, text: str = "") -> Problem:
    return Problem(status, {"type": "error", "id": "x", "code": code, "description": text})


@dataclass
class FakeYooKassa(FakeProvider):
    """One shop."""

    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    receipt_status: str = "succeeded"

    key_header = "Idempotence-Key"

    def require_key(self, headers: Any) -> None:
        opened = base64.b64encode(f"{SHOP}:{SECRET}".encode()).decode()
        if headers.get("Authorization") != f"Basic {opened}":
            raise _error(401, "invalid_credentials", "Basic authentication failed")

    def other_body(self) -> Problem:
        return _error(400, "invalid_request", "Idempotence key duplicated")

    def route(self, method: str, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        parts = path.removeprefix("/v3/").strip("/").split("/")
        if method == "POST" and not headers.get(self.key_header):
            raise _error(400, "invalid_request", "Idempotence key is missing")
        said = json.loads(body) if body else {}
        match (method, *parts):
            case ("POST", "payments"):
                return self._create(said)
            case ("POST", "refunds"):
                return self._refund(said)
            case ("POST", "receipts"):
                return self._receipt(said)
            case ("GET", "payments" | "refunds" | "receipts" as kind, name):
                rows: dict[str, dict[str, Any]] = getattr(self, kind)
                if name in rows:
                    return rows[name]
        raise _error(404, "not_found", "No such object")

    def _create(self, said: dict[str, Any]) -> dict[str, Any]:
        if said["amount"]["currency"] != "RUB" or Decimal(said["amount"]["value"]) <= 0:
            raise _error(400, "invalid_request", "Invalid amount")
        if said["confirmation"]["type"] != "redirect" or said.get("capture") is not True:
            raise _error(400, "invalid_request", "Invalid confirmation")
        name = f"2d{self.number():06}-000f-5000-8000-fake"
        self.payments[name] = {
            "id": name,
            "status": "pending",
            "paid": False,
            "amount": dict(said["amount"]),
            "description": said.get("description", ""),
            "metadata": dict(said.get("metadata", {})),
            "confirmation": {"type": "redirect", "confirmation_url": f"{self.url}/pay/{name}"},
            "test": True,
        }
        return self.payments[name]

    def pay(self, name: str) -> str:
        """Let somebody pay."""
        with self.lock:
            row = self.payments[name]
            assert row["status"] == "pending", row
            amount = Decimal(row["amount"]["value"])
            row |= {
                "status": "succeeded",
                "paid": True,
                "captured_at": datetime.now(UTC).isoformat(),
                "income_amount": {"value": f"{amount * Decimal('0.97'):.2f}", "currency": "RUB"},
            }
            row.pop("confirmation")
            self._tell("payment.succeeded", row)
            return name

    def cancel(self, name: str, reason: str = "expired_on_confirmation") -> None:
        """Let the time of a payment run out, or its bank refuse it."""
        with self.lock:
            row = self.payments[name]
            row |= {"status": "canceled", "cancellation_details": {"party": "yoo_money", "reason": reason}}
            self._tell("payment.canceled", row)

    def _refund(self, said: dict[str, Any]) -> dict[str, Any]:
        payment = self.payments.get(said["payment_id"])
        if payment is None or payment["status"] != "succeeded":
            raise _error(400, "invalid_request", "Payment cannot be refunded")
        gone = sum(
            Decimal(row["amount"]["value"])
            for row in self.refunds.values()
            if row["payment_id"] == payment["id"]
        )
        if gone + Decimal(said["amount"]["value"]) > Decimal(payment["amount"]["value"]):
            raise _error(400, "invalid_request", "Refund is more than the payment")
        name = f"2f{self.number():06}-0015-5000-8000-fake"
        self.refunds[name] = {
            "id": name,
            "payment_id": payment["id"],
            "status": "succeeded",
            "amount": dict(said["amount"]),
        }
        self._tell("refund.succeeded", self.refunds[name])
        return self.refunds[name]

    def _receipt(self, said: dict[str, Any]) -> dict[str, Any]:
        total = sum(Decimal(item["amount"]["value"]) * Decimal(item["quantity"]) for item in said["items"])
        settled = sum(Decimal(each["amount"]["value"]) for each in said["settlements"])
        if total != settled or not said.get("customer"):
            raise _error(400, "invalid_request", "Receipt does not add up")
        name = f"rt_{self.number():06}"
        self.receipts[name] = {
            "id": name,
            "type": said["type"],
            "status": self.receipt_status,
            "items": said["items"],
            "tax_system_code": said.get("tax_system_code"),
            **self._fiscal(name),
        }
        return self.receipts[name]

    def _fiscal(self, name: str) -> dict[str, str]:
        if self.receipt_status != "succeeded":
            return {}
        return {
            "fiscal_document_number": name[-4:],
            "fiscal_storage_number": "9288000100115785",
            "fiscal_attribute": "2617603921",
        }

    def end_receipt(self, name: str) -> None:
        """Let a receipt be registered that was under way."""
        with self.lock:
            self.receipt_status = "succeeded"
            self.receipts[name] |= {"status": "succeeded", **self._fiscal(name)}

    def _tell(self, kind: str, row: dict[str, Any]) -> None:
        body = json.dumps({"type": "notification", "event": kind, "object": row}).encode()
        self.messages.append(Message(kind, body, {}))


def fake_yookassa() -> AbstractContextManager[FakeYooKassa]:
    """Serve a shop at YooKassa for as long as the context is open."""
    return serving(FakeYooKassa())
