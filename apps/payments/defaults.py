"""
The accounts that a new installation keeps its books on.

They are rows, not texts of the platform: written once, in the installation's language, and the company's own.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.conf import settings
from django.db import router
from django.utils.translation import gettext, gettext_noop, override

# Code, name, type, purpose.
CHART = [
    ("1000", gettext_noop("Bank accounts"), "ASSET", "CASH"),
    ("1100", gettext_noop("Receivables from customers"), "ASSET", "RECEIVABLE"),
    ("1200", gettext_noop("Disputed payments"), "ASSET", "DISPUTED"),
    ("1900", gettext_noop("Exchange of currencies"), "ASSET", "EXCHANGE"),
    ("2000", gettext_noop("Advances from customers"), "LIABILITY", "ADVANCES"),
    ("2100", gettext_noop("VAT payable"), "LIABILITY", "TAX"),
    ("3000", gettext_noop("Capital"), "EQUITY", ""),
    ("4000", gettext_noop("Revenue"), "INCOME", "REVENUE"),
    ("4900", gettext_noop("Exchange gains"), "INCOME", "EXCHANGE_GAIN"),
    ("5000", gettext_noop("Fees of banks and providers"), "EXPENSE", "FEES"),
    ("5100", gettext_noop("Bad debts"), "EXPENSE", "BAD_DEBT"),
    ("5900", gettext_noop("Exchange losses"), "EXPENSE", "EXCHANGE_LOSS"),
]


def ensure(app_config: AppConfig, using: str, apps: Apps = installed, **kwargs: Any) -> None:
    """
    Add the accounts that the platform posts to where they are missing, after migrations.

    :param apps: the state that migrations ended in; a flush, which tells none, has the installed one
    """
    try:
        account = apps.get_model("payments", "LedgerAccount")
    except LookupError:
        return
    if not router.allow_migrate_model(using, account):
        return
    rows = account._default_manager.using(using)
    is_new = not rows.exists()
    purposes = set(rows.values_list("purpose", flat=True))
    with override(settings.LANGUAGE_CODE):
        for code, name, kind, purpose in CHART:
            if purpose not in purposes if purpose else is_new:
                rows.get_or_create(
                    code=code, defaults={"name": gettext(name), "type": kind, "purpose": purpose}
                )
