"""Stripe, as far as Checkout, refunds and disputes: sessions that somebody pays or not, and signed webhooks about it."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.provider import FakeProvider, Message, Problem, serving

SECRET = "sk_test_fake"
WEBHOOK_SECRET = "whsec_fake"
# As a European card costs: 1.5 % and 25 cents.
_FEE = (15, 25)


def sign(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """Return the header Stripe-Signature of a body."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest},v0=ignored"


def _error(status: int, code: str, text: str = "", kind: str = "invalid_request_error") -> Problem:
    return Problem(status, {"error": {"type": kind, "code": code, "message": text}})


@dataclass
class FakeStripe(FakeProvider):
    """One account."""

    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    balance: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    # What becomes of the next refund, and whether fees are told at once.
    refund_status: str = "succeeded"
    has_fee_at_once: bool = True

    def require_key(self, headers: Any) -> None:
        if headers.get("Authorization") != f"Bearer {SECRET}":
            raise _error(401, "invalid_api_key", "Invalid API Key provided")

    def other_body(self) -> Problem:
        text = "Keys for idempotent requests can only be used with the same parameters"
        return _error(400, "idempotency_key_in_use", text, "idempotency_error")

    def route(self, method: str, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        place, _mark, query = path.partition("?")
        parts = place.removeprefix("/v1/").strip("/").split("/")
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        match (method, *parts):
            case ("POST", "checkout", "sessions"):
                return self._create(form)
            case ("GET", "checkout", "sessions", name):
                return self._expanded(self._found(self.sessions, name), "expand" in query)
            case ("POST", "checkout", "sessions", name, "expire"):
                return self._expire(self._found(self.sessions, name))
            case ("POST", "refunds"):
                return self._refund(form)
            case ("GET", "refunds", name):
                return self._found(self.refunds, name)
            case ("GET", "disputes", name):
                return self._found(self.disputes, name)
        raise _error(404, "resource_missing", f"Unrecognized request URL ({method}: {place})")

    @staticmethod
    def _found(rows: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in rows:
            raise _error(404, "resource_missing", f"No such object: {name}")
        return rows[name]

    def _create(self, form: dict[str, str]) -> dict[str, Any]:
        expires = int(form["expires_at"])
        if not time.time() + 1790 <= expires <= time.time() + 86400:
            raise _error(400, "parameter_invalid_integer", "expires_at is between 30 minutes and 24 hours")
        if form.get("mode") != "payment" or int(form["line_items[0][price_data][unit_amount]"]) <= 0:
            raise _error(400, "parameter_invalid", "nothing to pay")
        name = f"cs_test_{self.number()}"
        self.sessions[name] = {
            "id": name,
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "client_reference_id": form.get("client_reference_id"),
            "metadata": {"artel": form.get("metadata[artel]", "")},
            "payment_intent": None,
            "url": f"{self.url}/c/pay/{name}",
            "success_url": form["success_url"],
            "expires_at": expires,
        }
        return self.sessions[name]

    def _expanded(self, session: dict[str, Any], is_expanded: bool) -> dict[str, Any]:
        name = session["payment_intent"]
        if not is_expanded or name is None:
            return session
        intent = self.intents[name]
        charge = self.charges.get(str(intent["latest_charge"]))
        if charge is not None:
            fees = self.balance.get(str(charge["balance_transaction"]))
            intent = {**intent, "latest_charge": {**charge, "balance_transaction": fees}}
        return {**session, "payment_intent": intent}

    def _expire(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["status"] != "open":
            raise _error(400, "", 'Only Checkout Sessions with a status in ["open"] can be expired.')
        session["status"], session["url"] = "expired", None
        self._tell("checkout.session.expired", session)
        return session

    # What happens there

    def expire(self, name: str) -> None:
        """Let the time of a session run out."""
        with self.lock:
            self._expire(self.sessions[name])

    def pay(self, name: str) -> str:
        """Let somebody pay a session; return what Stripe calls the payment."""
        with self.lock:
            session = self.sessions[name]
            assert session["status"] == "open", session
            number, amount, currency = self.number(), session["amount_total"], session["currency"]
            intent, charge = f"pi_{number}", f"ch_{number}"
            self.intents[intent] = {
                "id": intent,
                "object": "payment_intent",
                "status": "succeeded",
                "amount": amount,
                "currency": currency,
                "latest_charge": charge,
                "metadata": dict(session["metadata"]),
            }
            self.charges[charge] = {
                "id": charge,
                "object": "charge",
                "status": "succeeded",
                "amount": amount,
                "currency": currency,
                "created": int(time.time()),
                "payment_intent": intent,
                "balance_transaction": None,
                "metadata": dict(session["metadata"]),
            }
            session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent, "url": None}
            if self.has_fee_at_once:
                self._settle(charge)
            self._tell("payment_intent.created", self.intents[intent])
            self._tell("charge.succeeded", self.charges[charge])
            self._tell("payment_intent.succeeded", self.intents[intent])
            self._tell("checkout.session.completed", session)
            self.settle(charge)
            return intent

    def settle(self, charge: str) -> None:
        """Tell what a charge costs, as Stripe does a moment after the money."""
        with self.lock:
            self._settle(charge)
            self._tell("charge.updated", self.charges[charge])

    def _settle(self, charge: str) -> None:
        row = self.charges[charge]
        name = f"txn_{charge}"
        mille, fixed = _FEE
        self.balance[name] = {
            "id": name,
            "amount": row["amount"],
            "fee": row["amount"] * mille // 1000 + fixed,
            "currency": row["currency"],
        }
        row["balance_transaction"] = name

    def _refund(self, form: dict[str, str]) -> dict[str, Any]:
        intent = self._found(self.intents, form["payment_intent"])
        gone = sum(
            row["amount"]
            for row in self.refunds.values()
            if row["payment_intent"] == intent["id"] and row["status"] != "failed"
        )
        amount = int(form["amount"])
        if gone + amount > intent["amount"]:
            raise _error(400, "charge_already_refunded", "Refund amount is greater than what is left")
        name = f"re_{self.number()}"
        self.refunds[name] = {
            "id": name,
            "object": "refund",
            "status": self.refund_status,
            "amount": amount,
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "metadata": {"artel": form.get("metadata[artel]", "")},
        }
        self._tell("refund.created", self.refunds[name])
        return self.refunds[name]

    def refund(self, intent: str, amount: int) -> str:
        """Let somebody refund a payment on Stripe's own pages."""
        with self.lock:
            return str(self._refund({"payment_intent": intent, "amount": str(amount)})["id"])

    def end_refund(self, name: str, status: str) -> None:
        """Let a refund that was under way end."""
        with self.lock:
            self.refunds[name]["status"] = status
            self._tell("refund.updated" if status == "succeeded" else "refund.failed", self.refunds[name])

    def dispute(self, intent: str, *, amount: int, is_withdrawn: bool = True) -> str:
        """Let a payer ask their bank for the money."""
        with self.lock:
            name = f"dp_{self.number()}"
            currency = self.intents[intent]["currency"]
            self.disputes[name] = {
                "id": name,
                "object": "dispute",
                "status": "needs_response",
                "amount": amount,
                "currency": currency,
                "reason": "fraudulent",
                "payment_intent": intent,
                "created": int(time.time()),
                "evidence_details": {"due_by": int(time.time()) + 7 * 86400},
                "balance_transactions": [],
            }
            self._tell("charge.dispute.created", self.disputes[name])
            if is_withdrawn:
                taken = {"amount": -amount, "fee": 1500, "currency": currency}
                self.disputes[name]["balance_transactions"] = [taken]
                self._tell("charge.dispute.funds_withdrawn", self.disputes[name])
            return name

    def end_dispute(self, name: str, status: str) -> None:
        """Let a dispute be "won" or "lost"."""
        with self.lock:
            row = self.disputes[name]
            row["status"] = status
            if status == "won" and row["balance_transactions"]:
                back = {"amount": row["amount"], "fee": 0, "currency": row["currency"]}
                row["balance_transactions"].append(back)
                self._tell("charge.dispute.funds_reinstated", row)
            self._tell("charge.dispute.closed", row)

    def _tell(self, kind: str, row: dict[str, Any]) -> None:
        event = {
            "id": f"evt_{self.number()}",
            "object": "event",
            "type": kind,
            "created": int(time.time()),
            "data": {"object": json.loads(json.dumps(row))},
        }
        body = json.dumps(event).encode()
        self.messages.append(Message(kind, body, {"Stripe-Signature": sign(body)}))


def fake_stripe() -> AbstractContextManager[FakeStripe]:
    """Serve an account with Stripe for as long as the context is open."""
    return serving(FakeStripe())


def messages_of(fake: FakeStripe, *kinds: str) -> Iterator[Message]:
    """Yield the webhooks of some kinds, in their order."""
    return (each for each in fake.messages if each.type in kinds)
