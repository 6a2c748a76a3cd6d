"""A further field in a real browser: made in the catalog, filled in on the page of a row, found by the list's filter."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.browser
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def test_a_field_is_made_and_filled_in(ada: "User", enter: Callable[..., Page]) -> None:
    from apps.crm.models import Company
    from tests.crm.factories import make_company

    company = make_company("Iron")
    make_company("Steel")
    page = enter(ada, "/admin/crm/customfield/add/")
    page.locator("#id_label").fill("Sales region")
    page.locator("#id_model").select_option("company")
    page.locator("#id_kind").select_option("CHOICE")
    page.locator("#id_choices").fill("North\nSouth")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Sales region").first).to_be_visible()

    page.goto(page.url.split("/admin/")[0] + f"/admin/crm/company/{company.pk}/change/")
    field = page.get_by_label("Sales region")
    field.select_option("South")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("Iron")
    assert Company.objects.get(pk=company.pk).custom == {"sales_region": "south"}

    page.goto(page.url.split("/admin/")[0] + "/admin/crm/company/?custom.sales_region=south")
    expect(page.get_by_role("link", name="Iron").first).to_be_visible()
    expect(page.get_by_role("link", name="Steel")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_catalog_fits_and_everybody_can_use_it(
    width: int, ada: "User", enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/crm/customfield/add/")
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.locator("#id_choices")).to_be_visible()
    assert page.evaluate(_FITS)
    assert findings(page) == []
