"""
The real customer base through the admin in a real browser, while the worker is killed and Redis is emptied.

The whole data set is used where it lies beside the checkout, otherwise the small copy of its rows in the tests.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from django.db.models import Count, Sum
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS, bring_in, choose, open_imports, rehearse

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
_SMALL = Path(__file__).parents[1] / "pages" / "data"
_WHOLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "crm-sales-opportunities"
DATA = _WHOLE if _WHOLE.is_dir() else _SMALL


def test_customer_base_survives_a_killed_worker_and_an_emptied_redis(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes", redis_url: str
) -> None:
    from apps.crm.models import Deal, ImportBatch, StageTransition

    rows = list(csv.DictReader((DATA / "sales_pipeline.csv").open(encoding="utf-8")))
    wrong = sum(row["product"] == "GTXPro" for row in rows)
    worker = artel_processes.worker()
    artel_processes.beat()
    page = enter(ada, "/admin/crm/importbatch/")
    page.set_default_timeout(PATIENCE_MS)
    bring_in(page, "Products", DATA / "products.csv", "Import 7 products", "7 products imported")
    bring_in(page, "Users", DATA / "sales_teams.csv", "Import 35 users", "35 users imported")
    bring_in(page, "Companies", DATA / "accounts.csv", "Import 85 companies", "85 companies imported")

    open_imports(page)
    choose(page, "Deals", DATA / "sales_pipeline.csv")
    rehearse(page)
    expect(page.locator("[data-issue]")).to_contain_text(f"{wrong:,} rows")
    expect(page.locator("[data-issue]")).to_contain_text("There is no “GTXPro”")
    page.get_by_role("button", name=f"Use GTX Pro for all {wrong:,}").click()
    expect(page.locator("[data-issue]")).to_have_count(0, timeout=PATIENCE_MS)

    page.get_by_role("button", name=f"Import {len(rows):,} deals", exact=True).click()
    if len(rows) > 1000:
        # Some chunks are in, others are not.
        expect(page.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
        assert Deal.objects.count() < len(rows)
    worker.kill()
    redis.Redis.from_url(redis_url).flushall()
    # The session came from the database, the page is the same, and nobody reloads it.
    artel_processes.worker()
    heading = page.get_by_role("heading", name=f"{len(rows):,} deals imported")
    expect(heading).to_be_visible(timeout=2 * PATIENCE_MS)

    assert _by_stage() == Counter(row["deal_stage"] for row in rows)
    won = sum(Decimal(row["close_value"]) for row in rows if row["deal_stage"] == "Won")
    assert Deal.objects.filter(status="WON").aggregate(sum=Sum("amount"))["sum"] == won
    assert Deal.objects.filter(company=None).count() == sum(not row["account"] for row in rows)
    assert Deal.objects.values("external_id").distinct().count() == len(rows)
    once = StageTransition.objects.values("deal").annotate(n=Count("pk")).filter(n__gt=1)
    assert not once.exists()

    before = _snapshot()
    open_imports(page)
    choose(page, "Deals", DATA / "sales_pipeline.csv")
    page.get_by_role("button", name="Rehearse the import").click()
    expect(page.get_by_text(re.compile("Nothing would change"))).to_be_visible(timeout=PATIENCE_MS)
    assert ImportBatch.objects.latest("pk").counts["unchanged"] == len(rows)
    assert _snapshot() == before


def _by_stage() -> Counter[str]:
    from apps.crm.models import Deal

    return Counter(Deal.objects.values_list("stage__name", flat=True))


def _snapshot() -> list[tuple[object, ...]]:
    from apps.crm.models import Deal

    return list(Deal.objects.order_by("pk").values_list("pk", "version", "updated_at"))
