"""Rules of automation in a real browser: what is asked follows what was chosen, a rule is written, started and tried."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.pages.importing import PATIENCE_MS
from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.browser
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
ADD = "/admin/crm/automationrule/add/"


def test_only_what_belongs_to_the_choice_is_asked(ada: "User", enter: Callable[..., Page]) -> None:
    page = enter(ada, ADD)
    when, days, on, at = (
        page.get_by_label(label) for label in ("When", "How many days", "On which days", "At what time")
    )
    when.select_option(label="a deal is won")
    for field in (days, on, at):
        expect(field).to_be_hidden()
    when.select_option(label="each open deal, at a time of day")
    expect(days).to_be_hidden()
    expect(on).to_be_visible()
    expect(at).to_be_visible()
    when.select_option(label="the expected close of an open deal")
    expect(on).to_be_hidden()
    expect(days).to_be_visible()
    expect(page.get_by_label("Before or after")).to_be_visible()


def test_a_rule_is_written_started_and_tried(ada: "User", enter: Callable[..., Page], worker: None) -> None:
    from django.utils import timezone

    from apps.crm.models import AutomationRule
    from tests.crm.factories import make_deal

    make_deal("Forty desks", owner=ada, expected_close_date=timezone.localdate())
    page = enter(ada, ADD)
    page.set_default_timeout(PATIENCE_MS)
    page.locator("#id_name").fill("Close is near")
    page.get_by_label("When").select_option(label="the expected close of an open deal")
    page.get_by_label("How many days").fill("2")
    page.get_by_label("At what time").fill("08:30")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("2 days before, at 08:30")).to_be_visible()

    page.get_by_label("What is compared").select_option(label="amount")
    page.get_by_label("How", exact=True).select_option(label="is at least")
    page.get_by_label("With what").fill("500")
    page.get_by_role("button", name="Add condition").first.click()
    expect(page.get_by_text("amount is at least 500")).to_be_visible()
    page.get_by_text("Plan the next step", exact=True).click()
    page.locator("#do-next_step-text").fill("Call them")
    page.get_by_role("button", name="Add action").locator("visible=true").click()
    expect(page.get_by_text("Plan the next step: “Call them”, in 1 days")).to_be_visible()

    page.get_by_role("button", name="Dry run").click()
    page.get_by_role("link", name="Open the result").click()
    expect(page.get_by_text("Would have acted: 1.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Forty desks")).to_be_visible()
    page.get_by_role("button", name="Start rule").click()
    expect(page.get_by_text("Acts next on")).to_be_visible()
    rule = AutomationRule.objects.get()
    assert (rule.is_active, rule.schedule) == (True, {"at": "08:30", "side": "before", "days": 2})


@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_and_everybody_can_use_it(width: int, ada: "User", enter: Callable[..., Page]) -> None:
    from apps.crm.models import AutomationRun
    from tests.crm.factories import make_deal
    from tests.crm.test_automation import a_rule, setting

    deal = make_deal("Forty desks", owner=ada)
    where = {"where": [{"field": "next_step", "op": "empty"}]}
    schedule = {"at": "09:00", "side": "after", "days": 14}
    rule = a_rule(
        ada, setting("seen"), trigger="schedule.deal.stage_entered_at", schedule=schedule, condition=where
    )
    AutomationRun.objects.create(
        rule=rule, due_date="2026-03-02", event_type=rule.trigger, subject=f"deal/{deal.pk}", outcome="DONE"
    )
    page = enter(ada, f"/admin/crm/automationrule/{rule.pk}/change/")
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.get_by_role("heading", name="What it has done")).to_be_visible()
    assert page.evaluate(_FITS)
    assert findings(page) == []
