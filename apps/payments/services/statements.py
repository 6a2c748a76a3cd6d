"""Files of banks: read, looked at, imported, and taken back."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows, rows
from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.documents.models import LegalEntity
from apps.documents.services.legal_entities import usual_entity
from apps.events.services import publish
from apps.payments import bank_events as events
from apps.payments.models.bank import BankAccount, BankLine, BankStatement, StatementFile
from apps.payments.services.bank_accounts import create_bank_account
from apps.payments.statements import csvfile, kinds
from apps.payments.statements.facts import Line, Notice, StatementError
from apps.payments.statements.planning import Plan, Planned, layout_of, plan_of
from apps.payments.statements.words import refusal_text

State = StatementFile.State
# One file is imported at a time: it takes a second or two, and what two would bring at once is decided by order.
_LOCK = 7_340_022
_BATCH = 2000


def upload_statement(file: IO[bytes], filename: str, *, actor: User) -> StatementFile:
    """
    Take a file of a bank in: tell what it is, read all of it, and keep it; nothing is imported yet.

    A file that is here and was not imported yet is returned as it is.

    :raises PermissionDenied: the actor may not import
    :raises ValidationError: it cannot be read (the code says why), or is imported already ("statement_known")
    """
    access.require(actor, "add", StatementFile)
    limit = settings.STATEMENT_MAX_BYTES
    data = file.read(limit + 1)
    content = io.BytesIO(data)
    try:
        if len(data) > limit:
            raise StatementError("too_large", limit=limit >> 20)
        kind = kinds.kind_of(content)
        layout = asdict(csvfile.look_at(content).layout) if kind == kinds.CSV else {}
        if kind != kinds.CSV:
            # Every line is read once, so that what is refused is never kept.
            for _statement in kinds.read(content, kind):
                pass
    except StatementError as error:
        raise refused(error) from error
    return _kept(data, filename, kind, layout, actor=actor)


@transaction.atomic
def _kept(data: bytes, filename: str, kind: str, layout: Mapping[str, Any], *, actor: User) -> StatementFile:
    digest = hashlib.sha256(data).hexdigest()
    _one_at_a_time()
    known = StatementFile.objects.filter(sha256=digest, state__in=[State.READ, State.APPLIED]).first()
    if known is not None and known.state == State.APPLIED:
        raise _known(known)
    if known is not None:
        return known
    name = default_storage.save(f"statements/{timezone.now():%Y/%m}/{digest[:16]}", ContentFile(data))
    return rows.insert(
        StatementFile(
            filename=filename[-255:] or "statement",
            storage_name=name,
            size=len(data),
            sha256=digest,
            format=kind,
            layout=dict(layout),
        ),
        actor=actor,
    )


def content_of(file: StatementFile) -> IO[bytes]:
    """Return what stands in a file. :raises StatementError: the storage has lost it ("file_lost")"""
    try:
        with default_storage.open(file.storage_name) as stored:
            return io.BytesIO(stored.read())
    except FileNotFoundError as error:
        raise StatementError("file_lost") from error


def rehearse_statement(file_id: int, *, actor: User) -> Plan:
    """
    Return what importing a file would bring by now, or why it cannot be read.

    :raises DoesNotExist: it is out of sight
    """
    file = StatementFile.objects.visible_to(actor).get(pk=file_id)
    return _planned(file)


def _planned(file: StatementFile) -> Plan:
    try:
        return plan_of(file, content_of(file))
    except StatementError as error:
        return Plan(refusal=error)


@transaction.atomic
def correct_statement(file_id: int, *, actor: User, layout: Mapping[str, Any]) -> StatementFile:
    """
    Say how a table is to be read: its columns, dates, decimal mark, and whose account it is.

    :param layout: some of "columns" ({field: number of the column}), "delimiter", "header", "date_format", "decimal",
        "account", "currency"
    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not import
    :raises ValidationError: it is no table ("not_a_table"), imported already ("statement_not_read"), or a setting means
        nothing ("bad_layout")
    """
    file = _locked(file_id, actor=actor)
    _require_read(file)
    if file.format != StatementFile.Format.CSV:
        raise ValidationError(_("Only of a table it is said how it is read."), code="not_a_table")
    changed = {**file.layout, **dict(layout)}
    try:
        layout_of(changed)
    except StatementError as error:
        raise refused(error) from error
    return rows.write(file, {"layout": changed}, actor=actor)


@transaction.atomic
def apply_statement(file_id: int, *, actor: User, legal_entity_id: int | None = None) -> StatementFile:
    """
    Import a file: its new lines come to their accounts, those that are here already stay as they are.

    :param legal_entity_id: whose the accounts are that nobody has written down; the usual company's unless it is named
    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not import, or not add accounts where there are new ones
    :raises ValidationError: it was imported ("statement_not_read"), cannot be read, its account is in the trash
        ("account_archived"), or nobody says whose a new account is ("no_legal_entity")
    """
    _one_at_a_time()
    file = _locked(file_id, actor=actor)
    _require_read(file)
    plan = _planned(file)
    if plan.refusal is not None:
        raise refused(plan.refusal)
    _make_accounts(plan, legal_entity_id, actor=actor)
    made = [_import(file, position, each) for position, each in enumerate(plan.statements)]
    file.notices = [
        {"code": notice.code, "params": notice.params} for each in plan.statements for notice in each.notices
    ]
    rows.write(
        file,
        {
            "state": State.APPLIED,
            "applied_at": timezone.now(),
            "counts": {"statements": len(made), "new": plan.new, "known": plan.known},
            "notices": file.notices,
        },
        actor=actor,
    )
    publish(events.STATEMENT_IMPORTED, file.pk, told(file), actor_id=actor.pk)
    return file


@transaction.atomic
def undo_statement(file_id: int, *, actor: User) -> StatementFile:
    """
    Take an import back: the lines that it brought go, as long as nothing was ever matched with them.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not import
    :raises ValidationError: it is not imported ("statement_not_applied"), a line was matched ("lines_matched"), or a
        later file tells of the same lines ("lines_overlap")
    """
    _one_at_a_time()
    file = _locked(file_id, actor=actor)
    if file.state != State.APPLIED:
        raise ValidationError(_("This file is not imported."), code="statement_not_applied")
    lines = BankLine._base_manager.filter(statement__file=file)
    # Whoever matches one of them waits, or is waited for.
    list(lines.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    # What was matched once stays on record, and the line with it.
    matched = lines.filter(matches__isnull=False).distinct().count()
    if matched:
        text = _("Lines of this file that were matched: %(count)s. What was matched stays on record.")
        raise ValidationError(text, code="lines_matched", params={"count": matched})
    _require_no_later(file)
    data = told(file)
    lines.delete()
    BankStatement._base_manager.filter(file=file).delete()
    rows.write(file, {"state": State.UNDONE, "applied_at": None}, actor=actor)
    publish(events.STATEMENT_UNDONE, file.pk, data, actor_id=actor.pk)
    return file


@transaction.atomic
def discard_statement(file_id: int, *, actor: User) -> StatementFile:
    """
    Decide not to import a file.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not import
    :raises ValidationError: it was imported ("statement_not_read")
    """
    file = _locked(file_id, actor=actor)
    _require_read(file)
    return rows.write(file, {"state": State.DISCARDED}, actor=actor)


def refused(error: StatementError) -> ValidationError:
    """Return a refusal of a file as people read it."""
    return ValidationError({"file": ValidationError(refusal_text(error), code=error.code)})


def told(file: StatementFile) -> dict[str, Any]:
    """Return what facts tell of an import."""
    statements = file.statements.select_related("account").order_by("position")
    return {
        "id": file.pk,
        "filename": file.filename,
        "format": file.format,
        "new": file.counts.get("new", 0),
        "known": file.counts.get("known", 0),
        "statements": [
            {
                "account_id": each.account_id,
                "number": each.account.number,
                "currency": each.account.currency,
                "first_day": each.first_day and each.first_day.isoformat(),
                "last_day": each.last_day and each.last_day.isoformat(),
                "opening_minor": each.opening_minor,
                "closing_minor": each.closing_minor,
                "new": each.new_count,
                "known": each.line_count - each.new_count,
            }
            for each in statements
        ],
    }


def notices_of(file: StatementFile) -> list[Notice]:
    """Return what had better be known of an imported file."""
    return [Notice(each["code"], each["params"]) for each in file.notices]


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


def _locked(file_id: int, *, actor: User) -> StatementFile:
    return rows.locked(StatementFile, file_id, actor=actor, action="change")


def _require_read(file: StatementFile) -> None:
    if file.state != State.READ:
        text = _("This file is decided on already: %(state)s.")
        raise ValidationError(text, code="statement_not_read", params={"state": file.get_state_display()})


def _known(file: StatementFile) -> ValidationError:
    text = _("This very file was imported already, as “%(filename)s”. Nothing was changed.")
    return refusal("file", text, code="statement_known", filename=file.filename)


def _require_no_later(file: StatementFile) -> None:
    ids = set(file.statements.values_list("pk", flat=True))
    others = BankStatement._base_manager.exclude(file=file).filter(
        account__in=file.statements.values("account")
    )
    for other in others.select_related("file").only("overlaps", "file__filename"):
        if ids & set(other.overlaps):
            text = _("“%(filename)s” tells of the same lines. Take that import back first.")
            raise ValidationError(text, code="lines_overlap", params={"filename": other.file.filename})


def _make_accounts(plan: Plan, legal_entity_id: int | None, *, actor: User) -> None:
    """Give every statement its account, writing those down that nobody has yet."""
    for each in plan.statements:
        if each.account is not None and each.account.archived_at is not None:
            text = _("The account %(account)s is in the trash. Restore it first.")
            raise refusal("file", text, code="account_archived", account=str(each.account))
    if not plan.unknown_accounts:
        return
    entity = owned_rows.named(LegalEntity, legal_entity_id, actor=actor, field="legal_entity")
    entity = entity or usual_entity(actor=actor)
    if entity is None:
        text = _("Say which company of yours this account is of.")
        raise refusal("legal_entity", text, code="no_legal_entity")
    made: dict[tuple[str, str], BankAccount] = {}
    for each in plan.statements:
        key = (each.statement.account, each.statement.currency)
        if each.account is None and key not in made:
            made[key] = create_bank_account(
                actor=actor,
                legal_entity_id=entity.pk,
                number=each.statement.account,
                currency=each.statement.currency,
                bank_code=each.statement.bank_code,
            )
        each.account = each.account or made[key]


def _import(file: StatementFile, position: int, planned: Planned) -> BankStatement:
    statement = planned.statement
    if planned.account is None:
        raise ValueError("each account is made before its statements are")
    row = BankStatement._base_manager.create(
        file=file,
        position=position,
        account=planned.account,
        number=statement.number,
        first_day=statement.first_day,
        last_day=statement.last_day,
        opening_minor=statement.opening,
        closing_minor=statement.closing,
        moved_minor=sum(line.amount for line in statement.lines),
        line_count=len(statement.lines),
        new_count=len(planned.new),
        overlaps=sorted(planned.met),
    )
    BankLine._base_manager.bulk_create([_row(row, key, line) for key, line in planned.new], batch_size=_BATCH)
    return row


def _row(statement: BankStatement, key: str, line: Line) -> BankLine:
    return BankLine(
        account_id=statement.account_id,
        statement=statement,
        booked_on=line.booked_on,
        valued_on=line.valued_on,
        amount_minor=line.amount,
        counterparty_name=line.name,
        counterparty_tax_id=line.tax_id,
        counterparty_account=line.account,
        counterparty_bank_code=line.bank_code,
        purpose=line.purpose,
        reference=line.reference,
        bank_reference=line.bank_reference,
        dedupe_key=key,
    )
