"""
The API at a million deals, with token check and access policy, against a bare server where PostgreSQL builds the same
JSON (`serving/bare.py`): a list of 50, one deal, and a new deal with its history, step and fact.

Both run under granian with one worker and one thread, over the same database. What counts is the processor's time of
server and database together for each answer; it is shared with nobody, while the rate of a busy machine is. The rate of
the list is measured besides, over two connections.

For the new deal the bare server writes the very rows that ours does (deal, step, fact with its snapshot, counter, outbox,
and what the triggers record), by the same five statements in one transaction, and checks nothing.
"""

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from config.local.redis import free_port
from tests.bench.harness import Bench, at_least, own_services, run

DEALS = 1_000_000
CUSTOMERS = 20_000
SELLERS = 40
TEAMS = 8
# Requests of each kind in a round: two to five seconds of work.
LISTS, DETAILS, CREATES = 1000, 4000, 600
# Pages of the list that are asked for in turn: the first, and such from all over.
PAGES = 20
SEED = """
    set session_replication_role = replica;
    insert into accounts_team (id, name, parent_id, path, version, external_source, external_id, created_at,
        updated_at)
    select 100 + n, 'Team ' || n, case when n > 0 then 100 end,
        case when n > 0 then '/100/' || 100 + n || '/' else '/100/' end, 1, '', '', now(), now()
    from generate_series(0, {teams}) n;
    insert into accounts_user (id, password, name, kind, locale, time_zone, is_active, is_staff, is_superuser,
        perm_version, version, created_at)
    select 100 + n, '!', 'Seller ' || n, 'HUMAN', '', '', true, true, false, 1, 1, now()
    from generate_series(0, {sellers}) n;
    insert into crm_tag (id, name, color, created_at, updated_at) select 100 + n, 'tag ' || n, '', now(), now()
    from generate_series(1, 9) n;
    insert into crm_company (id, name, legal_name, tax_id, domain, industry, country, city, description, version,
        external_source, external_id, created_at, updated_at)
    select n, 'Company ' || n, '', '', '', '', '', '', '', 1, '', '', now(), now()
    from generate_series(1, {customers}) n;
    insert into crm_person (id, given_name, family_name, middle_name, job_title, locale, description, version,
        external_source, external_id, created_at, updated_at)
    select n, 'Иван', 'Person ' || n, '', '', '', '', 1, '', '', now(), now() from generate_series(1, {customers}) n;
    insert into crm_deal (title, pipeline_id, stage_id, status, company_id, person_id, owner_id, team_id, amount,
        currency, probability, opened_date, lost_note, next_step, next_step_date, stage_entered_at, description, version,
        external_source, external_id, created_at, updated_at, created_by_id, updated_by_id)
    select 'Столы и стулья for office number ' || n, s.pipeline_id, s.id, 'OPEN', 1 + n % {customers},
        1 + (n * 7) % {customers}, 101 + n % {sellers}, 101 + n % {teams}, (n % 100000) + 0.5, 'RUB', s.probability,
        date '2026-01-01' + n % 300, '', 'call', date '2026-06-01' + n % 300,
        timestamptz '2026-01-01' + n * interval '1 s',
        '', 1, '', '', timestamptz '2026-01-01' + n * interval '7.1 s', now(), 101, 101
    from generate_series(1, {deals}) n
    join (select *, row_number() over (order by id) - 1 as place, count(*) over () as many
        from crm_stage where kind = 'OPEN')
        s on s.place = n % s.many;
    insert into crm_deal_tags (deal_id, tag_id) select id, 101 + id % 9 from crm_deal where id % 3 = 0;
    insert into crm_deal_tags (deal_id, tag_id) select id, 101 + (id + 4) % 9 from crm_deal where id % 6 = 0;
    set session_replication_role = origin;
"""


