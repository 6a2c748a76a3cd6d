"""Applications: registered and looked after by administrators, agreed to and taken back by people."""

from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.test import Client

from apps.accounts import services
from apps.accounts.digests import digest
from apps.accounts.models import Application, AuthEvent, ConsentGrant, Role, TokenFamily, User
from apps.accounts.models.oauth import is_registered
from apps.events.models import Event
from tests.accounts.factories import PASSWORD, make_member, make_superuser, make_team, make_user
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import Browser, Relying, bearer, error_of, register, register_program

pytestmark = pytest.mark.django_db
ADMIN = "/admin/accounts/application/"


def refused(call: Any, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        call()
    kept = caught.value
    errors = (
        [one for found in kept.error_dict.values() for one in found]
        if hasattr(kept, "error_dict")
        else [kept]
    )
    assert [error.code for error in errors] == [code]


def test_a_secret_is_told_once_and_kept_as_a_hash(calendar: Relying) -> None:
    assert calendar.secret.startswith("artel_client_")
    assert len(calendar.secret) == len("artel_client_") + 43, "256 bits"
    kept = Application.objects.get(pk=calendar.application.pk)
    assert kept.secret_digest == digest(calendar.secret)
    told = str(Application.objects.values().get()) + str([event.data for event in Event.objects.all()])
    assert calendar.secret not in told
    assert Event.objects.latest("pk").type == "accounts.application.registered.v1"


ALLOWED = [
    "https://app.example.org/cb",
    "https://app.example.org:8443/cb?x=1",
    "http://localhost:3000/",
    "http://127.0.0.1/",
]
FORBIDDEN = [
    "http://app.example.org/cb",
    "https://app.example.org/cb#part",
    "https://*.example.org/cb",
    "https://app.example.org/*",
    "https://user@app.example.org/",
    "https:///cb",
    "https://",
    "//app.example.org/cb",
    "/cb",
    "app.example.org",
    "javascript:alert(1)",
    "com.example.app:/cb",
    "https://app.example.org/кот",
    "https://app.example.org:99999/",
    "https://app.example.org\\@evil.example/",
    "HTTPS://app.example.org/cb",
    "http://localhost.evil.example/",
    "http://[::1",
]


@pytest.mark.parametrize("uri", ALLOWED)
def test_addresses_that_people_may_be_sent_to(uri: str) -> None:
    assert register(redirect_uris=f" {uri}\n{uri} ").application.redirect_uris == uri


@pytest.mark.parametrize("uri", FORBIDDEN)
def test_addresses_that_nobody_may_be_sent_to(uri: str) -> None:
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        refused(lambda name=name: register(**{name: uri}), "uri")


def test_what_else_is_checked() -> None:
    refused(lambda: register(allowed_origins="https://app.example.org/page"), "uri")
    refused(lambda: register(redirect_uris=""), "required")
    refused(lambda: register(scopes=["openid", "nonsense"]), "unknown_scope")
    refused(lambda: register(scopes=[]), "required")
    refused(lambda: register_program(scopes=["openid"]), "openid_of_program")
    refused(lambda: register_program(kind=Application.Kind.PUBLIC), "application_program_has_secret")


@pytest.mark.parametrize(
    ("uri", "registered", "is_right"),
    [
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1/cb", True),
        ("http://[::1]:5000/cb", "http://[::1]/cb", True),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:4000/cb", False),
        ("http://127.0.0.1:5000/other", "http://127.0.0.1/cb", False),
        ("http://localhost:5000/cb", "http://localhost/cb", False),
        ("https://127.0.0.1:5000/cb", "https://127.0.0.1/cb", False),
        ("http://u@127.0.0.1:5000/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:x/cb", "http://127.0.0.1/cb", False),
        ("https://a.example:444/cb", "https://a.example/cb", False),
    ],
)
def test_a_program_on_the_machine_takes_whatever_port_is_free(
    uri: str, registered: str, *, is_right: bool
) -> None:
    assert is_registered(uri, [registered]) is is_right


@pytest.mark.parametrize("role", ["salesperson", "sales_lead", "auditor"])
def test_only_administrators_look_after_them(calendar: Relying, role: str) -> None:
    actor = make_member(make_team(), role)
    with pytest.raises(PermissionDenied):
        services.register_application(actor=actor, name="x", redirect_uris=rp.REDIRECT, scopes=["openid"])
    for change in (services.rotate_application_secret, services.disable_application):
        with pytest.raises((PermissionDenied, ObjectDoesNotExist)):
            change(calendar.application.pk, actor=actor)


def test_only_an_administrator_of_everything_lets_one_in_without_asking(calendar: Relying) -> None:
    # Whoever opened its link would lend it all that they may, be it more than the one who registered it.
    actor = make_member(make_team(), "administrator")
    with pytest.raises(PermissionDenied, match="administrator of everything"):
        register_by(actor, skip_authorization=True)
    services.change_application(calendar.application.pk, actor=actor, name="Diary")
    with pytest.raises(PermissionDenied, match="administrator of everything"):
        services.change_application(calendar.application.pk, actor=actor, skip_authorization=True)
    ours = register(skip_authorization=True).application
    with pytest.raises(PermissionDenied, match="administrator of everything"):
        services.change_application(ours.pk, actor=actor, redirect_uris="https://elsewhere.example.org/")
    services.change_application(ours.pk, actor=actor, skip_authorization=False)
    assert services.disable_application(ours.pk, actor=actor).disabled_at is not None


def register_by(actor: User, **fields: Any) -> Application:
    return services.register_application(
        actor=actor, name="Calendar", redirect_uris=rp.REDIRECT, scopes=["all"], **fields
    )[0]


def test_nobody_gives_a_program_more_than_they_hold() -> None:
    team = make_team()
    limited = make_member(team, "administrator")
    Role.objects.get(key="administrator").grants.filter(permission="crm.delete_deal").delete()
    bigger = Role.objects.create(name="Bigger")
    bigger.grants.create(permission="crm.delete_deal", reach="ALL")
    with pytest.raises(PermissionDenied):
        services.register_application(
            actor=limited,
            name="Robot",
            grant=Application.Grant.PROGRAM,
            scopes=["all"],
            team_id=team.pk,
            role_id=bigger.pk,
        )
    assert not User.objects.filter(name="Robot").exists()


def test_another_secret_ends_the_one_before(calendar: Relying) -> None:
    _application, secret = services.rotate_application_secret(calendar.application.pk, actor=make_superuser())
    assert services.authenticate_application(calendar.client_id, secret) == calendar.application
    assert services.authenticate_application(calendar.client_id, calendar.secret) is None


def test_who_learns_the_secret_of_a_program_must_not_gain_by_it() -> None:
    team = make_team()
    robot = register_program(Role.objects.get(key="administrator").pk, team_id=team.pk)
    limited = make_member(team, "administrator")
    services.rotate_application_secret(robot.application.pk, actor=limited)
    user = robot.application.service_user
    assert user is not None
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    with pytest.raises(PermissionDenied):
        services.rotate_application_secret(robot.application.pk, actor=limited)


# In the admin


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


def form(**values: Any) -> dict[str, Any]:
    return {
        "name": "Calendar",
        "team": "",
        "authorization_grant_type": "authorization-code",
        "client_type": "confidential",
        "redirect_uris": rp.REDIRECT,
        "post_logout_redirect_uris": "",
        "allowed_origins": "",
        "scopes": ["openid", "email"],
        "role": "",
    } | values


def test_one_is_registered_in_the_admin_and_its_secret_shown_once(admin: Client) -> None:
    answer = admin.post(f"{ADMIN}add/", form())
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    application = Application.objects.get()
    secret = str(answer.context["secret"])
    assert secret in answer.content.decode()
    assert services.authenticate_application(application.client_id, secret) == application
    assert secret not in admin.get(f"{ADMIN}{application.pk}/change/").content.decode()


def test_the_admin_says_what_is_wrong(admin: Client) -> None:
    answer = admin.post(f"{ADMIN}add/", form(redirect_uris="http://app.example.org/"))
    assert "This address is not allowed" in answer.content.decode()
    assert not Application.objects.exists()


def test_a_program_gets_its_role_in_the_admin(admin: Client) -> None:
    team, role = make_team(), Role.objects.get(key="salesperson")
    values = form(
        authorization_grant_type="client-credentials",
        redirect_uris="",
        scopes=["read"],
        team=team.pk,
        role=role.pk,
    )
    assert admin.post(f"{ADMIN}add/", values).status_code == 200
    user = Application.objects.get().service_user
    assert user is not None
    assert user.memberships.get().role == role


def test_one_is_changed_rotated_and_turned_off_and_on(admin: Client, calendar: Relying) -> None:
    pk = calendar.application.pk
    page = admin.get(f"{ADMIN}{pk}/change/")
    values = form(scopes=["openid"], name="Diary") | {"_opened": "", "_save": "1"}
    values |= {
        name: value
        for name, value in page.context["adminform"].form.initial.items()
        if name == "expected_version"
    }
    assert admin.post(f"{ADMIN}{pk}/change/", values).status_code == 302
    calendar.application.refresh_from_db()
    assert (calendar.application.name, calendar.application.scopes) == ("Diary", ["openid"])
    shown = admin.post(f"{ADMIN}{pk}/rotate/")
    assert str(shown.context["secret"]).startswith("artel_client_")
    assert admin.post(f"{ADMIN}{pk}/turn_off/").status_code == 302
    assert services.find_application(calendar.client_id) is None
    assert admin.post(f"{ADMIN}{pk}/turn_on/").status_code == 302
    assert services.find_application(calendar.client_id) == calendar.application


# What people agree to


def test_what_was_agreed_to_is_shown_and_taken_back(calendar: Relying, browser: Browser) -> None:
    body = browser.tokens(calendar, "openid offline_access read")
    page = browser.client.get("/accounts/applications/").content.decode()
    assert "Calendar" in page
    assert "see whatever you may see" in page
    consent = ConsentGrant.objects.get()
    assert browser.client.post("/accounts/applications/", {"consent": consent.pk}).status_code == 302
    assert "No application may act for you" in browser.client.get("/accounts/applications/").content.decode()
    assert bearer(body["access_token"]).get("/api/v1/me/").status_code == 401
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")
    assert browser.open(calendar.question()).status_code == 200, "asked anew"
    kinds = AuthEvent.objects.filter(user=browser.user, kind__startswith="consent").order_by("pk")
    assert [event.kind for event in kinds] == ["consent_given", "consent_withdrawn"]


def test_the_same_over_rest(calendar: Relying, browser: Browser) -> None:
    browser.tokens(calendar, "openid")
    found = browser.client.get("/api/v1/me/consents/").json()
    assert [(one["application_name"], one["scopes"]) for one in found] == [("Calendar", ["openid"])]
    stranger = Browser(make_user(password=PASSWORD)).log_in().client
    assert stranger.get("/api/v1/me/consents/").json() == []
    assert stranger.delete(f"/api/v1/me/consents/{found[0]['id']}/").status_code == 404
    assert browser.client.delete(f"/api/v1/me/consents/{found[0]['id']}/").status_code == 204
    assert browser.client.delete(f"/api/v1/me/consents/{found[0]['id']}/").status_code == 404


def test_a_program_takes_nothing_back_and_agrees_to_nothing(calendar: Relying, browser: Browser) -> None:
    program = bearer(browser.tokens(calendar, "openid read")["access_token"])
    consent = ConsentGrant.objects.get()
    assert program.delete(f"/api/v1/me/consents/{consent.pk}/").status_code == 403


@pytest.mark.parametrize("what", ["consent", "password", "person", "application"])
def test_a_code_that_waits_ends_with_what_is_taken_back(
    calendar: Relying, browser: Browser, what: str
) -> None:
    code, admin = browser.code(calendar, scope="openid offline_access"), make_superuser()
    if what == "consent":
        services.withdraw_consent(ConsentGrant.objects.get().pk, actor=browser.user)
    elif what == "password":
        services.set_password(browser.user.pk, "another good one", actor=admin)
    elif what == "person":
        services.deactivate_user(browser.user.pk, actor=admin)
        services.activate_user(browser.user.pk, actor=admin)
    else:
        services.disable_application(calendar.application.pk, actor=admin)
        services.enable_application(calendar.application.pk, actor=admin)
    assert error_of(calendar.swap(code)) == (400, "invalid_grant")
    assert not TokenFamily.objects.exists()


def test_a_code_that_waits_ends_with_the_session_it_is_for(calendar: Relying, browser: Browser) -> None:
    here, away = browser.code(calendar), browser.code(calendar, scope="openid offline_access")
    browser.client.post("/accounts/logout/")
    assert error_of(calendar.swap(here)) == (400, "invalid_grant")
    assert calendar.swap(away).status_code == 200


def test_an_application_that_is_turned_on_again_starts_anew(calendar: Relying, browser: Browser) -> None:
    body, admin = browser.tokens(calendar), make_superuser()
    services.disable_application(calendar.application.pk, actor=admin)
    services.enable_application(calendar.application.pk, actor=admin)
    assert error_of(calendar.refresh(body["refresh_token"])) == (400, "invalid_grant")


def test_people_are_asked_again_where_an_application_may_send_them_to_somewhere_new(
    calendar: Relying, browser: Browser
) -> None:
    browser.tokens(calendar, "openid read")
    application = calendar.application
    root = make_superuser()
    services.change_application(application.pk, actor=root, name="Diary")
    assert ConsentGrant.objects.get().revoked_at is None
    addresses = f"{application.redirect_uris} https://elsewhere.example/back"
    services.change_application(application.pk, actor=root, redirect_uris=addresses)
    assert ConsentGrant.objects.get().revoked_at is not None
    assert browser.open(calendar.question()).status_code == 200, "asked anew"
    told = AuthEvent.objects.get(kind="consent_withdrawn")
    assert (told.user, told.actor) == (browser.user, root)


@pytest.mark.parametrize("consent", ["", "x", "999999999999999999999", "²"])
def test_nonsense_takes_nothing_back(browser: Browser, consent: str) -> None:
    assert browser.client.post("/accounts/applications/", {"consent": consent}).status_code == 302


def test_whoever_acts_as_somebody_lets_nothing_in_for_them(calendar: Relying) -> None:
    boris = make_user("Boris", password=PASSWORD)
    television = rp.register_device(scopes=["read"])
    device, _code = services.start_device(television.application, ["read"])
    services.give_consent(calendar.application.pk, ["openid"], actor=boris)
    root = make_superuser()
    session = services.start_impersonation(boris.pk, reason="Looking into it", is_read_only=False, actor=root)
    acted = services.who_acts(session.pk, actor=root)
    assert acted is not None
    with pytest.raises(PermissionDenied):
        services.give_consent(calendar.application.pk, ["openid", "read"], actor=acted)
    with pytest.raises(PermissionDenied):
        services.answer_device(device.user_code, is_approved=True, login=services.Login(), actor=acted)
    with pytest.raises(PermissionDenied):
        services.withdraw_consent(ConsentGrant.objects.get(user=boris).pk, actor=acted)
    with pytest.raises(PermissionDenied):
        services.issue_code(
            "code",
            application=calendar.application,
            actor=acted,
            redirect_uri=rp.REDIRECT,
            scopes=["openid"],
            code_challenge="",
            nonce="",
            login=services.Login(),
        )
    assert not TokenFamily.objects.exists()
