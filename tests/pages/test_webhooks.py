"""Webhooks in a real browser: made, tried with a sample, and looked at, in both themes and on a phone."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as WaitedInVain

from tests.fakes import receiver as fake
from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.fakes.receiver import Receiver
    from tests.support.processes import Processes

pytestmark = pytest.mark.browser
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
_ALLOWED = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator["Receiver"]:
    for name, value in _ALLOWED.items():
        # Inherited by the web process that `enter` starts.
        monkeypatch.setenv(name, value)
    with fake.running() as running:
        yield running


def test_a_webhook_is_made_and_tried(
    receiver: "Receiver", ada: "User", enter: Callable[..., Page], artel_processes: "Processes"
) -> None:
    page = enter(ada, "/admin/notifications/webhookendpoint/add/")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("What it is told").fill("crm.deal.*\ncrm.company.*")
    page.get_by_role("button", name="Save", exact=True).click()
    secret = page.locator("#secret")
    expect(secret).to_contain_text("whsec_")
    page.get_by_role("link", name="I have copied it").click()

    expect(page.get_by_text("Nothing yet. Send a sample")).to_be_visible()
    page.get_by_role("link", name="Send a sample").first.click()
    page.get_by_role("button", name="Send sample").click()
    expect(page.get_by_text("The sample is on its way.")).to_be_visible()
    sender = artel_processes.manage("webhooks", **_ALLOWED)
    sender.await_true(lambda: len(receiver.requests) == 1, "request", 60)

    from apps.notifications.models import WebhookDelivery

    sender.await_true(lambda: WebhookDelivery.objects.filter(state="DELIVERED").exists(), "outcome", 60)
    page.reload()
    expect(page.locator(".webhook-latest")).to_contain_text("taken")
    page.locator(".webhook-latest").get_by_role("link").first.click()
    expect(page.locator(".webhook-text").first).to_contain_text("Webhook-Signature")
    expect(page.locator(".webhook-text").last).to_contain_text('"sample": true')


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_for_everybody(
    theme: Any, receiver: "Receiver", ada: "User", enter: Callable[..., Page]
) -> None:
    from apps.notifications.models import WebhookDelivery, WebhookEndpoint
    from apps.notifications.services import webhooks

    endpoint, _secret = webhooks.create_webhook(
        actor=ada, url="https://example.com/hook", event_types=["crm.*"], description="Stock in the warehouse"
    )
    sample = webhooks.send_sample(endpoint.pk, actor=ada)
    WebhookDelivery.objects.update(attempts=1, error="STATUS", code=500, response="oops")
    WebhookEndpoint.objects.update(failures=1)
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    root = page.url.partition("/admin/")[0]
    found = {}
    for path in (
        "webhookendpoint/",
        f"webhookendpoint/{endpoint.pk}/change/",
        "webhookendpoint/types/?type=crm.deal.won.v1",
        "webhookdelivery/",
        f"webhookdelivery/{sample.pk}/change/",
    ):
        page.goto(f"{root}/admin/notifications/{path}")
        page.set_viewport_size({"width": 1280, "height": 900})
        if problems := findings(page):
            found[path] = problems
        page.set_viewport_size({"width": 390, "height": 844})
        try:
            # What had another width goes to its new one by and by.
            page.wait_for_function(_FITS, timeout=5_000)
        except WaitedInVain:
            found[f"{path} at 390"] = [("width", "", "wider than the screen")]
    assert found == {}
