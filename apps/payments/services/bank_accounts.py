"""What happens to our accounts with banks."""

from typing import Any, TypedDict, Unpack

from babel.numbers import list_currencies
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import differing, refusal, write
from apps.documents.models import LegalEntity
from apps.payments.models.bank import BankAccount
from apps.payments.statements.facts import plain_account


class BankAccountFields(TypedDict, total=False):
    """What people write on an account."""

    legal_entity_id: int
    name: str
    number: str
    currency: str
    bank_name: str
    bank_code: str


@transaction.atomic
def create_bank_account(*, actor: User, **fields: Unpack[BankAccountFields]) -> BankAccount:
    """
    Write an account of a company of ours down.

    :raises PermissionDenied: the actor may not add one
    :raises ValidationError: a value is refused, or there is an account of this number and currency
    """
    access.require(actor, "add", BankAccount)
    return owned_rows.insert(BankAccount(**_checked(dict(fields), actor=actor)), actor=actor)


@transaction.atomic
def change_bank_account(
    account_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[BankAccountFields]
) -> BankAccount:
    """
    Change what is written on an account; what is not named stays.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "stale", or it has lines and would be in another currency
        ("currency_kept")
    """
    account = owned_rows.locked(
        BankAccount, account_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(account)
    changes = differing(account, _checked(dict(fields), actor=actor))
    if "currency" in changes and account.lines.exists():
        raise refusal("currency", _("An account with lines keeps its currency."), code="currency_kept")
    return write(account, changes, actor=actor) if changes else account


@transaction.atomic
def archive_bank_account(account_id: int, *, actor: User, expected_version: int | None = None) -> BankAccount:
    """
    Put an account into the trash; its lines stay in sight.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    account = owned_rows.locked(
        BankAccount, account_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(account, actor=actor)
    return account


@transaction.atomic
def restore_bank_account(account_id: int, *, actor: User, expected_version: int | None = None) -> BankAccount:
    """
    Take an account out of the trash.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    account = owned_rows.locked(
        BankAccount, account_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(account, actor=actor)
    return account


def _checked(values: dict[str, Any], *, actor: User) -> dict[str, Any]:
    """Return values as columns hold them. :raises ValidationError: one is refused"""
    if "number" in values:
        values["number_key"] = plain_account(values["number"])
        if not values["number_key"]:
            text = _("An account number is made of letters and digits.")
            raise refusal("number", text, code="bad_number")
    if "currency" in values:
        values["currency"] = values["currency"].strip().upper()
        if values["currency"] not in list_currencies():
            text = _("“%(value)s” is no currency.")
            raise refusal("currency", text, code="bad_currency", value=values["currency"][:20])
    if "legal_entity_id" in values:
        owned_rows.named(LegalEntity, values["legal_entity_id"], actor=actor, field="legal_entity")
    return values
