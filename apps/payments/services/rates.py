"""Rates of central banks as they are fetched, and rates that people write beside them."""

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from babel.numbers import list_currencies
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import insert, refusal
from apps.crm.services.rates import follow_rates
from apps.events.services import publish
from apps.payments import bank_events as events
from apps.payments.models.rates import ExchangeRate, Provider, RateSource
from apps.payments.rates import files
from apps.payments.rates.fetching import fetch

# The Bank of Russia publishes for tomorrow, before long holidays for some days ahead; what is further is a mistake.
_AHEAD = timedelta(days=14)
# Two fetches at once do the same: the second waits, and finds nothing new.
_LOCK = 7_340_021


def addresses() -> Mapping[str, str]:
    """Return where each provider is asked; none where its address is empty."""
    known = {Provider.CBR: settings.RATES_CBR_URL, Provider.ECB: settings.RATES_ECB_URL}
    return {provider: url for provider, url in known.items() if url}


def fetch_rates(provider: str) -> int:
    """
    Ask a provider for its newest rates and keep what is new; return how many that is.

    Not a transaction by itself: nothing is held while the provider is asked. A failure is written down, and raised.

    :raises RatesError: it does not answer, or answers something else; what is known stays
    """
    try:
        data = fetch(addresses()[provider], seconds=settings.RATES_TIMEOUT)
        sheet = files.read(provider, data)
        if sheet.day > timezone.localdate() + _AHEAD:
            raise files.RatesError("bad_day", str(sheet.day))
    except files.RatesError as error:
        note_failure(provider, error)
        raise
    count = keep_rates(provider, sheet, sha256=hashlib.sha256(data).hexdigest())
    if count:
        follow_rates()
    return count


@transaction.atomic
def note_failure(provider: str, error: files.RatesError) -> None:
    """Write down why a provider gave nothing."""
    source, _made = RateSource.objects.select_for_update().get_or_create(provider=provider)
    source.tried_at, source.error, source.failures = timezone.now(), error.code, source.failures + 1
    source.save(update_fields=["tried_at", "error", "failures"])


@transaction.atomic
def keep_rates(provider: str, sheet: files.Sheet, *, sha256: str) -> int:
    """
    Keep what a provider says of a day; return how many rates are new.

    What is known already stays; where the provider says something else of the same day, that is a revision.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    system = User.objects.system()
    last = {
        (row.base, row.quote): row
        for row in ExchangeRate._base_manager.filter(provider=provider, valid_on=sheet.day).order_by(
            "revision"
        )
    }
    new = []
    for each in sheet.rates:
        known = last.get((each.base, each.quote))
        if known is not None and (known.nominal, known.rate) == (each.nominal, each.rate):
            continue
        new.append(
            ExchangeRate(
                provider=provider,
                base=each.base,
                quote=each.quote,
                nominal=each.nominal,
                rate=each.rate,
                valid_on=sheet.day,
                revision=1 if known is None else known.revision + 1,
                sha256=sha256,
                created_by=system,
                updated_by=system,
            )
        )
    ExchangeRate._base_manager.bulk_create(new)
    source, _made = RateSource.objects.select_for_update().get_or_create(provider=provider)
    now = timezone.now()
    source.tried_at = source.succeeded_at = now
    source.error, source.failures = "", 0
    source.latest_day = max(sheet.day, source.latest_day or sheet.day)
    source.save()
    if new:
        publish(
            events.RATES_PUBLISHED,
            new[0].pk,
            {"provider": provider, "valid_on": sheet.day.isoformat(), "count": len(new)},
            actor_id=system.pk,
        )
    return len(new)


@transaction.atomic
def write_rate(
    *,
    actor: User,
    base: str,
    quote: str,
    rate: Decimal,
    reason: str,
    nominal: int = 1,
    valid_on: date | None = None,
) -> ExchangeRate:
    """
    Write a rate by hand, with the reason; it counts before what banks publish of that day.

    Written again for the same day, it is a revision.

    :raises PermissionDenied: the actor may not add rates
    :raises ValidationError: a value is refused, or the day is far ahead ("far_ahead")
    """
    access.require(actor, "add", ExchangeRate)
    day = valid_on or timezone.localdate()
    base, quote = base.strip().upper(), quote.strip().upper()
    for name, code in (("base", base), ("quote", quote)):
        if code not in list_currencies():
            raise refusal(name, _("“%(value)s” is no currency."), code="bad_currency", value=code[:20])
    if base == quote:
        raise refusal("quote", _("A currency is worth itself."), code="same_currency")
    if not reason.strip():
        raise refusal("reason", _("Say why this rate is written by hand."), code="no_reason")
    if day > timezone.localdate() + _AHEAD:
        raise refusal("valid_on", _("This day is too far ahead for a rate."), code="far_ahead")
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    known = ExchangeRate._base_manager.filter(provider=Provider.MANUAL, base=base, quote=quote, valid_on=day)
    row = insert(
        ExchangeRate(
            provider=Provider.MANUAL,
            base=base,
            quote=quote,
            nominal=nominal,
            rate=rate,
            valid_on=day,
            revision=known.count() + 1,
            reason=reason.strip(),
        ),
        actor=actor,
    )
    publish(events.RATE_WRITTEN, row.pk, _told(row), actor_id=actor.pk)
    # Done with nobody's rights: it changes what amounts are worth, and no row of anybody.
    follow_rates()
    return row


def _told(row: ExchangeRate) -> dict[str, Any]:
    return {
        "id": row.pk,
        "provider": row.provider,
        "base": row.base,
        "quote": row.quote,
        "nominal": row.nominal,
        "rate": f"{row.rate.normalize():f}",
        "valid_on": row.valid_on.isoformat(),
        "revision": row.revision,
        "reason": row.reason,
    }
