"""Posting: the one way into the ledger, one round trip for all that a use case posts."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import archive, named, restore
from apps.accounts.rows import differing, insert, locked, refusal, write
from apps.common.constraints import name_of, words_of
from apps.payments.amounts import LARGEST
from apps.payments.models import JournalEntry, LedgerAccount, PeriodLock, Posting

Kind = JournalEntry.Kind
Purpose = LedgerAccount.Purpose
_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Leg:
    """
    One posting to be.

    :ivar account: the id of an account, or what it is used for
    :ivar amount: in minor units; a debit is above zero, a credit below
    """

    account: int | Purpose
    amount: int
    currency: str
    invoice_id: int | None = None
    payment_id: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as `payments_post` takes it."""
        # A purpose is a string, and an account is not.
        which = "purpose" if isinstance(self.account, str) else "account"
        found = {which: self.account, "amount": self.amount, "currency": self.currency}
        if self.invoice_id is not None:
            found["invoice"] = self.invoice_id
        if self.payment_id is not None:
            found["payment"] = self.payment_id
        return found


@dataclass(frozen=True)
class Entry:
    """
    An entry to be.

    :ivar source: the row that it comes of, as "payments.invoice"; with the kind it is posted once
    :ivar source_id: None for an entry that is its own source
    """

    kind: Kind
    source: str
    source_id: int | None
    date: date
    legs: Sequence[Leg]
    memo: str = ""
    reverses_id: int | None = None

    def document(self, actor_id: int) -> dict[str, Any]:
        """Return it as `payments_post` takes it."""
        return {
            "kind": self.kind.value,
            "source": self.source,
            "source_id": self.source_id,
            "date": self.date.isoformat(),
            "memo": self.memo[:300],
            "reverses": self.reverses_id,
            "actor": actor_id,
            "legs": [leg.document() for leg in self.legs if leg.amount],
        }


