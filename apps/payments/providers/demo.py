"""
A provider that is none: a page of the platform plays it, and no money moves. No Django here.

Who presses a button there writes the message that a provider would send; how a charge stands follows from the messages.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from apps.payments.providers.interface import (
    About,
    Answer,
    Charge,
    DisputeAnswer,
    NotGenuine,
    Notice,
    Receipt,
    ReceiptAnswer,
    RefundAnswer,
    Refused,
    State,
)

_WAITS = timedelta(hours=1)
# Two in a hundred and a little more: so that fees are seen in the books.
_FEE_PER_MILLE = 28


class Demo:
    """
    The provider of demonstrations.

    :param page: returns where the payer decides how it ends, by what the charge is called
    :param decided: returns what the payer has decided, by the same; None as long as they have not
    """

    def __init__(self, page: Callable[[str], str], decided: Callable[[str], str | None]) -> None:
        self._page, self._decided = page, decided

    def create(self, charge: Charge) -> Answer:
        """Make up a charge, which says in its name all that is to be known of it."""
        until = int(charge.expires_at.timestamp())
        name = f"demo.{charge.key}.{charge.amount_minor}.{charge.currency}.{until}"
        return Answer(State.PENDING, name, url=self._page(name))

    def ask(self, external_id: str) -> Answer:
        """Tell what the payer decided. :raises Refused: there is no such charge"""
        amount, currency, until = _read(external_id)
        decided = self._decided(external_id)
        if decided == "pay":
            fee = amount * _FEE_PER_MILLE // 1000
            return Answer(
                State.SUCCEEDED,
                external_id,
                money_id=external_id,
                amount_minor=amount,
                currency=currency,
                fee_minor=fee,
            )
        if decided == "refuse":
            return Answer(State.FAILED, external_id, error="demo_refused")
        if decided == "cancel" or datetime.now(UTC) > until + _WAITS:
            return Answer(State.CANCELED, external_id)
        return Answer(State.PENDING, external_id, url=self._page(external_id))

    def cancel(self, external_id: str) -> Answer:
        """Give up a charge."""
        return Answer(State.CANCELED, external_id)

    def refund(self, money_id: str, amount_minor: int, currency: str, *, key: str) -> RefundAnswer:
        """Give money back that never moved."""
        return RefundAnswer(State.SUCCEEDED, f"demo.refund.{key}", money_id, amount_minor, key)

    def ask_refund(self, external_id: str) -> RefundAnswer:
        """Refuse: refunds end at once. :raises Refused: always"""
        raise Refused("no_refund")

    def ask_dispute(self, external_id: str) -> DisputeAnswer:
        """Refuse: nobody asks back what they have not paid. :raises Refused: always"""
        raise Refused("no_disputes")

    def send_receipt(self, receipt: Receipt) -> ReceiptAnswer:
        """Play the operator of fiscal data: what it registers here, no tax service knows."""
        digits = str(int(receipt.key.replace("-", "")[:15], 16))
        return ReceiptAnswer(
            State.SUCCEEDED,
            f"demo.receipt.{receipt.key}",
            fiscal_storage="0000000000000000",
            fiscal_document=digits[:6],
            fiscal_sign=digits[-10:],
        )

    def ask_receipt(self, external_id: str) -> ReceiptAnswer:
        """Refuse: receipts end at once. :raises Refused: always"""
        raise Refused("no_receipt")

    def read(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a message of our own page. :raises NotGenuine: it is none"""
        try:
            said = json.loads(body)
            name, decision = str(said["charge"]), str(said["decision"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotGenuine("no_event") from error
        return Notice(f"{decision}:{name}", f"demo.{decision}", About.CHARGE, name)


def _read(external_id: str) -> tuple[int, str, datetime]:
    parts = external_id.split(".")
    if len(parts) != 5 or parts[0] != "demo" or not parts[2].isdigit() or not parts[4].isdigit():
        raise Refused("no_charge")
    return int(parts[2]), parts[3], datetime.fromtimestamp(int(parts[4]), tz=UTC)
