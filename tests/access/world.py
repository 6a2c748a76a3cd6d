"""Two teams that must not see each other: everybody who may ask, and a row of every scoped model on each side."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import BigIntegerRangeField
from django.db import DatabaseError, models, transaction
from django.test import Client
from django.utils import timezone
from psycopg.types.range import Range

from apps.accounts import access
from apps.accounts.checks import scoped_models
from apps.accounts.models import AccessGrant, ApiKey, ImpersonationSession, Team, User
from apps.crm.models import AssignmentRule, Company
from apps.documents.models import (
    Approval,
    ApprovalRoute,
    ApprovalRouteStep,
    ApprovalStep,
    ChangeCursor,
    DocumentLink,
    DriveAccount,
    WatchChannel,
)
from apps.payments.models import BankLine, Invoice
from apps.payments.services.allocations import allocate_payment
from apps.payments.services.credit_notes import credit_invoice
from apps.payments.services.invoices import NewLine, create_invoice, issue_invoice
from apps.payments.services.matching import match_line
from apps.payments.services.payments import Received, record_payment
from apps.payments.services.refunds import refund_payment
from tests.access.expectations import SHARED
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_admin, make_deal
from tests.documents.factories import make_document

# Who asks: the role they play, and the side they play it on; the other roles reach everywhere.
GUEST = "guest in A"
PRINCIPALS = {
    "seller of A": ("salesperson", "A"),
    "seller of B": ("salesperson", "B"),
    # A salesperson of neither side, with whom single rows of A's are shared.
    GUEST: ("salesperson", "C"),
    "lead of A": ("sales_lead", "A"),
    "accountant": ("accountant", ""),
    "auditor": ("auditor", ""),
    "administrator": ("administrator", ""),
}
# Programs that ask with a key: whose it is, and its scopes.
KEYS = {
    "reading key of A": ("seller of A", ["read"]),
    "winning key of A": ("seller of A", ["read", "crm.win_deal"]),
    "reading key of the administrator": ("administrator", ["read"]),
    "key of the auditor to everything": ("auditor", ["all"]),
}
# A word this long tells itself apart from whatever else stands on a page.
CANARY = {"A": "canaryofa", "B": "canaryofb"}

# Where the first choice would not do: what a seller may import.
CHOSEN: dict[str, Any] = {
    "crm.ImportBatch.kind": "companies",
    # Somebody, whose name becomes the canary.
    "crm.Lead.name": "somebody",
    "accounts.ApiKey.scopes": ["read"],
    "crm.SalesPlan.month": date(2026, 1, 1),
    "notifications.WebhookEndpoint.event_types": ["crm.deal.*"],
    # What waits says until when.
    "notifications.Delivery.next_attempt_at": datetime(2026, 1, 31, tzinfo=UTC),
    "notifications.WebhookDelivery.next_attempt_at": datetime(2026, 1, 31, tzinfo=UTC),
    "crm.CurrencyRate.currency": "USD",
    # A line names a product, or says what it is.
    "crm.DealLine.description": "Assembly",
    "crm.PriceBookEntry.currency": "RUB",
    "crm.Quote.currency": "RUB",
    "crm.Quote.locale": "en",
    # Of no content in particular; what is told of a request names it as a SHA-256.
    "documents.SignatureRequest.digest": "0" * 64,
    # A program, which REST serves too.
    "accounts.Application.authorization_grant_type": "client-credentials",
    # The example of RFC 7517, appendix A.1.
    "accounts.SigningKey.public": {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    },
    "payments.BankAccount.currency": "RUB",
    "payments.BankAccount.number_key": "40702810000000000001",
    "payments.ExchangeRate.base": "USD",
    "payments.ExchangeRate.quote": "RUB",
    "payments.RecurringInvoice.recurrence": "FREQ=MONTHLY",
    "payments.WebhookMessage.body": b"{}",
    "payments.PeriodLock.closed_until": date(2020, 1, 1),
    # A run is about a fact, or about a day.
    "crm.AutomationRun.event_id": 1,
}


@dataclass
class Side:
    """One team, its seller, and a row of every scoped model that is theirs."""

    name: str
    team: Team
    owner: User
    rows: dict[str, models.Model] = field(default_factory=dict)
    # The kinds whose row carries the canary.
    singing: set[str] = field(default_factory=set)


class World:
    """Both sides and everybody who asks."""

    def __init__(self) -> None:
        top = make_team("Top")
        self.sides = {name: _side(name) for name in CANARY}
        _plant_channel()
        _plant_bank(self.sides["A"])
        # Either of a person and a team would do.
        AssignmentRule.objects.create(name="Rule", to_user=User.objects.system())
        for model in scoped_models():
            if is_common(model) and not model._base_manager.exists():
                _plant(model, self.sides["A"])
        self.users: dict[str, User] = {}
        for who, (role, side) in PRINCIPALS.items():
            if who == GUEST:
                self.users[who] = make_member(make_team("elsewhere"), role, who)
                self.shares = share_rows(self.users[who], self.sides["A"])
            elif role == "salesperson":
                self.users[who] = self.sides[side].owner
            else:
                team = self.sides[side].team if side else top
                self.users[who] = make_member(team, role, who)

    def client(self, who: str) -> Client:
        if who in KEYS:
            owner, scopes = KEYS[who]
            return client_with_key(self.users[owner], scopes)
        client = Client()
        if who in self.users:
            client.force_login(self.users[who])
        return client


@contextmanager
def remembered_rights() -> Iterator[None]:
    """
    Read what each may do once for all requests within, as a process does that has seen them.

    In the transaction of a test it would be read with each request. Whatever changes rights counts `perm_version` on:
    those of other versions than the first, which are taken back with their requests, are not remembered.
    """
    read, known = access._read_rights, dict[Any, Any]()
    versions = dict(User.objects.values_list("pk", "perm_version"))

    def read_once(users: list[User]) -> dict[int, Any]:
        if any(user.perm_version != versions.get(user.pk) for user in users):
            return read(users)
        missing = [user for user in users if access.identity_of(user) not in known]
        if missing:
            found = read(missing)
            known.update((access.identity_of(user), found[user.pk]) for user in missing)
        return {user.pk: known[access.identity_of(user)] for user in users}

    with patch.object(access, "_read_rights", read_once):
        yield


def share_rows(guest: User, side: Side) -> list[AccessGrant]:
    """Share the side's row of each kind with somebody, as it was decided."""
    return [
        AccessGrant.objects.create(
            user=guest,
            content_type=ContentType.objects.get_for_model(side.rows[label]),
            object_id=side.rows[label].pk,
            actions=sorted(actions),
            reason="a guest",
            granted_by=side.owner,
            expires_at=timezone.now() + timedelta(days=1),
        )
        for label, actions in SHARED.items()
    ]


