"""
Pages of the admin at a million deals, against the floor: one query and plain rows in the same process.

The floor reads the rows and columns that the page shows with one statement, and writes them as HTML with nothing but
escaping. Ours is the whole request: session, rights, filters, navigation, rows. Both sides are measured by the time that
processors work for them, here and in the connection's process of PostgreSQL: other programs on the machine count for
neither. A page that is added to `pages()` is measured, counted and compared like the others.

`ARTEL_BENCH_DEALS` says how many deals; `python -m tests.bench.admin --here` takes the configured database as it is.
"""

import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any

from tests.bench.harness import Bench, Budget, at_most, own_services, run

DEALS = int(os.environ.get("ARTEL_BENCH_DEALS", "1000000"))
# One page takes milliseconds; a round is as many of them as a steady clock needs.
REQUESTS, ROUNDS = 20, 9
MOST_QUERIES, MOST_SLOWER, MOST_SEARCH_MS = 15, 1.2, 150

COLUMNS = """
    select d.id, d.number, d.title, c.name, s.name, d.status, d.amount, d.currency, u.name, d.stage_entered_at,
        s.stale_after_days, d.expected_close_date
    from crm_deal d
    join crm_stage s on s.id = d.stage_id
    left join crm_company c on c.id = d.company_id
    join accounts_user u on u.id = d.owner_id
    where d.archived_at is null"""
BOARD = """
    select card.* from crm_stage s cross join lateral (
        select d.id, d.number, d.title, c.name, u.name, d.amount, d.currency, d.stage_entered_at, d.next_step,
            d.next_step_date
        from crm_deal d
        left join crm_company c on c.id = d.company_id
        join accounts_user u on u.id = d.owner_id
        where d.stage_id = s.id and d.status = 'OPEN' and d.archived_at is null
        order by coalesce(d.ranked_at, d.stage_entered_at) desc, d.id desc limit 20
    ) as card
    where s.pipeline_id = %s and s.kind = 'OPEN' order by s.position"""
