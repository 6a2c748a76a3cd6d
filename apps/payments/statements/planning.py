"""What a file would bring: its statements beside what is known of their accounts. Nothing is written here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import IO, Any

from apps.payments.models.bank import BankAccount, BankLine, BankStatement, StatementFile
from apps.payments.statements import csvfile, kinds
from apps.payments.statements.facts import Line, Notice, Statement, StatementError, plain_account
from apps.payments.statements.keys import keys_of


@dataclass
class Planned:
    """
    One statement of a file.

    :ivar account: None where nobody has written this account down yet
    :ivar new: the lines that are not here yet, with their keys
    :ivar met: ids of the statements that brought the lines which are
    """

    statement: Statement
    account: BankAccount | None
    new: list[tuple[str, Line]] = field(default_factory=list)
    known: int = 0
    met: set[int] = field(default_factory=set)
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What a file would bring; `refusal` says why it cannot be read, and then there is nothing else."""

    statements: tuple[Planned, ...] = ()
    refusal: StatementError | None = None

    @property
    def new(self) -> int:
        return sum(len(each.new) for each in self.statements)

    @property
    def known(self) -> int:
        return sum(each.known for each in self.statements)

    @property
    def unknown_accounts(self) -> list[tuple[str, str]]:
        """Number and currency of each account that nobody has written down."""
        seen = {
            (each.statement.account, each.statement.currency): None
            for each in self.statements
            if each.account is None
        }
        return list(seen)


def plan_of(file: StatementFile, content: IO[bytes]) -> Plan:
    """Return what a file would bring, as it is understood by now."""
    try:
        layout = layout_of(file.layout) if file.format == StatementFile.Format.CSV else None
        return plan(list(kinds.read(content, file.format, layout)))
    except StatementError as error:
        return Plan(refusal=error)


def plan(statements: Iterable[Statement]) -> Plan:
    """Compare statements with what is known of their accounts."""
    accounts = {(each.number_key, each.currency): each for each in BankAccount._base_manager.all()}
    found: list[Planned] = []
    # Lines that stand twice in one file, in statements that overlap, are new once.
    taken: dict[tuple[str, str], set[str]] = {}
    ends: dict[tuple[str, str], tuple[date, int]] = {}
    for statement in statements:
        key = (plain_account(statement.account), statement.currency)
        account = accounts.get(key)
        found.append(_planned(statement, account, taken.setdefault(key, set()), ends.get(key)))
        if statement.last_day is not None and statement.closing is not None:
            ends[key] = (statement.last_day, statement.closing)
    return Plan(tuple(found))


def _planned(
    statement: Statement, account: BankAccount | None, taken: set[str], end: tuple[date, int] | None
) -> Planned:
    planned = Planned(statement, account, notices=list(statement.notices))
    keyed = list(zip(keys_of(statement.lines), statement.lines, strict=True))
    here: dict[str, int] = {}
    if account is not None:
        rows = BankLine._base_manager.filter(account=account, dedupe_key__in=[key for key, _line in keyed])
        here = dict(rows.values_list("dedupe_key", "statement_id"))
    planned.new = [(key, line) for key, line in keyed if key not in here and key not in taken]
    planned.known = len(keyed) - len(planned.new)
    planned.met = set(here.values())
    taken.update(key for key, _line in keyed)
    if account is not None:
        planned.notices += _alike(account, planned.new)
    planned.notices += _gap(statement, account, end)
    return planned


def _alike(account: BankAccount, new: list[tuple[str, Line]]) -> list[Notice]:
    """Notice lines that may have come from another kind of file, which words them otherwise."""
    if not new:
        return []
    rows = BankLine._base_manager.filter(
        account=account, booked_on__in={line.booked_on for _key, line in new}
    )
    known = set(rows.values_list("booked_on", "amount_minor"))
    count = sum((line.booked_on, line.amount) in known for _key, line in new)
    return [Notice("alike", {"count": count})] if count else []


def _gap(statement: Statement, account: BankAccount | None, end: tuple[date, int] | None) -> list[Notice]:
    """Notice where the balance before does not lead to this one: days are missing between them."""
    if statement.opening is None or statement.first_day is None:
        return []
    if end is None and account is not None:
        before = (
            BankStatement._base_manager.filter(
                account=account, last_day__lt=statement.first_day, closing_minor__isnull=False
            )
            .order_by("-last_day", "-id")
            .first()
        )
        if before is not None and before.last_day is not None and before.closing_minor is not None:
            end = (before.last_day, before.closing_minor)
    if end is None or end[0] > statement.first_day or end[1] == statement.opening:
        return []
    params = {"opening": statement.opening, "closing": end[1], "currency": statement.currency}
    return [Notice("gap_before", params)]


def layout_of(stored: Mapping[str, Any]) -> csvfile.Layout:
    """Return how a table is read. :raises StatementError: a setting means nothing ("bad_layout")"""
    known = csvfile.Layout(columns={})
    layout = replace(known, **{key: value for key, value in stored.items() if hasattr(known, key)})
    allowed: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (layout.delimiter, csvfile.DELIMITERS),
        (layout.date_format, csvfile.DATE_FORMATS),
        (layout.decimal, (".", ",")),
    )
    for value, values in allowed:
        if value not in values:
            raise StatementError("bad_layout", value=str(value)[:20])
    for key, at in layout.columns.items():
        column: Any = at
        if key not in csvfile.FIELDS or not isinstance(column, int) or not 0 <= column < 100:
            raise StatementError("bad_layout", value=str(key)[:20])
    header: Any = layout.header
    if not isinstance(header, int) or not 0 <= header < 100:
        raise StatementError("bad_layout", value=str(layout.header)[:20])
    return layout
