"""axe-core finds nothing serious on the pages that people spend their day on, in both themes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import ImportBatch

pytestmark = pytest.mark.browser
AXE = Path(__file__).parent / "vendor" / "axe-core-4.10.2.min.js"
SERIOUS = {"serious", "critical"}


@pytest.fixture
def batch(ada: "User", redis_url: str) -> "ImportBatch":
    """An import with an error, rehearsed."""
    import io

    from apps.crm.services import imports
    from apps.jobs import runner
    from tests.crm.factories import make_deal, make_product

    make_product("GTX Pro")
    make_deal(owner=ada)
    rows = f"product,sales_agent\nGTXPro,{ada.name}\nGTX Pro,{ada.name}\n"
    batch = imports.upload_import("deals", io.BytesIO(rows.encode()), "deals.csv", actor=ada)
    runner.run(imports.rehearse_import(batch.pk, actor=ada).pk)
    batch.refresh_from_db()
    return batch


def findings(page: Page) -> list[tuple[str, str, str]]:
    page.evaluate(AXE.read_text())
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (found["id"], node["html"][:160], re.sub(r"\s+", " ", node["failureSummary"])[:200])
        for found in result["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


PATHS = [
    "/admin/",
    "/admin/crm/deal/",
    "/admin/crm/importbatch/",
    "/admin/crm/importbatch/add/",
    "/admin/crm/importbatch/{batch}/change/",
    "/admin/crm/importbatch/{batch}/change/?step=columns",
    "/admin/crm/importbatch/{batch}/change/?step=file",
    "/admin/jobs/job/{job}/change/",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_serious_finding(
    theme: Any, ada: "User", batch: "ImportBatch", enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {}
    for path in PATHS:
        page.goto(page.url.partition("/admin/")[0] + path.format(batch=batch.pk, job=batch.rehearse_job_id))
        assert ("dark" in (page.locator("html").get_attribute("class") or "")) == (theme == "dark")
        found[path] = findings(page)
    assert {path: each for path, each in found.items() if each} == {}


def test_a_serious_finding_would_be_seen(ada: "User", enter: Callable[..., Page]) -> None:
    page = enter(ada, "/admin/")
    page.evaluate("document.querySelector('#content').innerHTML = '<button></button><img src=x>'")
    assert {found[0] for found in findings(page)} == {"button-name", "image-alt"}
