"""The home page in a real browser: its sections arrive, its chart draws and leads on, and nothing changes in hand."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Deal

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000
ALL_THERE = "!document.querySelector('[data-home]:not([data-state=fresh])')"
# Back to a tab that was left long ago, as the browser tells it.
LEFT_LONG_AGO = """() => {
    document.querySelectorAll('[data-home]').forEach((card) => { card.askedAt = 0; });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.fixture
def sold(ada: "User", redis_url: str) -> "Deal":
    """Open, stale and won deals in two currencies; the one that was won this month."""
    from tests.crm.factories import make_deal, stage

    now = timezone.now()
    make_deal("Forty desks", owner=ada, stage_entered_at=now - timedelta(days=300), next_step="Call",
              next_step_date=timezone.localdate())  # fmt: skip
    make_deal("Booths", owner=ada, stage=stage("Proposal"), amount=Decimal(7), currency="EUR")
    for days in (40, 100, 200):
        make_deal(owner=ada, status="WON", closed_at=now - timedelta(days=days), amount=Decimal(days * 1_000))
    return make_deal("Chairs", owner=ada, status="WON", closed_at=now, amount=Decimal(2_500_000))


@pytest.fixture
def home(ada: "User", sold: "Deal", enter: Callable[..., Page]) -> Page:
    page = enter(ada, "/admin/")
    page.wait_for_function(ALL_THERE, timeout=PATIENCE_MS)
    return page


def inked(page: Page) -> int:
    """Count the pixels of the chart that something is drawn on."""
    count: int = page.evaluate(
        """() => {
            const canvas = document.querySelector('[data-home-chart] canvas');
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
            return count;
        }"""
    )
    return count


def test_sections_arrive_and_the_chart_draws(home: Page) -> None:
    expect(home.locator("[data-home]")).to_have_count(8)
    expect(home.locator("[aria-busy]")).to_have_count(0)
    expect(home.locator("#home-won .art-figure strong")).to_have_text("2.50 M ₽")
    expect(home.locator("[data-home-age]")).to_contain_text("Figures as of")
    home.wait_for_function("Chart.getChart(document.querySelector('[data-home-chart] canvas'))")
    assert inked(home) > 2_000
    label = home.get_by_role("img", name="Won by month: 4 deals")
    expect(label).to_be_visible()


def test_a_column_leads_to_the_deals_of_its_month(home: Page, sold: "Deal") -> None:
    place: dict[str, float] = home.evaluate(
        """() => {
            const canvas = document.querySelector('[data-home-chart] canvas');
            const bar = Chart.getChart(canvas).getDatasetMeta(0).data.at(-1);
            const box = canvas.getBoundingClientRect();
            return { x: box.left + bar.x, y: box.top + (bar.y + bar.base) / 2 };
        }"""
    )
    home.mouse.click(place["x"], place["y"])
    home.wait_for_url("**/admin/crm/deal/?status__exact=WON&closed_at_from=*")
    expect(home.locator("#result_list tbody tr")).to_have_count(1)
    expect(home.locator("#result_list")).to_contain_text("Chairs")


def test_the_table_beside_the_chart_leads_there_by_keyboard(home: Page) -> None:
    home.locator("#home-won summary").focus()
    home.keyboard.press("Enter")
    home.keyboard.press("Tab")
    month = home.locator("#home-won table a").first
    expect(month).to_be_focused()
    home.keyboard.press("Enter")
    home.wait_for_url("**/admin/crm/deal/?status__exact=WON&closed_at_from=*")


def test_the_chart_shows_amounts_or_deals_remembers_which_and_follows_theme_and_calm(home: Page) -> None:
    chart = "Chart.getChart(document.querySelector('[data-home-chart] canvas'))"
    shown, color = f"{chart}.data.datasets[0].data.at(-1)", f"{chart}.data.datasets[0].backgroundColor.at(-1)"
    assert home.evaluate(shown) == 2_500_000
    button = home.get_by_role("button", name="Deals", exact=True)
    button.click()
    assert home.evaluate(shown) == 1
    expect(button).to_be_focused()
    light = home.evaluate(color)
    home.evaluate("document.documentElement.classList.toggle('dark')")
    home.wait_for_function(f"{color} !== '{light}'")
    home.emulate_media(reduced_motion="reduce")
    home.reload()
    home.wait_for_function(ALL_THERE, timeout=PATIENCE_MS)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert home.evaluate(f"{chart}.options.animation") is False


def test_who_comes_back_finds_new_figures_but_never_under_their_hands(
    home: Page, ada: "User", aside: Callable[..., Any]
) -> None:
    page, figure = home, home.locator("#home-won .art-figure .art-quiet")
    expect(figure).to_contain_text("1 deal")
    aside(forget_and_win, ada)
    page.locator("#home-won summary").focus()
    with page.expect_response("**/admin/home/won/"):
        page.evaluate(LEFT_LONG_AGO)
    # The other sections have changed; this one waits for the focus to leave.
    expect(page.locator("#home-pipeline [data-figure='3']").first).to_be_visible()
    expect(figure).to_contain_text("1 deal")
    page.locator("#home-won summary").blur()
    expect(figure).to_contain_text("2 deals")


def forget_and_win(owner: "User") -> None:
    """Win one more deal and open another, after what is kept has grown old."""
    from django.core.cache import cache

    from tests.crm.factories import make_deal

    make_deal(owner=owner, status="WON", amount=Decimal(1))
    make_deal(owner=owner)
    cache.clear()


def test_network_that_is_away_is_said_once_and_tried_again(home: Page) -> None:
    home.route("**/admin/home/**", lambda route: route.abort())
    home.evaluate(LEFT_LONG_AGO)
    expect(home.locator("[data-home-sign]")).to_contain_text("could not be counted anew")
    expect(home.locator("#home-won .art-figure strong")).to_have_text("2.50 M ₽")
    home.unroute("**/admin/home/**")
    expect(home.locator("[data-home-sign]")).to_be_empty(timeout=PATIENCE_MS)


def test_who_has_to_wait_asks_again(ada: "User", sold: "Deal", enter: Callable[..., Page]) -> None:
    page, answers = enter(ada, "/admin/jobs/job/"), []

    def busy_at_first(route: Route) -> None:
        answers.append(route.request.url)
        if len(answers) == 1:
            route.fulfill(status=200, headers={"X-Home-State": "waiting"}, body="")
        else:
            route.continue_()

    page.route("**/admin/home/won/", busy_at_first)
    page.goto(page.url.replace("jobs/job/", ""))
    expect(page.locator("#home-won .art-figure strong")).to_have_text("2.50 M ₽")
    assert len(answers) == 2


def test_home_has_no_serious_finding_and_fits(home: Page) -> None:
    themes: list[Any] = ["light", "dark"]
    for theme, width in [(theme, width) for theme in themes for width in (390, 1440)]:
        home.emulate_media(color_scheme=theme, reduced_motion="reduce")
        home.set_viewport_size({"width": width, "height": 900})
        home.reload()
        home.wait_for_function(ALL_THERE, timeout=PATIENCE_MS)
        home.locator("#home-won summary").click()
        assert findings(home) == [], (theme, width)
        assert home.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
