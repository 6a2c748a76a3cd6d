"""An administrator's first day: a second factor before anything else, then passkeys, and a session ended from afar."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from apps.accounts.models import User
    from tests.support.processes import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def olga(transactional_db: None) -> "User":
    """An administrator, whose role requires a second factor."""
    from apps.accounts import services
    from apps.accounts.models import Role, User
    from tests.accounts.factories import PASSWORD, make_member, make_team

    services.sync_roles()
    role = Role.objects.get(key="administrator")
    services.require_second_factor(role.pk, is_required=True, actor=User.objects.system())
    return make_member(make_team(), role, "Olga", email="olga@example.org", password=PASSWORD)


@pytest.fixture
def home(artel_server: "Server") -> str:
    """The server under a name: passkeys belong to names."""
    return f"http://localhost:{artel_server.port}"


def type_password(page: Page, user: "User") -> None:
    from tests.accounts.factories import PASSWORD

    page.get_by_label("Email").fill(user.email or "")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def set_up_app(page: Page) -> list[str]:
    """Set up an authenticator app with what the page says, and keep the recovery codes that it shows."""
    from tests.accounts.entering import code_of

    page.get_by_role("link", name="Authenticator app").click()
    page.get_by_label("Code", exact=True).fill(code_of(page.locator("[data-secret]").inner_text()))
    page.get_by_role("button", name="Turn on").click()
    codes = page.locator(".codes code").all_inner_texts()
    page.get_by_label("I keep these codes where I find them").check()
    page.get_by_role("button", name="Go on").click()
    return codes


def log_out(page: Page, home: str) -> None:
    page.goto(f"{home}/accounts/logout/")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def give_passkeys(page: Page) -> None:
    """Let a device stand beside the browser that keeps passkeys, and whose finger is always on it.

    A finger that is always there would also answer what the browser merely offers in the field for the address, and
    log in a second time beside the button: the offer is taken away.
    """
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    able: dict[str, Any] = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    able |= {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": able})


def test_an_administrator_logs_in_by_everything_there_is(
    olga: "User", home: str, page: Page, browser: "Browser"
) -> None:
    # The first login opens nothing but the way to a second factor.
    page.goto(f"{home}/admin/accounts/team/")
    type_password(page, olga)
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    page.goto(f"{home}/admin/")
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    codes = set_up_app(page)
    assert len(codes) == 10
    expect(page).to_have_url(re.compile(r"/admin/$"))

    # The password and a recovery code.
    log_out(page, home)
    type_password(page, olga)
    page.get_by_label("Code of your app, or a recovery code").fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))

    # A passkey, which then is all it takes.
    give_passkeys(page)
    page.goto(f"{home}/accounts/security/")
    expect(page.get_by_text("9 left")).to_be_visible()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Office laptop")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_text("Office laptop")).to_be_visible()
    log_out(page, home)
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))

    # Somewhere else this session is ended, and its open page knows at once.
    page.goto(f"{home}/admin/accounts/team/?q=north")
    page.wait_for_function("window.artel.live.isOpen()")
    context = browser.new_context(locale="en-US", timezone_id="UTC")
    other = context.new_page()
    other.goto(f"{home}/accounts/security/")
    type_password(other, olga)
    other.get_by_label("Code of your app, or a recovery code").fill(codes[1])
    other.get_by_role("button", name="Log in").click()
    other.get_by_role("button", name=re.compile("^End the session of")).click()
    told = page.get_by_role("dialog", name="You are logged out here")
    expect(told).to_be_visible(timeout=10_000)
    expect(other.get_by_role("button", name=re.compile("^End the session of"))).to_have_count(0)
    context.close()

    # The way back leads to where one was.
    told.get_by_role("link", name="Log in again").click()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page).to_have_url(f"{home}/admin/accounts/team/?q=north")
