"""
A change of very many deals in a real browser: rehearsed, applied over a killed worker, ten rows changed by hand, undone.

ARTEL_BULK_DEALS sets how many deals; 20,000 is what the platform promises.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Processes, Running

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]
DEALS = int(os.environ.get("ARTEL_BULK_DEALS", "2500"))
LONG_MS = max(PATIENCE_MS, 15 * DEALS)


def test_many_deals_are_changed_and_come_back_but_for_ten(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes"
) -> None:
    from apps.crm.models import Deal
    from apps.crm.services.deals import change_deal
    from apps.events.models import Event
    from apps.history.models import Change, ChangeSet
    from apps.lists.models import BulkEdit
    from tests.crm.factories import make_salesperson
    from tests.history.factories import everything

    boris = make_salesperson("Boris Sell")
    make_deals(ada)
    before = everything()
    worker = start_worker(artel_processes)
    artel_processes.beat()
    page = enter(ada, "/admin/crm/deal/")
    page.set_default_timeout(PATIENCE_MS)

    # All that match, not only the page.
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("bulk_change")
    page.locator(".actions .question a").first.click()
    page.locator("button[name=index]").first.click()
    expect(page.get_by_role("heading", name=f"What to change of {DEALS:,} deals")).to_be_visible()
    page.get_by_label("Owner", exact=True).select_option("set to")
    page.get_by_label("owner: set to").select_option("Boris Sell")
    page.get_by_label("Next step", exact=True).select_option("set to")
    page.get_by_label("next step: set to").fill("meet Boris")
    with clocked("rehearsal"):
        page.get_by_role("button", name="Rehearse this change").dblclick()
        apply = page.get_by_role("button", name=f"Change {DEALS:,} deals")
        expect(apply).to_be_visible(timeout=LONG_MS)
    assert everything() == before
    assert not Event.objects.exists()

    # The worker dies in the middle of the second chunk; another goes on.
    worker.kill()
    doomed = start_worker(artel_processes, "bulk.in_chunk:2")
    with clocked("change, over a killed worker"):
        apply.click()
        doomed.await_line("signal 9 (SIGKILL)", within=PATIENCE_MS / 1000)
        doomed.kill()
        assert Deal.objects.filter(next_step="meet Boris").count() == 1000
        worker = start_worker(artel_processes)
        expect(page.get_by_role("heading", name=f"{DEALS:,} deals changed")).to_be_visible(timeout=LONG_MS)
    edit = BulkEdit.objects.get()
    assert edit.counts == {"changed": DEALS, "same": 0, "refused": 0, "gone": 0, "moved": 0}
    # Each once, and all in one change set.
    assert set(Deal.objects.values_list("owner", "version")) == {(boris.pk, 3)}
    made = ChangeSet.objects.get(job=edit.apply_job)
    assert Change.objects.filter(change_set=made).values("row_id").distinct().count() == DEALS
    assert Event.objects.filter(type="crm.deal.assigned.v1").count() == DEALS

    by_hand = list(Deal.objects.order_by("pk")[:10])
    for deal in by_hand:
        change_deal(deal.pk, actor=boris, next_step="my own plan")

    page.get_by_role("link", name="Undo this change…").click()
    expect(page.get_by_text("10 rows cannot simply be put back.")).to_be_visible(timeout=LONG_MS)
    worker.kill()
    doomed = start_worker(artel_processes, "job.before_commit:2")
    with clocked("undo, over a killed worker"):
        page.get_by_role("button", name="Undo these changes").click()
        doomed.await_line("signal 9 (SIGKILL)", within=PATIENCE_MS / 1000)
        doomed.kill()
        start_worker(artel_processes)
        state = page.locator("[data-job-part=state]")
        expect(state).to_have_text("Done", timeout=LONG_MS)
    page.reload()
    shown = page.locator(".his-conflict")
    expect(shown).to_have_count(10)
    expect(shown.first).to_contain_text("meet Boris")
    expect(shown.first).to_contain_text("my own plan")
    after = everything()
    hands = {str(deal.pk) for deal in by_hand}
    assert rows_but(after, hands) == rows_but(before, hands)
    assert Deal.objects.filter(pk__in=hands, next_step="my own plan", owner=boris).count() == 10

    # One is left as it is, the others are put back after all.
    shown.first.get_by_role("button", name="Leave it as it is").click()
    expect(shown).to_have_count(9)
    page.get_by_role("button", name="Put all back").click()
    expect(shown).to_have_count(0)
    left = by_hand[0].pk
    assert Deal.objects.filter(owner=boris).count() == 1
    assert rows_but(everything(), {str(left)}) == rows_but(before, {str(left)})


def start_worker(processes: "Processes", failpoint: str = "") -> "Running":
    """Start a worker on a machine that may have much else to do."""
    worker = processes.worker(is_awaited=False, ARTEL_FAILPOINT=failpoint)
    worker.await_line(" ready.", within=2 * PATIENCE_MS / 1000)
    return worker


def make_deals(owner: "User") -> None:
    from apps.crm.models import Deal
    from tests.crm.factories import sales, stage

    place = stage("Prospecting")
    fields = {"pipeline": sales(), "stage": place, "owner": owner, "amount": 1000, "currency": "RUB"}
    deals = [Deal(title=f"Deal {n:05}", next_step="call", **fields) for n in range(DEALS)]
    Deal.objects.bulk_create(deals, batch_size=1000)


def rows_but(tables: dict[str, dict[str, Any]], left_out: set[str]) -> dict[str, dict[str, Any]]:
    """Return tables without some deals, and without what a person's own click has made since."""
    return tables | {"crm.deal": {key: row for key, row in tables["crm.deal"].items() if key not in left_out}}


class clocked:  # noqa: N801 - used like a function
    """Say how long something took, for whoever runs it at size."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_error: object) -> None:
        seconds = time.monotonic() - self.began
        print(f"{self.what} of {DEALS:,}: {seconds:.1f} s, {DEALS / seconds:,.0f} rows a second")