# What is to be posted when the outermost use case ends.
_gathering: ContextVar[list[dict[str, Any]] | None] = ContextVar("gathering", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """
    Post all that is posted within at the end and at once, whatever the number of use cases.

    Accounts are locked last and in their order, so that two transactions of several use cases never wait in a circle.
    What a use case wanted to post that was refused within is forgotten with it.
    """
    waiting = _gathering.get()
    if waiting is not None:
        known = len(waiting)
        try:
            yield
        except BaseException:
            del waiting[known:]
            raise
        return
    mine: list[dict[str, Any]] = []
    token = _gathering.set(mine)
    try:
        yield
    finally:
        _gathering.reset(token)
    if mine:
        _send(mine)


def moves_money(use_case: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Let a use case be one transaction, whose postings come last."""

    @wraps(use_case)
    def run(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        with transaction.atomic(), gathered():
            return use_case(*args, **kwargs)

    return run


def post(entries: Sequence[Entry], *, actor_id: int) -> None:
    """
    Post entries in the caller's transaction; within :func:`gathered`, at its end.

    :raises ValidationError: the period is closed ("ledger_period_open"), or it was posted already
        ("journal_entry_once")
    """
    documents = [entry.document(actor_id) for entry in entries]
    waiting = _gathering.get()
    if waiting is None:
        _send(documents)
    else:
        waiting.extend(documents)


def _send(documents: list[dict[str, Any]]) -> list[int]:
    # Without a savepoint of its own, which would be two more round trips: what is refused ends the use case anyway.
    try:
        with connection.cursor() as cursor:
            cursor.execute("select payments_post(%s::jsonb)", [json.dumps(documents)])
            return list(cursor.fetchone()[0])
    except IntegrityError as error:
        name = name_of(error)
        raise ValidationError(words_of(name), code=name or "conflict") from error


def reversal_of(entry: JournalEntry, *, kind: Kind, on: date, memo: str = "") -> Entry:
    """Return the entry that takes another one back, leg by leg."""
    legs = [
        Leg(leg.account_id, -leg.amount_minor, leg.currency, leg.invoice_id, leg.payment_id)
        for leg in Posting.objects.filter(entry=entry).order_by("id")
    ]
    is_own = entry.source == "payments.journalentry"
    source_id = entry.pk if is_own else entry.source_id
    return Entry(kind, entry.source, source_id, on, legs, memo, entry.pk)


def posted(source: str, source_id: int, *kinds: Kind) -> list[JournalEntry]:
    """Return the entries of a row that nothing has reversed, in their order."""
    found = JournalEntry.objects.filter(source=source, source_id=source_id, kind__in=kinds)
    return list(found.filter(reversed_by=None).order_by("id"))


# By hand


@dataclass(frozen=True)
class ManualEntry:
    """
    An entry as somebody writes it.

    :ivar legs: account id, amount in minor units (a debit is above zero), currency
    """

    date: date
    memo: str
    legs: Sequence[tuple[int, int, str]] = field(default_factory=tuple)


# What customers owe and have paid ahead is the sum of their invoices and payments, which nobody puts right by hand.
CONTROLLED = (Purpose.RECEIVABLE, Purpose.ADVANCES)


@transaction.atomic
def post_by_hand(entry: ManualEntry, *, actor: User) -> JournalEntry:
    """
    Post an entry that comes of no row of ours.

    :raises PermissionDenied: the actor may not post by hand
    :raises ValidationError: it does not balance ("ledger_balanced"), an account is none of ours ("not_found") or
        follows invoices and payments ("controlled_account"), an amount is too large ("too_large"), there is no text
        ("required"), or the period is closed ("ledger_period_open")
    """
    access.require(actor, "add", JournalEntry)
    if not entry.memo.strip():
        raise refusal("memo", _("Say what this entry is for."), code="required")
    for account_id, amount, _currency in entry.legs:
        account = named(LedgerAccount, account_id, actor=actor, field="account")
        if account is not None and account.purpose in CONTROLLED:
            raise refusal(
                "account",
                _("“%(account)s” follows invoices and payments, and is not posted to by hand."),
                code="controlled_account",
                account=str(account),
            )
        if abs(amount) > LARGEST:
            raise refusal("amount_minor", _("This amount is too large."), code="too_large")
    _require_balanced(entry.legs)
    legs = [Leg(account_id, amount, currency) for account_id, amount, currency in entry.legs]
    made = Entry(Kind.MANUAL, "payments.journalentry", None, entry.date, legs, entry.memo.strip())
    (pk,) = _send([made.document(actor.pk)])
    return JournalEntry.objects.get(pk=pk)


def _require_balanced(legs: Sequence[tuple[int, int, str]]) -> None:
    sums: dict[str, int] = {}
    for _account, amount, currency in legs:
        sums[currency] = sums.get(currency, 0) + amount
    if len([leg for leg in legs if leg[1]]) < 2 or any(sums.values()):
        raise ValidationError(
            _("An entry has two postings or more, which balance in each currency."), code="ledger_balanced"
        )


@transaction.atomic
def reverse_entry(entry_id: int, *, actor: User, reason: str, on: date | None = None) -> JournalEntry:
    """
    Take an entry back that was made by hand, by another one.

    :raises DoesNotExist: the entry is out of sight
    :raises PermissionDenied: the actor may not reverse entries
    :raises ValidationError: it comes of an invoice or payment, which is taken back itself ("entry_of_row"), was
        reversed already ("reversed"), there is no reason ("required"), or the period is closed ("ledger_period_open")
    """
    # Entries are never updated, so there is no row to lock: the unique column `reverses` decides between two.
    entry = JournalEntry.objects.visible_to(actor).get(pk=entry_id)
    access.require(actor, "reverse", entry)
    if entry.kind != Kind.MANUAL:
        raise ValidationError(
            _("This entry comes of an invoice or a payment: take that back instead."), code="entry_of_row"
        )
    if JournalEntry.objects.filter(reverses=entry).exists():
        raise ValidationError(_("This entry was reversed already."), code="reversed")
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    back = reversal_of(entry, kind=Kind.REVERSAL, on=on or timezone.localdate(), memo=reason.strip())
    (pk,) = _send([back.document(actor.pk)])
    return JournalEntry.objects.get(pk=pk)


# Accounts and periods


@transaction.atomic
def create_account(*, actor: User, **fields: Any) -> LedgerAccount:
    """
    Add an account to the chart.

    :raises PermissionDenied: the actor may not
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", LedgerAccount)
    return insert(LedgerAccount(**fields), actor=actor)


@transaction.atomic
def change_account(
    account_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> LedgerAccount:
    """
    Rename or renumber an account; with postings it keeps its type.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: a value is refused, "stale", or "ledger_account_type_kept"
    """
    account = locked(
        LedgerAccount,
        account_id,
        actor=actor,
        action="change",
        expected_version=expected_version,
        lets_point=True,
    )
    changes = differing(account, fields)
    return write(account, changes, actor=actor) if changes else account


@transaction.atomic
def archive_account(account_id: int, *, actor: User, expected_version: int | None = None) -> LedgerAccount:
    """
    Put an account out of use; what stands on it stays.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: "archived", "stale", or the platform posts to it ("ledger_account_needed")
    """
    account = locked(
        LedgerAccount,
        account_id,
        actor=actor,
        action="change",
        expected_version=expected_version,
        lets_point=True,
    )
    archive(account, actor=actor)
    return account


@transaction.atomic
def restore_account(account_id: int, *, actor: User, expected_version: int | None = None) -> LedgerAccount:
    """
    Put an account to use again.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not
    :raises ValidationError: "not_archived", "stale"
    """
    account = locked(
        LedgerAccount,
        account_id,
        actor=actor,
        action="change",
        expected_version=expected_version,
        lets_point=True,
    )
    restore(account, actor=actor)
    return account


@transaction.atomic
def close_period(*, actor: User, closed_until: date, reason: str) -> PeriodLock:
    """
    Close the books up to a day, or open them again from an earlier one.

    :raises PermissionDenied: the actor may not
    :raises ValidationError: there is no reason ("required"), or the day is not over yet ("future")
    """
    access.require(actor, "add", PeriodLock)
    if not reason.strip():
        raise refusal("reason", _("Say why, in a few words."), code="required")
    if closed_until >= timezone.localdate():
        raise refusal("closed_until", _("Only days that are over can be closed."), code="future")
    return PeriodLock.objects.create(closed_until=closed_until, reason=reason.strip(), created_by=actor)


def base_currency() -> str:
    """Return the currency of the books."""
    return str(settings.BASE_CURRENCY)
