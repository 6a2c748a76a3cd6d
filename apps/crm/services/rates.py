"""Rates of currencies, and the amounts of deals that follow them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import CurrencyRate, Deal
from apps.crm.rates import providers
from apps.crm.services import rows
from apps.jobs.kinds import Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title

JOB_KIND = "crm.convert_amounts"
MANUAL = "manual"
# Deals looked at in one transaction: those among them that change are locked for some tens of milliseconds.
CHUNK = 2000
# How far back providers are asked: longer than any row of holidays.
_BACK = timedelta(days=14)


@transaction.atomic
def create_rate(*, actor: User, currency: str, rate: Decimal, date: date | None = None) -> CurrencyRate:
    """
    Say what a currency is worth from a day on; open deals follow it.

    :raises PermissionDenied: the actor may not set rates
    :raises ValidationError: a value is refused, there is a rate for this day, or it is the currency of the books
        ("base_currency")
    """
    access.require(actor, "add", CurrencyRate)
    _require_foreign(currency)
    made = rows.insert(
        CurrencyRate(currency=currency, rate=rate, date=date or timezone.localdate(), source=MANUAL),
        actor=actor,
    )
    _follow(actor)
    return made


@transaction.atomic
def change_rate(rate_id: int, *, actor: User, **fields: Any) -> CurrencyRate:
    """
    Correct a rate; open deals follow it, closed ones keep theirs.

    :raises DoesNotExist: the rate is out of sight
    :raises PermissionDenied: the actor may not set rates
    :raises ValidationError: as :func:`create_rate`
    """
    known = rows.locked(CurrencyRate, rate_id, actor=actor, action="change")
    changes = rows.differing(known, dict(fields))
    if not changes:
        return known
    _require_foreign(changes.get("currency", known.currency))
    changed = rows.write(known, {**changes, "source": MANUAL}, actor=actor)
    _follow(actor)
    return changed


@transaction.atomic
def delete_rate(rate_id: int, *, actor: User) -> None:
    """
    Forget a rate; open deals follow the one before it.

    :raises DoesNotExist: the rate is out of sight
    :raises PermissionDenied: the actor may not delete rates
    """
    rows.locked(CurrencyRate, rate_id, actor=actor, action="delete").delete()
    _follow(actor)


def _require_foreign(currency: str) -> None:
    if currency == settings.BASE_CURRENCY:
        raise rows.refusal(
            "currency",
            gettext_lazy("The books are in %(currency)s: it needs no rate."),
            code="base_currency",
            currency=currency,
        )


def _follow(actor: User) -> None:
    # Done with nobody's rights: it changes no deal, only what its amount is worth.
    convert_amounts(actor=User.objects.system())


@transaction.atomic
def convert_amounts(*, actor: User) -> Job:
    """Let the amounts of deals follow the rates, as a job; one that waits to begin will do."""
    waiting = Job.objects.filter(kind=JOB_KIND, state=Job.State.QUEUED).order_by("pk").first()
    return waiting or start_job(
        JOB_KIND, actor=actor, title=Title(gettext_noop("Convert the amounts of deals")), params={}
    )


# A transaction of its own for each chunk. What somebody is changing just now is converted by the trigger.
_CONVERT = """
with due as (
    select d.id, r.rate, r.rate_date
    from crm_deal d
    left join lateral (
        select 1::numeric as rate, null::date as rate_date where d.currency = crm_base_currency()
        union all
        select c.rate, c.rate_date
        from crm_rate_of(d.currency, coalesce((d.closed_at at time zone 'UTC')::date, current_date)) c
        where d.currency <> crm_base_currency()
    ) r on true
    where d.id > %(after)s and d.id <= %(upto)s and case
        when d.status = 'OPEN' then (d.rate, d.rate_date) is distinct from (r.rate, r.rate_date)
        else d.rate is null and r.rate is not null
    end
    for no key update of d skip locked
)
update crm_deal d set rate = due.rate, rate_date = due.rate_date, amount_base = round(d.amount * due.rate, 2)
from due where due.id = d.id
"""


def convert_chunk(after: int, upto: int) -> int:
    """Let the amounts of the deals with ids in (after, upto] follow the rates; return how many changed."""
    with connection.cursor() as cursor:
        cursor.execute(_CONVERT, {"after": after, "upto": upto})
        return int(cursor.rowcount)


def convert_step(job: Job, reporter: Reporter) -> Step:
    """Convert the next deals, by their ids."""
    after, changed = job.checkpoint.get("after", 0), job.checkpoint.get("changed", 0)
    last = Deal._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    ids = Deal._base_manager.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
    upto = ids[CHUNK - 1 : CHUNK].first() or last
    changed += convert_chunk(after, upto)
    step: dict[str, Any] = {
        "done": upto,
        "total": max(last, upto),
        "checkpoint": {"after": upto, "changed": changed},
    }
    if upto < last:
        return Step(**step)
    return Step(
        **step, message=_("%(count)s amounts converted") % {"count": changed}, result={"changed": changed}
    )


def follow_rates() -> Job:
    """Copy what providers know since the last time, and let open deals follow; each night, and as often as one likes."""
    copy_rates()
    return convert_amounts(actor=User.objects.system())


@transaction.atomic
def copy_rates() -> int:
    """Copy the rates that providers know; what people wrote stays. Return how many are new or others."""
    foreign = Deal._base_manager.exclude(currency=settings.BASE_CURRENCY).order_by()
    currencies = set(foreign.values_list("currency", flat=True).distinct())
    since, copied = timezone.localdate() - _BACK, 0
    for provider in providers():
        found = [
            CurrencyRate(currency=each.currency, date=each.date, rate=each.rate, source=provider.key)
            for each in provider.rates(currencies, since)
            if each.currency in currencies
        ]
        known = {
            (row.currency, row.date): row
            for row in CurrencyRate._base_manager.select_for_update().filter(date__gte=since)
        }
        new = [row for row in found if (row.currency, row.date) not in known]
        CurrencyRate._base_manager.bulk_create(new, ignore_conflicts=True)
        copied += len(new)
        for row in found:
            old = known.get((row.currency, row.date))
            if old is not None and old.source == provider.key and old.rate != row.rate:
                CurrencyRate._base_manager.filter(pk=old.pk).update(rate=row.rate, updated_at=timezone.now())
                copied += 1
    return copied