def client_with_key(owner: User, scopes: list[str]) -> Client:
    """Return a program of somebody's; the key is made straight into the table, whether they may make one or not."""
    secret = f"artel_{hashlib.sha256(f'{owner.pk} {scopes}'.encode()).hexdigest()[:43]}"
    digest = hashlib.sha256(secret.encode()).hexdigest()
    ApiKey.objects.get_or_create(digest=digest, defaults={"owner": owner, "name": "key", "scopes": scopes})
    return Client(headers={"Authorization": f"Bearer {secret}"})


def _side(name: str) -> Side:
    team = make_team(f"team {CANARY[name]}")
    side = Side(name, team, make_member(team, "salesperson", f"seller {CANARY[name]}"))
    side.rows["accounts.Team"] = team
    side.rows["accounts.User"] = side.owner
    side.rows["accounts.Membership"] = side.owner.memberships.get()
    deal = make_deal(CANARY[name], owner=side.owner, team=team)
    side.rows["crm.Deal"] = deal
    side.rows["crm.StageTransition"] = deal.transitions.get()
    side.rows["accounts.AccessGrant"] = AccessGrant.objects.create(
        user=side.owner,
        content_type=ContentType.objects.get_for_model(deal),
        object_id=deal.pk,
        actions=["view"],
        reason=CANARY[name],
        granted_by=side.owner,
        expires_at=timezone.now() + timedelta(days=1),
    )
    side.rows["accounts.ImpersonationSession"] = ImpersonationSession.objects.create(
        actor=side.owner,
        target=make_member(team, "salesperson", f"colleague {CANARY[name]}"),
        reason=CANARY[name],
        expires_at=timezone.now() + timedelta(hours=1),
    )
    _plant_document(side, deal)
    _plant_money(side)
    for model in scoped_models():
        if not is_common(model):
            _plant(model, side)
    return side


def _plant_document(side: Side, deal: models.Model) -> None:
    """Give a side a document of its deal, with a content and a file name that tell themselves apart."""
    canary = CANARY[side.name]
    document = make_document(side.owner, canary, canary.encode(), team=side.team, file_name=f"{canary}.txt")
    side.rows["documents.Document"] = document
    version = document.versions.get()
    side.rows["documents.DocumentVersion"] = version
    side.rows["documents.DocumentLink"] = DocumentLink.objects.create(
        document=document,
        target_type=ContentType.objects.get_for_model(deal),
        target_id=deal.pk,
        target_name=canary,
        created_by=side.owner,
    )
    approval = Approval.objects.create(document=document, document_version=version, created_by=side.owner)
    side.rows["documents.Approval"] = approval
    # Both ask somebody, and either of a person and a role alone would do.
    side.rows["documents.ApprovalStep"] = ApprovalStep.objects.create(approval=approval, assignee=side.owner)
    if not ApprovalRouteStep.objects.exists():
        route = ApprovalRoute.objects.create(name="Contracts", type=document.type)
        ApprovalRouteStep.objects.create(route=route, assignee=side.owner)


