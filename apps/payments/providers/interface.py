"""What a provider is asked, what it answers, and what it means when it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol


class State(StrEnum):
    """How far a charge or refund got, in the words of all providers."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class NoAnswer(Exception):
    """Nobody knows whether the provider has done it. :ivar reason: a word of ours, never what the provider wrote"""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Refused(Exception):
    """The provider will not do it, and has not. :ivar code: the provider's"""

    def __init__(self, code: str, text: str = "") -> None:
        self.code, self.text = code[:100], text[:200]
        super().__init__(f"{self.code}: {self.text}" if self.text else self.code)


class NotGenuine(Exception):
    """A message that the provider has not written, or not to us."""


@dataclass(frozen=True)
class Charge:
    """
    Money that a provider is to take.

    :ivar key: under which it is done once
    :ivar back_url: where the payer comes back to
    :ivar expires_at: when the provider gives it up
    """

    key: str
    amount_minor: int
    currency: str
    description: str
    back_url: str
    locale: str
    expires_at: datetime
    contact: str = ""


@dataclass(frozen=True)
class Answer:
    """
    What a provider says of a charge.

    :ivar external_id: what it is asked for by
    :ivar money_id: what refunds and disputes name; empty until there is money
    :ivar url: where the payer pays
    :ivar fee_minor: None where it is not known, or in another currency
    """

    state: State
    external_id: str
    money_id: str = ""
    url: str = ""
    amount_minor: int = 0
    currency: str = ""
    fee_minor: int | None = None
    paid_on: date | None = None
    error: str = ""


@dataclass(frozen=True)
class RefundAnswer:
    """What a provider says of a refund. :ivar money_id: of the payment that goes back"""

    state: State
    external_id: str
    money_id: str = ""
    amount_minor: int = 0
    key: str = ""


@dataclass(frozen=True)
class DisputeAnswer:
    """
    What a provider says of a dispute.

    :ivar status: "OPEN", "WON" or "LOST"
    :ivar is_withdrawn: the money was taken from us until it ends
    """

    external_id: str
    money_id: str
    status: str
    amount_minor: int
    currency: str
    fee_minor: int
    reason: str
    is_withdrawn: bool
    opened_at: datetime
    respond_by: datetime | None = None


@dataclass(frozen=True)
class Receipt:
    """
    A fiscal receipt of a payment or refund.

    :ivar key: under which it is registered once
    :ivar kind: "SALE", "REFUND" or "CORRECTION"
    :ivar paid_id: what the payment or refund is called
    :ivar contact: an e-mail address, or a phone of digits alone
    :ivar lines: name, quantity, amount_minor of the whole line, tax_rate in percent or None
    """

    key: str
    kind: str
    paid_id: str
    contact: str
    currency: str
    lines: tuple[Mapping[str, Any], ...]
    tax_system: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class ReceiptAnswer:
    """What became of a fiscal receipt."""

    state: State
    external_id: str = ""
    fiscal_storage: str = ""
    fiscal_document: str = ""
    fiscal_sign: str = ""
    error: str = ""


class About(StrEnum):
    """What a message is about."""

    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Notice:
    """
    What a message of a provider says happened; how things stand, the provider is asked.

    :ivar external_id: of the charge, refund or dispute
    :ivar key: of our request, where the message tells it
    :ivar money_id: of the payment, where the message tells it
    """

    event_id: str
    type: str
    about: About = About.NOTHING
    external_id: str = ""
    key: str = ""
    money_id: str = ""


@dataclass(frozen=True)
class Keys:
    """What an account with a provider is opened by."""

    shop_id: str = ""
    secret: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    url: str = ""
    timeout: float = 10.0


class Provider(Protocol):
    """
    Whoever takes money for us. Each call is one exchange, outside of any transaction.

    :raises NoAnswer: nobody knows whether it was done
    :raises Refused: it was not done, and will not be
    """

    def create(self, charge: Charge) -> Answer:
        """Ask for a charge; asked again under the same key, it is the same charge."""

    def ask(self, external_id: str) -> Answer:
        """Ask how a charge stands."""

    def cancel(self, external_id: str) -> Answer:
        """Give a charge up that nobody has paid yet."""

    def refund(self, money_id: str, amount_minor: int, currency: str, *, key: str) -> RefundAnswer:
        """Give some of a payment back, once under one key."""

    def ask_refund(self, external_id: str) -> RefundAnswer:
        """Ask how a refund stands."""

    def ask_dispute(self, external_id: str) -> DisputeAnswer:
        """Ask how a dispute stands."""

    def send_receipt(self, receipt: Receipt) -> ReceiptAnswer:
        """Have a fiscal receipt registered, once under its key."""

    def ask_receipt(self, external_id: str) -> ReceiptAnswer:
        """Ask what became of a receipt."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a message. :raises NotGenuine: the provider has not written it"""
