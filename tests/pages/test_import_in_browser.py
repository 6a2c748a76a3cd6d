"""A real customer base, in the small, through the import page in a real browser, with a worker at work."""

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS, apply, bring_in, choose, open_imports, rehearse

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
DATA = Path(__file__).parent / "data"


@pytest.fixture
def imports(ada: "User", enter: Callable[..., Page], worker: None) -> Page:
    page = enter(ada, "/admin/crm/importbatch/")
    page.set_default_timeout(PATIENCE_MS)
    return page


def test_customer_base_comes_in_and_a_wrong_name_is_put_right_with_one_click(imports: Page) -> None:
    from apps.crm.models import Deal

    page = imports
    rows = list(csv.DictReader((DATA / "sales_pipeline.csv").open(encoding="utf-8")))
    wrong = sum(row["product"] == "GTXPro" for row in rows)
    assert wrong > 1
    bring_in(page, "Products", DATA / "products.csv", "Import 7 products", "7 products imported")
    bring_in(page, "Users", DATA / "sales_teams.csv", "Import 35 users", "35 users imported")
    bring_in(page, "Companies", DATA / "accounts.csv", "Import 85 companies", "85 companies imported")

    open_imports(page)
    choose(page, "Deals", DATA / "sales_pipeline.csv")
    rehearse(page)
    expect(page.locator("[data-issue]")).to_contain_text(f"{wrong} rows")
    expect(page.locator("[data-issue]")).to_contain_text("There is no “GTXPro”")
    page.get_by_role("button", name=f"Use GTX Pro for all {wrong}").click()
    expect(page.locator("[data-issue]")).to_have_count(0, timeout=PATIENCE_MS)
    apply(page, f"Import {len(rows)} deals", f"{len(rows)} deals imported")

    found = Counter(Deal.objects.values_list("stage__name", flat=True))
    assert found == Counter(row["deal_stage"] for row in rows)
    assert Deal.objects.filter(company=None).count() == sum(not row["account"] for row in rows)
    page.get_by_role("link", name="Open the list of deals").click()
    page.wait_for_url("**/admin/crm/deal/")


def test_bar_moves_in_an_open_page_and_the_page_goes_on_by_itself(
    ada: "User", enter: Callable[..., Page], artel_processes: "Processes", tmp_path: Path
) -> None:
    page = enter(ada, "/admin/crm/importbatch/")
    page.set_default_timeout(PATIENCE_MS)
    many = tmp_path / "many.csv"
    many.write_text("product,price\n" + "".join(f"Product {n},{n}\n" for n in range(3000)))
    choose(page, "Products", many)
    page.get_by_role("button", name="Rehearse the import").click()
    # No worker yet: the job's card waits, and says so.
    card = page.locator("[data-job]")
    expect(card).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_contain_text("Rehearsal")

    artel_processes.worker()

    expect(page.get_by_role("heading", name="What would become of 3,000 products")).to_be_visible(
        timeout=PATIENCE_MS
    )
    apply(page, "Import 3,000 products", "3,000 products imported")


def test_file_that_is_too_large_is_refused_before_it_is_sent(ada: "User", enter: Callable[..., Page]) -> None:
    page = enter(ada, "/admin/crm/importbatch/add/?kind=products")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    # A file that says it has three gigabytes.
    page.evaluate(
        """const input = document.querySelector("input[type=file]");
           const file = new File(["x"], "huge.csv");
           Object.defineProperty(file, "size", { value: 3e9 });
           Object.defineProperty(input, "files", { value: [file] });
           input.dispatchEvent(new Event("change"))"""
    )
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The file is larger than 200")
    page.get_by_role("button", name="Read the file").click()
    expect(alert).to_be_visible()
    assert "POST" not in requests


def test_refused_file_stays_chosen(ada: "User", enter: Callable[..., Page], tmp_path: Path) -> None:
    page = enter(ada, "/admin/crm/importbatch/add/?kind=products")
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    page.set_input_files("input[type=file]", empty)
    page.get_by_role("button", name="Read the file").click()

    expect(page.get_by_role("alert")).to_contain_text("empty")
    expect(page.get_by_role("radio", name=re.compile("^Products"))).to_be_checked()
    assert page.evaluate("document.querySelector('input[type=file]').files[0].name") == "empty.csv"
    expect(page.get_by_role("button", name="Read the file")).to_be_enabled()


def test_form_asks_for_what_is_missing(ada: "User", enter: Callable[..., Page], tmp_path: Path) -> None:
    page = enter(ada, "/admin/crm/importbatch/add/")
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_role("alert")).to_contain_text("Say what is in the file.")
    page.get_by_role("radio", name=re.compile("^Deals")).check()
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a file first.")
