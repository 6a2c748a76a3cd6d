"""axe-core finds nothing serious on the pages of history, in both themes, and on a phone nothing is out of sight."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.browser


@pytest.fixture
def paths(ada: "User", redis_url: str) -> list[str]:
    """The pages of a change of three deals, one of which was changed since, before and after its undo."""
    from apps.crm.models import Deal
    from apps.history.services.undoing import start_undo
    from tests.crm.factories import make_deal
    from tests.history.factories import recorded, run_undo, set_of

    deals = [make_deal(f"Deal {n}", owner=ada, amount=Decimal(n + 1)) for n in range(3)]
    with recorded(ada, reason="Prices of November") as work:
        Deal.objects.update(amount=100, next_step="call")
    Deal.objects.filter(pk=deals[0].pk).update(amount=5)
    with recorded(ada) as other:
        Deal.objects.update(description="Later")
    run_undo(start_undo(set_of(work).pk, actor=ada))
    base = "/admin/history/changeset/"
    return [
        base,
        f"{base}{set_of(work).pk}/change/",
        f"{base}{set_of(work).pk}/undo/",
        f"{base}{set_of(other).pk}/undo/",
        f"{base}size/",
        f"/admin/crm/deal/{deals[0].pk}/history/",
    ]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_history_is_for_everybody(
    theme: Any, width: int, ada: "User", paths: list[str], enter: Callable[..., Page]
) -> None:
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for path in paths:
        page.goto(page.url.partition("/admin/")[0] + path)
        found[path] = findings(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert {path: each for path, each in found.items() if each} == {}
