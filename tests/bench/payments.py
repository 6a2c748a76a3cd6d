"""
Postings a second of eight clients: our service, against pgbench calling the same database function.

Twice: each entry between two of 1,000 accounts, and all of them with one hot account. After each round the books are
proved: every entry balances, balances are sums of postings, and as many entries are there as were posted.
"""

import multiprocessing
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

from config.local.postgresql import programs
from tests.bench.harness import Bench, at_least, own_services, run

CLIENTS = 8
ENTRIES_EACH = 400
ACCOUNTS = 1000
DAY = "2026-01-15"
_ENTRY = (
    '[{"kind":"MANUAL","source":"bench","source_id":null,"date":"%s","memo":"","reverses":null,"actor":%d,'
    '"legs":[{"account":%%s,"amount":100,"currency":"RUB"},{"account":%%s,"amount":-100,"currency":"RUB"}]}]'
)


def script(actor_id: int, first: int, *, is_hot: bool) -> str:
    """Return what pgbench runs: one call of the function between two accounts that are never the same."""
    entry = _ENTRY % (DAY, actor_id)
    apart = f"{first} + (:one - {first} + random(1, {ACCOUNTS - 2})) % {ACCOUNTS}"
    lines = [
        f"\\set one random({first + 1}, {first + ACCOUNTS - 1})",
        f"\\set two {first if is_hot else apart}",
        f"select payments_post(format('{entry}', :one::bigint, :two::bigint)::jsonb);",
    ]
    return "\n".join(lines) + "\n"


def pgbench(url: str, text: str) -> float:
    """Run the script to the end and return the seconds, without those of connecting."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text)
        file.flush()
        arguments = [
            *(str(programs() / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"),
            *("-t", str(ENTRIES_EACH), "-f", file.name, url),
        ]
        said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    found = re.search(r"tps = ([0-9.]+)", said)
    assert found is not None, said
    return CLIENTS * ENTRIES_EACH / float(found[1])


def client(number: int, is_hot: bool, first: int, actor_id: int, ready: Any, begin: Any) -> None:
    """Post entries one after another, each in a transaction of its own, as a process of its own."""
    import random
    from datetime import date

    import django

    django.setup()
    from django.db import connection, transaction

    from apps.payments.services.ledger import Entry, Kind, Leg, post

    dice, day = random.Random(number), date.fromisoformat(DAY)
    connection.ensure_connection()
    ready.wait()
    begin.wait()
    for _each in range(ENTRIES_EACH):
        one = first + dice.randint(1, ACCOUNTS - 1)
        two = first if is_hot else first + (one - first + dice.randint(1, ACCOUNTS - 2)) % ACCOUNTS
        legs = [Leg(one, 100, "RUB"), Leg(two, -100, "RUB")]
        with transaction.atomic():
            post([Entry(Kind.MANUAL, "bench", None, day, legs)], actor_id=actor_id)


def clients(*, is_hot: bool, first: int, actor_id: int) -> float:
    """Let all clients post at once, and return the seconds from the first entry to the last."""
    context = multiprocessing.get_context("spawn")
    ready, begin = context.Barrier(CLIENTS + 1), context.Barrier(CLIENTS + 1)
    found = [
        context.Process(target=client, args=(number, is_hot, first, actor_id, ready, begin))
        for number in range(CLIENTS)
    ]
    for each in found:
        each.start()
    ready.wait()
    begin.wait()
    started_at = time.perf_counter()
    for each in found:
        each.join()
    seconds = time.perf_counter() - started_at
    assert [each.exitcode for each in found] == [0] * CLIENTS
    return seconds


def bench(url: str, first: int, actor_id: int, *, is_hot: bool) -> Bench:
    from django.db import connection

    from apps.payments.models import JournalEntry
    from apps.payments.services.verifying import verify_ledger

    posted = {"entries": 0}

    def proved(work: Callable[[], float]) -> Callable[[], float]:
        def side() -> float:
            seconds = work()
            posted["entries"] += CLIENTS * ENTRIES_EACH
            assert JournalEntry.objects.count() == posted["entries"]
            assert verify_ledger() == []
            return seconds

        return side

    def clean() -> None:
        """Begin each side alike: with no entry, and 1,000 accounts that have a balance."""
        with connection.cursor() as cursor:
            cursor.execute("set session_replication_role = replica")
            cursor.execute("truncate payments_posting, payments_journalentry, payments_accountbalance")
            cursor.execute("set session_replication_role = origin")
            cursor.execute("vacuum analyze payments_accountbalance")
            cursor.execute("checkpoint")
        posted["entries"] = 0

    def same_work() -> None:
        assert JournalEntry.objects.count() == CLIENTS * ENTRIES_EACH

    text = script(actor_id, first, is_hot=is_hot)
    where = "one hot account" if is_hot else f"{ACCOUNTS:,} accounts"
    return Bench(
        name="payments-hot" if is_hot else "payments",
        claim=f"{CLIENTS * ENTRIES_EACH:,} entries of {CLIENTS} clients on {where} against pgbench with this function",
        limit=proved(lambda: pgbench(url, text)),
        ours=proved(lambda: clients(is_hot=is_hot, first=first, actor_id=actor_id)),
        same_work=same_work,
        before_each=clean,
        goal=at_least(0.65 if is_hot else 0.50),
    )


def main(url: str) -> int:
    from apps.accounts.models import User
    from apps.payments.models import LedgerAccount

    actor = User.objects.create_user("bench@example.org", name="Bench")
    made = LedgerAccount.objects.bulk_create(
        LedgerAccount(code=f"B{number:04}", name=f"Bench {number}", type="ASSET")
        for number in range(ACCOUNTS)
    )
    first = made[0].pk
    assert [each.pk for each in made] == list(range(first, first + ACCOUNTS))
    codes = [run(bench(url, first, actor.pk, is_hot=is_hot)) for is_hot in (False, True)]
    return max(codes)


if __name__ == "__main__":
    with own_services():
        raise SystemExit(main(os.environ["DATABASE_URL"]))
