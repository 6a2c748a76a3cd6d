"""
What amounts are worth in the currency of the books.

Rates stand in one table, from which a trigger converts each deal. Who knows rates by themselves registers here; rates
that people write stand above theirs.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from django.apps import AppConfig
from django.conf import settings
from django.db import connections
from django.db.models import Case, DecimalField, F, Value, When

# An amount in the currency of the books; one that is in it already needs nobody's rate.
WORTH = DecimalField(max_digits=20, decimal_places=2)


@dataclass(frozen=True)
class Rate:
    """What one unit of a currency is worth in the currency of the books from a day on."""

    currency: str
    date: date
    rate: Decimal


class RateProvider(Protocol):
    """
    Somebody who knows rates: an app above, of what it has stored.

    It is asked within a nightly task and answers at once: it calls nobody outside.
    """

    key: str

    def rates(self, currencies: Collection[str], since: date) -> Iterable[Rate]:
        """Return the known rates of some currencies from a day on."""


_providers: dict[str, RateProvider] = {}


def register_rates(provider: RateProvider) -> None:
    """Ask `provider` for rates each night; called from an AppConfig's ready()."""
    _providers[provider.key] = provider


def providers() -> list[RateProvider]:
    """Return who is asked for rates, those that registered first before others."""
    return list(_providers.values())


def in_base(prefix: str = "") -> Case:
    """Return the expression of a deal's amount in the currency of the books; null where there is no rate."""
    return Case(
        When(**{f"{prefix}currency": Value(settings.BASE_CURRENCY)}, then=F(f"{prefix}amount")),
        default=F(f"{prefix}amount_base"),
        output_field=WORTH,
    )


def tell_database(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """
    Let the database know the currency of the books; after migrations, and cheap where it knows.

    A receiver of `post_migrate` rather than a migration: the setting may change without one.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("select 1 from pg_proc where proname = 'crm_base_currency'")
        if cursor.fetchone() is None:
            # The app was migrated back to nothing.
            return
        cursor.execute("select crm_base_currency()")
        if cursor.fetchone() == (settings.BASE_CURRENCY,):
            return
        quoted = settings.BASE_CURRENCY.replace("'", "''")
        cursor.execute(
            "create or replace function crm_base_currency() returns text language sql immutable"
            f" as $$ select '{quoted}'::text $$"
        )
