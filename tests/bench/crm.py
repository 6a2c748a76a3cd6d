"""
The pages that sales people live in, at a million deals: how long each takes in the server, how much it asks, and what
the policy adds.

Each page is made whole, by who sees everything, who leads and who sells; what is told is the 95th percentile of `TIMES`
and the median, beside the median with a policy that lets everybody at everything, and the most joins of a statement with
and without it. The funnel has been summed up, and there is a year of forecasts to be held against.

`ARTEL_BENCH_DEALS` says how many deals; `python -m tests.bench.crm --here` takes the configured database as it is,
sums up its funnel, and takes back the forecasts and the talks that it adds.
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from tests.bench.harness import own_services

DEALS = int(os.environ.get("ARTEL_BENCH_DEALS", "1000000"))
TIMES = int(os.environ.get("ARTEL_BENCH_TIMES", "40"))
# As many activities of one company.
LONG_TALK = 100_000
MOST_MS, MOST_QUERIES, MOST_JOINS_MORE = 150, 15, 1
# Everything, a team's deals, one's own.
WHO = ("olga", "lead", "anna")
NUMBERS = "/admin/crm/deal/numbers"


@dataclass(frozen=True)
class Asked:
    """
    A page, or several that are one to people.

    :ivar paths: asked in turn
    :ivar is_limited: whether it has to come in time; the others are told
    """

    name: str
    paths: tuple[str, ...]
    is_limited: bool = True


def pages(company: int) -> list[Asked]:
    """Return what is measured; the company has the longest timeline there is."""
    from apps.crm.models import Pipeline

    board = Pipeline.objects.get(is_default=True).pk
    timeline = f"/admin/crm/company/{company}/timeline/"
    words = ("Гранит", "orion", "acoustic", "booths, 17", "zzzz", "+7495", "Hamburg", "@example")
    return [
        Asked("list of deals", ("/admin/crm/deal/",)),
        Asked("list of companies", ("/admin/crm/company/",)),
        Asked("list of people", ("/admin/crm/person/",)),
        Asked("search in deals", tuple(f"/admin/crm/deal/?q={quote(word)}" for word in words)),
        Asked("search everywhere", tuple(f"/admin/search/?s={quote(word)}" for word in words)),
        Asked("board", (f"/admin/crm/deal/board/{board}/?everything=1",)),
        Asked("calendar", ("/admin/crm/deal/calendar/",)),
        Asked("calendar of next steps", ("/admin/crm/deal/calendar/?by=step",)),
        Asked("months", ("/admin/crm/deal/months/",)),
        Asked(f"timeline of {LONG_TALK}", (timeline, f"{timeline}?kind=CALL")),
        Asked(f"search in {LONG_TALK}", (f"{timeline}?q=lamps", f"{timeline}?q=needle")),
        Asked("forecast", (f"{NUMBERS}/forecast/",)),
        Asked("funnel", (f"{NUMBERS}/funnel/",)),
        Asked("funnel of all time", (f"{NUMBERS}/funnel/?period=everything",)),
        Asked("changes", (f"{NUMBERS}/changes/",)),
        Asked("outcomes", (f"{NUMBERS}/outcomes/",), is_limited=False),
        Asked("plan", (f"{NUMBERS}/plan/",), is_limited=False),
    ]


def company_of(email: str) -> int:
    """Return a company that somebody sees."""
    from apps.accounts.models import User
    from apps.crm.models import Company

    seen = Company.objects.visible_to(User.objects.get(email=email))
    return seen.order_by("pk").values_list("pk", flat=True)[0]


# A customer of many years: as many notes, calls, letters and meetings, one every five minutes.
_TALK = """
with said as (
    insert into crm_activity (
        kind, subject, body, occurred_at, created_at, updated_at, version, direction, details, author_id, outcome, fact
    )
    select (array['NOTE', 'CALL', 'EMAIL', 'MEETING'])[1 + n %% 4], 'Talk ' || n,
        case when n %% 1000 = 0 then 'a needle' else 'about desks and lamps' end,
        now() - n * interval '5 minutes', now(), now(), 1, '', '{}',
        (select min(id) from accounts_user), '', ''
    from generate_series(1, %(count)s) n returning id
)
insert into crm_activitylink (activity_id, company_id)
select said.id, c.id from said cross join unnest(%(companies)s::bigint[]) as c (id)
"""
# What was forecast for each of the last months: of no worth by itself, but as many rows as there would be.
_SNAPSHOTS = """
insert into crm_forecastsnapshot (
    beat, due_date, taken_date, month, pipeline_id, owner_id, team_id, deals, amount, weighted
)
select 'MONTH', m::date, m::date, m::date, d.pipeline_id, d.owner_id, d.team_id, 1, 1000, 1000
from generate_series(date_trunc('month', now()) - interval '12 months', now() - interval '1 month', '1 month') m
cross join (select distinct pipeline_id, owner_id, team_id from crm_deal) d
on conflict do nothing
"""


@dataclass
class Measured:
    """One page as one person gets it."""

    p95: float
    median: float
    queries: int
    joins: int


def people() -> dict[str, str]:
    """Return the addresses of those who ask: a lead is whoever leads most people."""
    from apps.accounts.models import Membership

    leads = Membership.objects.filter(role__key="sales_lead", user__is_superuser=False)
    first = leads.order_by("team__path").select_related("user").first()
    lead = str(first.user.email) if first is not None else "anna@demo.artel.example"
    return {"olga": "olga@demo.artel.example", "lead": lead, "anna": "anna@demo.artel.example"}


def measure(email: str, asked: Asked, times: int) -> Measured:
    """Ask for a page again and again."""
    from django.conf import settings
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from apps.accounts.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    cache.clear()
    client = Client()
    client.force_login(User.objects.get(email=email), "apps.accounts.backends.PolicyBackend")

    def get(path: str) -> None:
        response: Any = client.get(path, secure=True)
        assert response.status_code == 200, (path, response.status_code)

    queries = joins = 0
    for path in asked.paths:
        get(path)
        with CaptureQueriesContext(connection) as captured:
            get(path)
        # Read at once: the next request forgets them.
        queries = max(queries, len(captured))
        joins = max([joins, *(query["sql"].upper().count(" JOIN ") for query in captured)])
    spent = []
    for number in range(times):
        started_at = time.perf_counter()
        get(asked.paths[number % len(asked.paths)])
        spent.append((time.perf_counter() - started_at) * 1000)
    return Measured(statistics.quantiles(spent, n=20)[-1], statistics.median(spent), queries, joins)


def without_policy(email: str, asked: Asked) -> Measured:
    """Measure the same with a policy that lets everybody at everything."""
    from apps.accounts import access

    with patch.object(access, "scope", lambda _actor, _action, _model: access.EVERYTHING):
        return measure(email, asked, max(TIMES // 4, 8))


def main() -> int:
    from django.db import connection, transaction

    from apps.crm.services import forecasts

    started_at = time.perf_counter()
    print(f"funnel summed up: {forecasts.sum_up_funnel()} cells, {time.perf_counter() - started_at:.1f} s")
    missed = 0
    companies = {who: company_of(email) for who, email in people().items()}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_SNAPSHOTS)
            cursor.execute(_TALK, {"count": LONG_TALK, "companies": sorted(set(companies.values()))})
            cursor.execute("analyze crm_activity, crm_activitylink")
        shown = {who: pages(company) for who, company in companies.items()}
        for place in range(len(shown["olga"])):
            for who, email in people().items():
                asked = shown[who][place]
                free = without_policy(email, asked)
                found = measure(email, asked, TIMES)
                is_slow = asked.is_limited and found.p95 > MOST_MS
                is_wordy = found.queries > MOST_QUERIES or found.joins > free.joins + MOST_JOINS_MORE
                missed += is_slow or is_wordy
                print(
                    f"{asked.name:20} {who:5} p95 {found.p95:6.0f} ms, median {found.median:6.0f} ms"
                    f" (without policy {free.median:6.0f} ms), {found.queries:2} queries, most joins {found.joins}"
                    f" (without {free.joins}){' TOO SLOW' if is_slow else ''}{' TOO MANY' if is_wordy else ''}"
                )
        transaction.set_rollback(True)
    return int(missed > 0)


if __name__ == "__main__":
    if "--here" in sys.argv:
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
        django.setup()
        raise SystemExit(main())
    with own_services():
        from django.core.management import call_command

        call_command("make_demo", deals=DEALS)
        raise SystemExit(main())
