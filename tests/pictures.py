"""`python -m tests.pictures [NAME…]`: take the pictures of the guides anew, of the demo as it is shown first."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.harness import own_services
from tests.conftest import CHROMIUM
from tests.support.processes import Processes, browser_arguments

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
DESK, PHONE = (1440, 900), (390, 844)
_EMAIL = "{}@demo.artel.example"


@dataclass(frozen=True)
class Picture:
    """
    One picture.

    :ivar path: the page; `{name}` stands for the key of a row, see :func:`_keys`
    :ivar who: of the demo's people
    """

    name: str
    path: str
    who: str = "maria"
    size: tuple[int, int] = DESK
    theme: str = "light"
    language: str = "en"


PICTURES = [
    Picture("home", "/admin/"),
    Picture("home-phone", "/admin/", size=PHONE, theme="dark", language="ru"),
    Picture("deals", "/admin/crm/deal/"),
    Picture("deal", "/admin/crm/deal/{deal}/change/"),
    Picture("board", "/admin/crm/deal/board/{pipeline}/"),
    Picture("funnel", "/admin/crm/deal/numbers/funnel/"),
    Picture("company", "/admin/crm/company/{company}/change/"),
    Picture("document", "/admin/documents/document/{document}/change/"),
    Picture("invoice", "/admin/payments/invoice/{invoice}/change/", who="vera"),
    Picture("money", "/admin/payments/invoice/", who="vera"),
    Picture("tasks", "/admin/notifications/task/day/", who="anna"),
    Picture("history", "/admin/history/changeset/", who="olga"),
]


def _keys() -> dict[str, int]:
    """Return the rows that the pictures show: the first of each kind that has something to tell."""
    from apps.crm.models import Company, Deal, Pipeline
    from apps.documents.models import Document
    from apps.payments.models import Invoice

    deal = Deal.objects.filter(status=Deal.Status.OPEN, owner__email=_EMAIL.format("anna")).latest("pk")
    return {
        "deal": deal.pk,
        "company": Company.objects.filter(deals=deal).values_list("pk", flat=True)[0],
        "pipeline": Pipeline.objects.get(is_default=True).pk,
        "document": Document.objects.filter(current_version__isnull=False).latest("pk").pk,
        "invoice": Invoice.objects.filter(status=Invoice.Status.PAID).earliest("pk").pk,
    }


def main(names: list[str]) -> int:
    wanted = [picture for picture in PICTURES if not names or picture.name in names]
    if not wanted:
        print(f"There are: {', '.join(picture.name for picture in PICTURES)}.", file=sys.stderr)
        return 2
    with own_services(settings="config.settings.test") as services, tempfile.TemporaryDirectory() as place:
        from django.core.management import call_command

        call_command("make_demo")
        keys = _keys()
        # Before the browser brings an event loop into this thread.
        sessions = {who: _session_of(who) for who in {picture.who for picture in wanted}}
        processes = Processes(services.environment(), Path(place))
        try:
            server = processes.web(DJANGO_SETTINGS_MODULE="config.settings.test")
            worker = processes.worker(DJANGO_SETTINGS_MODULE="config.settings.test")
            worker.await_line(" ready.")
            with _browser() as browser:
                for picture in wanted:
                    _take(picture, browser, server.url, sessions[picture.who], keys)
                    print(picture.name)
        finally:
            processes.stop()
    return 0


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, **browser_arguments())
        yield browser
        browser.close()


def _take(picture: Picture, browser: Browser, site: str, session: str, keys: dict[str, int]) -> None:
    width, height = picture.size
    theme: Any = picture.theme
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
        is_mobile=picture.size == PHONE,
    )
    context.add_cookies(
        [
            {"name": "sessionid", "value": session, "url": site},
            {"name": "django_language", "value": picture.language, "url": site},
        ]
    )
    page = context.new_page()
    page.goto(site + picture.path.format(**keys))
    _settle(page)
    page.screenshot(path=IMAGES / f"{picture.name}.png")
    context.close()


def _settle(page: Page) -> None:
    """Wait until the page has fetched what it fetches later."""
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready")
    # The socket stays open, so that the network is never idle.
    page.wait_for_timeout(2500)


def _session_of(name: str) -> str:
    from django.test import Client

    from apps.accounts.models import User

    client = Client()
    client.force_login(User.objects.get(email=_EMAIL.format(name)), "apps.accounts.backends.PolicyBackend")
    return client.cookies["sessionid"].value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
