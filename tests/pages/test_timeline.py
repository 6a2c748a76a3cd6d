"""The timeline in the browser: written with the keyboard alone, seen by others at once, accessible in both themes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.pages.test_accessibility import findings

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.crm.models import Deal
    from tests.support.processes import Server

pytestmark = pytest.mark.browser
# Until a note has gone to another browser; as long as a machine with much to do may take.
SOON_MS = 30_000


@pytest.fixture
def desks(ada: "User") -> "Deal":
    from tests.crm import factories

    company = factories.make_company("Acme", owner=ada)
    person = factories.make_person("Petr", family_name="Ivanov", owner=ada)
    person.employments.create(company=company)
    return factories.make_deal("Forty desks", owner=ada, company=company, person=person)


def test_two_people_see_what_the_other_writes_with_the_keyboard_alone(
    ada: "User", desks: "Deal", enter: Callable[..., Page], browser: Browser, artel_server: "Server"
) -> None:
    from apps.crm.models import Activity
    from tests.crm import factories

    lena = factories.make_user("Lena Lead", is_superuser=True)
    path = f"/admin/crm/deal/{desks.pk}/change/"
    mine = enter(ada, path)
    profile = browser.new_context(locale="en-US", timezone_id="UTC")
    hers = Client()
    hers.force_login(lena)
    session = hers.cookies["sessionid"].value
    profile.add_cookies([{"name": "sessionid", "value": session, "url": artel_server.url}])
    theirs = profile.new_page()
    theirs.goto(f"{artel_server.url}{path}")
    expect(theirs.locator("[data-tl-list]")).to_be_visible()
    theirs.wait_for_function("window.artel.live.isOpen()")

    mine.locator("#tl-body").focus()
    mine.keyboard.type("Ask @Le")
    expect(mine.locator("[data-tl-names] li")).to_have_text(["Lena Lead"])
    mine.keyboard.press("Enter")
    mine.keyboard.type("about the price")
    mine.keyboard.press("Control+Enter")
    expect(mine.locator("[data-tl-list] .tl-body")).to_have_text(["Ask @Lena Lead about the price"])
    expect(mine.locator("#tl-body")).to_have_value("")
    expect(mine.locator("#tl-body")).to_be_focused()
    expect(theirs.locator("[data-tl-list] .tl-body")).to_have_text(
        ["Ask @Lena Lead about the price"], timeout=SOON_MS
    )
    assert Activity.objects.get().mentions.get().user == lena

    theirs.locator("#tl-body").fill("I will")
    theirs.locator("#tl-body").press("Control+Enter")
    expect(mine.locator("[data-tl-list] .tl-body").first).to_have_text("I will", timeout=SOON_MS)
    profile.close()


def test_a_refusal_stands_at_the_composer_and_keeps_what_was_typed(
    ada: "User", desks: "Deal", enter: Callable[..., Page]
) -> None:
    page = enter(ada, f"/admin/crm/deal/{desks.pk}/change/")
    page.locator("#tl-body").press("Control+Enter")
    expect(page.locator("#tl-error")).to_have_text("Write something.")
    page.locator("[data-tl-composer] [name=kind][value=EMAIL]").check()
    expect(page.locator("#tl-subject")).to_be_visible()
    page.locator("#tl-body").fill("The offer")
    page.locator("#tl-body").press("Control+Enter")
    expect(page.locator("#tl-error")).to_contain_text("Say to whom.")
    expect(page.locator("#tl-body")).to_have_value("The offer")


def test_a_call_with_its_next_step_is_one_save(
    ada: "User", desks: "Deal", enter: Callable[..., Page]
) -> None:
    page = enter(ada, f"/admin/crm/deal/{desks.pk}/change/")
    expect(page.locator("#tl-call")).to_be_hidden()
    page.locator("[data-tl-composer] [name=kind][value=NOTE]").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#tl-call").select_option("CALL_BACK")
    page.locator("#tl-minutes").fill("7")
    page.locator("#tl-step").fill("Ring again")
    page.locator("#tl-step-date").fill("2031-02-03")
    page.locator("#tl-body").fill("She is away")
    page.locator("#tl-body").press("Control+Enter")
    expect(page.locator("[data-tl-list] .tl-aside").first).to_have_text("asked to call back · 7 minutes")
    desks.refresh_from_db()
    assert (desks.next_step, str(desks.next_step_date)) == ("Ring again", "2031-02-03")


def test_a_note_is_edited_pinned_removed_and_brought_back(
    ada: "User", desks: "Deal", enter: Callable[..., Page]
) -> None:
    from apps.crm.services.activities import log_activity

    log_activity(about=[("deal", desks.pk)], kind="NOTE", actor=ada, body="first words")
    page = enter(ada, f"/admin/crm/deal/{desks.pk}/change/")
    notes = page.locator("[data-tl-list] .tl-note")
    notes.locator("[data-tl-edit]").focus()
    page.keyboard.press("Enter")
    page.locator("[data-tl-editing] textarea").fill("second words")
    page.keyboard.press("Control+Enter")
    expect(notes.locator(".tl-body")).to_have_text("second words")
    notes.locator("[data-tl-former]").click()
    expect(notes.locator(".tl-former")).to_contain_text("first words")
    # What a colleague writes puts the list together anew, around what is open.
    log_activity(about=[("deal", desks.pk)], kind="NOTE", actor=ada, body="something else")
    expect(notes.filter(has_text="something else")).to_be_visible()
    expect(notes.locator(".tl-former")).to_contain_text("first words")
    notes = notes.filter(has_text="second words")
    notes.locator("[data-tl-deed=pin]").click()
    expect(page.locator(".tl-pinned .tl-body")).to_have_text("second words")
    notes.locator("[data-tl-deed=remove]").click()
    page.get_by_role("button", name="Bring it back").click()
    expect(notes.locator(".tl-body")).to_have_text("second words")


def test_n_makes_a_deal_of_the_company_one_looks_at(
    ada: "User", desks: "Deal", enter: Callable[..., Page]
) -> None:
    from apps.crm.models import Deal

    page = enter(ada, f"/admin/crm/company/{desks.company_id}/change/")
    page.keyboard.press("n")
    box = page.locator("#quick")
    expect(box).to_be_visible()
    expect(box.locator("[name=kind][value=note]")).to_be_checked()
    box.locator("[name=kind][value=deal]").check()
    expect(box.locator("[data-quick-about]")).to_have_text("Acme")
    page.locator("#quick-title-field").fill("Ten chairs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/crm/deal/*/change/")
    made = Deal.objects.get(title="Ten chairs")
    assert made.company_id == desks.company_id


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_have_no_serious_finding(
    theme: Any, ada: "User", desks: "Deal", enter: Callable[..., Page]
) -> None:
    from apps.crm.services.activities import log_activity, pin_activity

    for row, name in ((desks, "deal"), (desks.company, "company"), (desks.person, "person")):
        assert row is not None
        noted = log_activity(
            about=[(name, row.pk)], kind="CALL", outcome="REACHED", actor=ada, body="They called"
        )
        pin_activity(noted.pk, actor=ada, is_pinned=True)
    page = enter(ada, "/admin/")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {}
    for name, pk in (("deal", desks.pk), ("company", desks.company_id), ("person", desks.person_id)):
        page.goto(page.url.partition("/admin/")[0] + f"/admin/crm/{name}/{pk}/change/")
        found[name] = findings(page)
    page.keyboard.press("n")
    expect(page.locator("#quick")).to_be_visible()
    found["quick"] = findings(page)
    assert {name: each for name, each in found.items() if each} == {}