class Serving:
    """Both servers over the same deals, and what is asked of them."""

    def __init__(self, deals: int, postmaster: int) -> None:
        self.deals = deals
        self.postmaster = psutil.Process(postmaster)
        self._seed()
        self.secret = self._make_key()
        self.ports: dict[str, int] = {}
        self.servers: dict[str, psutil.Process] = {}

    def _seed(self) -> None:
        from apps.crm.imports.sql import run as execute

        sizes = {"deals": self.deals, "customers": CUSTOMERS, "sellers": SELLERS, "teams": TEAMS}
        for statement in SEED.format(**sizes).split(";\n"):
            if statement.strip():
                execute(statement)
        for table in (
            "crm_deal",
            "crm_deal_tags",
            "crm_company",
            "crm_person",
            "accounts_user",
            "accounts_team",
        ):
            execute(f"vacuum (analyze) {table}")
            execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))")
        execute("checkpoint")

    def _make_key(self) -> str:
        """Let somebody who leads all the teams have a key to all that they may do with deals."""
        from apps.accounts import services
        from apps.accounts.models import Membership, Role, Team, User

        lead = User.objects.get(pk=100)
        role = Role.objects.get(key="sales_lead")
        Membership.objects.create(user=lead, team=Team.objects.get(pk=100), role=role)
        scopes = ["read", "crm.add_deal"]
        _key, secret = services.create_api_key("bench", scopes=scopes, actor=User.objects.get(pk=100))
        return secret

    @contextmanager
    def started(self) -> Iterator[None]:
        """Run both servers."""
        names = {"ours": "config.wsgi:application", "limit": "tests.bench.serving.bare:application"}
        try:
            for name, application in names.items():
                self._start(name, application)
            yield
        finally:
            for server in self.servers.values():
                for process in [*server.children(recursive=True), server]:
                    process.kill()

    def _start(self, name: str, application: str) -> None:
        port = self.ports[name] = free_port()
        words = ["--interface", "wsgi", "--workers", "1", "--blocking-threads", "1", "--port", str(port)]
        command = [sys.executable, "-m", "granian", *words, "--no-ws", "--log-level", "warning", application]
        # Requests are counted as they always are; only that nobody here reaches the limit.
        limits = {"API_LIMIT": str(10**9)}
        environment = os.environ | {"CONN_MAX_AGE": "3600", "LOG_LEVEL": "WARNING"} | limits
        self.servers[name] = psutil.Process(subprocess.Popen(command, env=environment).pid)
        ready_by = time.monotonic() + 60
        while time.monotonic() < ready_by:
            try:
                self.get(name, self.list_paths(1)[name][0])
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(name)

    # What is asked

    def list_paths(self, pages: int) -> dict[str, list[str]]:
        """Return where each side serves the same pages."""
        from base64 import b64encode
        from urllib.parse import quote

        places = random.Random(3).sample(range(1000, self.deals), pages - 1)
        cursors = [quote(b64encode(f"p={place}".encode()).decode()) for place in places]
        return {
            "ours": ["/api/v1/crm/deals/", *(f"/api/v1/crm/deals/?cursor={cursor}" for cursor in cursors)],
            "limit": ["/deals/", *(f"/deals/?after={place}" for place in places)],
        }

    def detail_paths(self) -> dict[str, list[str]]:
        keys = random.Random(5).sample(range(1, self.deals), 500)
        return {
            "ours": [f"/api/v1/crm/deals/{key}/" for key in keys],
            "limit": [f"/deals/{key}/" for key in keys],
        }

    def bodies(self) -> dict[str, list[dict[str, Any]]]:
        """Return deals to make; what ours works out by itself, the bare server is told."""
        from apps.crm.models import Stage

        stages = list(Stage.objects.filter(kind="OPEN").order_by("pk").values_list("pk", flat=True))
        said = [
            {
                "title": f"Столы number {n}",
                "stage": stages[n % len(stages)],
                "company": 1 + n,
                "person": 2 + n,
                "amount": {"amount": f"{n}.50", "currency": "RUB"},
                "next_step": "call",
                "next_step_date": "2026-12-01",
            }
            for n in range(50)
        ]
        return {"ours": said, "limit": [body | {"actor": 100, "team": 100} for body in said]}

    def requests(self, side: str, paths: list[str]) -> list[dict[str, Any]]:
        return [{"path": path, "headers": self.headers(side)} for path in paths]

    def posts(self, side: str) -> list[dict[str, Any]]:
        path = "/api/v1/crm/deals/" if side == "ours" else "/deals/"
        return [
            {"method": "POST", "path": path, "headers": self.headers(side), "body": body}
            for body in self.bodies()[side]
        ]

    def headers(self, side: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"} if side == "ours" else {}

    def get(self, side: str, path: str) -> Any:
        url = f"http://127.0.0.1:{self.ports[side]}{path}"
        request = urllib.request.Request(url, headers=self.headers(side))
        with urllib.request.urlopen(request, timeout=60) as response:
            # Links name the server that was asked.
            return json.loads(response.read().replace(f"127.0.0.1:{self.ports[side]}".encode(), b"HOST"))

    # How it is measured

    def load(self, side: str, requests: list[dict[str, Any]], count: int, connections: int) -> float:
        """Ask so many times; return the seconds it took. :raises AssertionError: something was refused"""
        command = [
            sys.executable,
            "-m",
            "tests.bench.serving.load",
            str(self.ports[side]),
            str(count),
            str(connections),
        ]
        done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        assert (
            sum(number for status, number in said["answers"].items() if status in {"200", "201"}) == count
        ), said
        return float(said["seconds"])

    def cpu(self, side: str, requests: list[dict[str, Any]], count: int) -> float:
        """Return the processor's seconds of server and database for so many answers."""
        before = self._spent(side)
        # So many that the server has no time to be forgotten by the processor's caches.
        self.load(side, requests, count, connections=4)
        return self._spent(side) - before

    def _spent(self, side: str) -> float:
        server = self.servers[side]
        found = [server, *server.children(recursive=True), *self.postmaster.children()]
        return sum(_times(process) for process in found)

    # That both do the same

    def same_lists(self) -> None:
        paths = self.list_paths(PAGES)
        for ours, limit in zip(paths["ours"], paths["limit"], strict=True):
            shown = self.get("ours", ours)
            assert shown == self.get("limit", limit), (
                ours,
                shown["results"][0],
                self.get("limit", limit)["results"][0],
            )
            assert len(shown["results"]) == 50

    def same_details(self) -> None:
        paths = self.detail_paths()
        for ours, limit in zip(paths["ours"], paths["limit"], strict=True):
            assert self.get("ours", ours) == self.get("limit", limit), ours

    def same_creates(self) -> None:
        """Each side makes the same deal; whatever rows that left are alike but for keys, numbers and times."""
        rows = {}
        for side in ("limit", "ours"):
            self.clean()
            self.load(side, self.posts(side)[:1], 1, 1)
            rows[side] = _written(self.deals)
        assert rows["ours"] == rows["limit"], "\n".join(map(str, (rows["ours"], rows["limit"])))
        assert rows["ours"]["crm_deal"], rows
        self.clean()

    def clean(self) -> None:
        """Forget the deals that were made."""
        from apps.crm.imports.sql import run as execute

        execute("set session_replication_role = replica")
        execute(f"delete from crm_stagetransition where deal_id > {self.deals}")
        execute(f"delete from crm_deal where id > {self.deals}")
        execute(
            "truncate events_outbox, events_delivery, events_event, events_aggregate,"
            " history_change, history_creation cascade"
        )
        execute("delete from history_changeset")
        execute("set session_replication_role = origin")
        execute("vacuum (analyze) crm_deal, crm_stagetransition")
        execute("checkpoint")


def _times(process: psutil.Process) -> float:
    try:
        is_maintenance = "autovacuum" in " ".join(process.cmdline())
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return 0.0 if is_maintenance else float(times.user + times.system)


def _written(deals: int) -> dict[str, list[Any]]:
    """Return what a new deal left in each table, without keys, numbers, times and random ids."""
    from apps.crm.imports.sql import fetch

    unlike = {
        "id",
        "number",
        "uid",
        "at",
        "created_at",
        "updated_at",
        "stage_entered_at",
        "request_id",
        "deal_id",
        "subject",
    }
    queries = {
        "crm_deal": f"select to_jsonb(t) from crm_deal t where id > {deals}",
        "crm_stagetransition": f"select to_jsonb(t) from crm_stagetransition t where deal_id > {deals}",
        "events_event": "select to_jsonb(t) || data from events_event t",
        "events_aggregate": "select to_jsonb(t) from events_aggregate t",
        "events_outbox": "select '{}'::jsonb from events_outbox t",
        "history_change": "select jsonb_build_object('model', model, 'op', op) from history_change order by model",
        "history_changeset": "select to_jsonb(t) - 'changed' from history_changeset t",
    }
    found = {}
    for table, query in queries.items():
        rows = [json.loads(row) if isinstance(row, str) else row for (row,) in fetch(query)]
        found[table] = [{name: row[name] for name in row.keys() - unlike - {"data"}} for row in rows]
    return found


def main() -> int:
    deals = int(sys.argv[1]) if len(sys.argv) > 1 else DEALS
    wanted = set(sys.argv[2:])
    with own_services() as services:
        assert services.postgresql is not None
        postmaster = int((services.postgresql.data / "postmaster.pid").read_text().split()[0])
        serving = Serving(deals, postmaster)
        with serving.started():
            benches = [bench for bench in _benches(serving) if not wanted or bench.name in wanted]
            return max(run(bench) for bench in benches)


def _benches(serving: Serving) -> Iterator[Bench]:
    pages, details = serving.list_paths(PAGES), serving.detail_paths()

    def lists(side: str) -> list[dict[str, Any]]:
        return serving.requests(side, pages[side])

    def spent(side: str, requests: list[dict[str, Any]], count: int) -> Callable[[], float]:
        return lambda: serving.cpu(side, requests, count)

    where = (
        f"at {serving.deals:,} deals, with token check and policy, against a bare server with the same JSON"
    )
    yield Bench(
        name="rest-list",
        claim=f"processor's time of {LISTS:,} lists of 50 nested deals {where}",
        limit=spent("limit", lists("limit"), LISTS),
        ours=spent("ours", lists("ours"), LISTS),
        same_work=serving.same_lists,
        goal=at_least(0.60),
    )
    yield Bench(
        name="rest-list-rate",
        claim=f"{LISTS:,} lists of 50 nested deals over two connections {where}",
        limit=lambda: serving.load("limit", lists("limit"), LISTS, 2),
        ours=lambda: serving.load("ours", lists("ours"), LISTS, 2),
        same_work=serving.same_lists,
        goal=at_least(0.60),
    )
    yield Bench(
        name="rest-detail",
        claim=f"processor's time of {DETAILS:,} single deals {where}",
        limit=spent("limit", serving.requests("limit", details["limit"]), DETAILS),
        ours=spent("ours", serving.requests("ours", details["ours"]), DETAILS),
        same_work=serving.same_details,
        goal=at_least(0.45),
    )
    yield Bench(
        name="rest-create",
        claim=f"processor's time of {CREATES:,} new deals with step, fact and history {where} and the same rows",
        limit=spent("limit", serving.posts("limit"), CREATES),
        ours=spent("ours", serving.posts("ours"), CREATES),
        same_work=serving.same_creates,
        before_each=serving.clean,
        goal=at_least(0.45),
    )


if __name__ == "__main__":
    raise SystemExit(main())