# Places of the columns that a page shows letter by letter: number, title, company, stage, owner.
LITERAL = (1, 2, 3, 4, 8)
_ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
_CELL = re.compile(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_CARD = re.compile(
    r'<li class="board-card" data-deal="(\d+)".*?aria-keyshortcuts="m">([^<]*)<.*?"board-company">([^<]*)<'
    r'.*?board-face-\d" title="([^"]*)"'
)
_KEY = re.compile(r'name="_selected_action"[^>]*value="(\d+)"')


@dataclass(frozen=True)
class AdminPage:
    """
    One page and its floor.

    :ivar sql: what the floor asks, with `params`
    :ivar shown: read from the page what the floor has to show too, as rows of texts
    :ivar is_backward: whether the floor's rows come in the other order
    :ivar literal: places of the floor's columns that the page shows letter by letter, after the key
    :ivar count: how many rows there are
    :ivar has_figures: whether the page says how many rows there are, from an index that holds them
    """

    name: str
    claim: str
    who: str
    path: str
    sql: str
    params: Sequence[Any] = ()
    is_backward: bool = False
    shown: Callable[[str], list[list[str]]] = field(default=lambda html: rows_of_list(html))
    literal: tuple[int, ...] = LITERAL
    count: int = 100
    has_figures: bool = False


def pages() -> list[AdminPage]:
    """Return what is measured."""
    from apps.accounts.models import User
    from apps.crm.models import Stage

    stage = Stage.objects.get(pipeline__is_default=True, name="Negotiation").pk
    owner = User.objects.get(email="anna@demo.artel.example").pk
    stages = list(Stage.objects.filter(pipeline__is_default=True, kind=Stage.Kind.OPEN))
    newest = "order by d.id desc limit 100"
    filtered = f"{COLUMNS} and d.stage_id = %s {newest}"
    return [
        AdminPage("admin-first", "first page of the deals", "olga", "", f"{COLUMNS} {newest}"),
        AdminPage(
            "admin-last", "last page of the deals", "olga", "?p=last",
            f"{COLUMNS} order by d.id limit 100", is_backward=True,
        ),
        AdminPage(
            "admin-filtered", "deals of one stage", "olga", f"?stage__id__exact={stage}", filtered, [stage]
        ),
        AdminPage(
            "admin-own", "first page of a salesperson", "anna", "",
            f"{COLUMNS} and d.owner_id = %s {newest}", [owner],
        ),
        AdminPage(
            "admin-board", "the board", "olga", f"board/{stages[0].pipeline_id}/?everything=1", BOARD,
            [stages[0].pipeline_id], shown=cards_of_board, literal=(2, 3, 4), count=20 * len(stages), has_figures=True,
        ),
    ]  # fmt: skip


def rows_of_list(html: str) -> list[list[str]]:
    """Read key, number, title, company, stage and owner from a list of deals."""
    body = html[html.index("<tbody") : html.index("</tbody>")]
    found = []
    for row in _ROW.findall(body):
        cells = [unescape(_TAG.sub("", cell)) for cell in _CELL.findall(row)]
        key = _KEY.search(row)
        assert key is not None, row
        found.append([key[1], cells[1], cells[2], cells[3], cells[4], cells[6]])
    return found


def cards_of_board(html: str) -> list[list[str]]:
    """Read key, title, company and owner from the cards of a board."""
    return [[unescape(text) for text in found] for found in _CARD.findall(html)]


class Measuring:
    """Both sides of one page."""

    def __init__(self, page: AdminPage) -> None:
        self.page = page
        self.client = client_of(page.who)
        self.url = f"/admin/crm/deal/{page.path}"

    def get(self) -> str:
        response = self.client.get(self.url, secure=True)
        assert response.status_code == 200, response.status_code
        return str(response.content.decode())

    def floor(self) -> list[tuple[Any, ...]]:
        """One query, plain rows."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(self.page.sql, self.page.params)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        parts = ["<table>"]
        for row in rows:
            cells = "".join([f"<td>{escape(str(value))}</td>" for value in row])
            parts.append(f"<tr>{cells}</tr>")
        parts.append("</table>")
        "".join(parts)
        return rows[::-1] if self.page.is_backward else rows

    def same_rows(self) -> None:
        """Both sides show the same rows in the same order."""
        literal = self.page.literal
        expected = [[str(row[0]), *(str(row[place] or "–") for place in literal)] for row in self.floor()]
        shown = self.page.shown(self.get())
        assert len(shown) == self.page.count, len(shown)
        assert shown == expected, (shown[:2], expected[:2])

    def queries(self) -> float:
        """Count the page's queries, none of which counts rows."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            self.get()
        counting = [query["sql"] for query in captured if "count(" in query["sql"].lower()]
        assert self.page.has_figures or not counting, counting
        return len(captured)

    def bench(self, *more: Budget) -> Bench:
        return Bench(
            name=self.page.name,
            claim=f"{self.page.claim}, {self.page.count} of {DEALS:,}, against one query and plain rows; "
            f"{REQUESTS} requests",
            limit=_times(self.floor),
            ours=_times(self.get),
            same_work=self.same_rows,
            goal=at_most(10.0),
            rounds=ROUNDS,
            budgets=[Budget("queries", self.queries, MOST_QUERIES), *more],
        )


def _times(work: Callable[[], object]) -> Callable[[], float]:
    def run_often() -> float:
        started_at = processor_seconds()
        for _ in range(REQUESTS):
            work()
        return processor_seconds() - started_at

    return run_often


def processor_seconds() -> float:
    """Return how long processors have worked for this process, and for its connection to PostgreSQL."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    nanoseconds = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return time.process_time() + nanoseconds / 1e9


def client_of(who: str) -> Any:
    """Return a browser in which a person of the demo is logged in."""
    from django.conf import settings
    from django.test import Client

    from apps.accounts.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(
        User.objects.get(email=f"{who}@demo.artel.example"), "apps.accounts.backends.PolicyBackend"
    )
    return client


def last_against_first(first: Measuring, last: Measuring) -> float:
    """Return how many times as long the last page takes as the first, in turn."""
    ratios = []
    for _ in range(ROUNDS):
        seconds = _times(first.get)()
        ratios.append(_times(last.get)() / seconds)
    return statistics.median(ratios)


def search_p95(who: str) -> float:
    """Return the 95th percentile of searches for parts of titles and companies, by hand and by number, in ms."""
    from apps.crm.models import Deal

    client = client_of(who)
    words = [
        "Гранит",
        "orion",
        "Hamburg",
        "сервис",
        "acoustic",
        "паллет",
        "Retail K",
        "Лидер Агро",
        "booths, 17",
        "zzzz",
    ]
    words += list(Deal.objects.order_by("id").values_list("number", flat=True)[:10])
    words += [f"{count} people" for count in range(20, 60)] + [
        f"Yearly care, {count}" for count in range(10, 50)
    ]
    spent = []
    for word in words:
        started_at = time.perf_counter()
        response = client.get("/admin/crm/deal/", {"q": word}, secure=True)
        spent.append((time.perf_counter() - started_at) * 1000)
        assert response.status_code == 200, (word, response.status_code)
    return statistics.quantiles(spent, n=20)[-1]


def main() -> int:
    sides = {page.name: Measuring(page) for page in pages()}
    more = {
        "admin-first": [Budget("search p95", lambda: search_p95("olga"), MOST_SEARCH_MS, "ms")],
        "admin-last": [
            Budget(
                "last / first",
                lambda: last_against_first(sides["admin-first"], sides["admin-last"]),
                MOST_SLOWER,
            )
        ],
        "admin-own": [Budget("search p95", lambda: search_p95("anna"), MOST_SEARCH_MS, "ms")],
    }
    return max(run(side.bench(*more.get(name, []))) for name, side in sides.items())


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