def _plant_money(side: Side) -> None:
    """Give a side an invoice that was paid, credited and given back in part: through the services, so that sums agree."""
    canary, admin = CANARY[side.name], make_admin()
    company = _plant(Company, side)
    draft = create_invoice(
        actor=admin,
        company_id=company.pk,
        lines=[NewLine(canary, unit_price=Decimal(100))],
        customer_name=canary,
        note=canary,
    )
    Invoice.objects.filter(pk=draft.pk).update(owner=side.owner, team=side.team)
    invoice = issue_invoice(draft.pk, actor=admin)
    line = invoice.lines.get()
    note = credit_invoice(invoice.pk, actor=admin, reason=canary, parts={line.pk: 100})
    received = Received(5000, "RUB", company_id=company.pk, payer_name=canary, reference=canary)
    payment = record_payment(received, actor=admin)
    allocate_payment(payment.pk, actor=admin, invoice_id=invoice.pk, amount_minor=3000)
    refund = refund_payment(payment.pk, actor=admin, amount_minor=1000, reason=canary)
    payment.refresh_from_db()
    for row in (invoice, line, note, note.lines.get(), payment, payment.allocations.get(), refund):
        side.rows[row._meta.label] = row


def _plant_bank(side: Side) -> None:
    """Plant a line of a bank that has become a payment: through the service, so that sums agree."""
    line, company = _plant(BankLine, side), _plant(Company, side)
    match_line(line.pk, company_id=company.pk, actor=make_admin())


def _plant_channel() -> None:
    """Plant a channel of Google Drive, whose cursor is no kind of rows that anybody is shown."""
    account = DriveAccount.objects.create(name="robot", client_email="robot@example.org")
    cursor = ChangeCursor.objects.create(account=account, page_token="1")
    WatchChannel.objects.create(cursor=cursor, token_sha256=b"0" * 32)


def is_common(model: type[models.Model]) -> bool:
    """Tell whether rows of a model are everybody's who may see them at all, directly or by what they are part of."""
    rule: Any = model.access  # type: ignore[attr-defined]
    if rule.via:
        target: Any = model._meta.get_field(rule.via[0].split("__")[0]).related_model
        return is_common(target)
    return bool(rule.shared)


def _plant(model: type[models.Model], side: Side) -> models.Model:
    """Return the side's row of a model, made where it is missing, with the canary in every text that takes it."""
    label = model._meta.label
    if label not in side.rows:
        values = {
            f.name: value for f in model._meta.concrete_fields if (value := _value(f, side)) is not None
        }
        side.rows[label] = model._base_manager.create(**values)
    row = side.rows[label]
    if label not in side.singing:
        side.singing.add(label)
        _let_sing(row, CANARY[side.name])
    return row


def _let_sing(row: models.Model, canary: str) -> None:
    """Put the canary into every text that takes it."""
    texts = {
        f.name: f"{canary} {f.name}"[: f.max_length] for f in row._meta.concrete_fields if _takes_canary(f)
    }
    if texts and not _is_updated(row, texts):
        # Some code has a shape of its own, which no canary has.
        for name, text in texts.items():
            _is_updated(row, {name: text})


def _takes_canary(f: Any) -> bool:
    is_text = isinstance(f, models.CharField | models.TextField) and not isinstance(f, models.EmailField)
    is_ours = f.name not in {"path", "password", "number", "kind", "storage_name"}
    return is_text and is_ours and not f.generated and not f.choices and (f.max_length or 99) >= 32


def _is_updated(row: models.Model, texts: dict[str, str]) -> bool:
    """Write texts into a row; tell whether it takes them."""
    try:
        with transaction.atomic():
            type(row)._base_manager.filter(pk=row.pk).update(**texts)
    except DatabaseError:
        return False
    return True


def _value(f: Any, side: Side) -> Any:
    """Return what a field has to hold; None for what can stay as it is by itself."""
    if f.primary_key or f.generated:
        return None
    if str(f) in CHOSEN:
        return CHOSEN[str(f)]
    if f.is_relation:
        return _related(f, side)
    if f.null or f.has_default() or f.has_db_default() or getattr(f, "auto_now", False):
        return None
    if f.choices:
        return f.choices[0][0]
    by_kind: list[tuple[type[Any] | tuple[type[Any], ...], Any]] = [
        ((models.CharField, models.TextField), CANARY[side.name][: f.max_length]),
        (models.BooleanField, True),
        (models.DateTimeField, timezone.now()),
        (models.DateField, timezone.localdate()),
        ((models.IntegerField, models.DecimalField, models.FloatField), 1),
        (models.JSONField, {}),
        (BigIntegerRangeField, Range(1, 2)),
    ]
    return next(value for kind, value in by_kind if isinstance(f, kind))


def _related(f: Any, side: Side) -> Any:
    target = f.related_model
    rule: Any = f.model.access
    decides = {rule.owner, rule.team, *(path.split("__")[0] for path in rule.via[:1])}
    if f.null and f.name not in decides:
        return None
    if target is User:
        return side.owner
    if target is Team:
        return side.team
    if is_common(target):
        return target._base_manager.first() or _plant(target, side)
    return _plant(target, side)
