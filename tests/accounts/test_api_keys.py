"""Keys of programs: their owner's rights as far as their scopes reach, from the first request to the last."""

import hashlib
import io
import json
import time
from datetime import timedelta
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts import access, scopes, services
from apps.accounts.models import ApiKey, Role, Team, User
from apps.crm.models import Deal, Tag
from apps.events.models import Event
from apps.history.models import ChangeSet
from apps.jobs.models import Job
from tests.accounts.factories import make_member, make_role, make_superuser, make_team, make_user
from tests.crm.factories import make_company, make_deal

pytestmark = pytest.mark.django_db
KEYS, DEALS = "/api/v1/accounts/api-keys/", "/api/v1/crm/deals/"


@pytest.fixture
def team() -> Team:
    return make_team("north")


@pytest.fixture
def seller(team: Team) -> User:
    return make_member(team, "salesperson", "Sonya")


def key_of(user: User, *wanted: str, **fields: Any) -> tuple[ApiKey, str]:
    return services.create_api_key("form", scopes=wanted or ["all"], actor=user, **fields)


def program(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.mark.django_db
@pytest.mark.parametrize(("scopes", "status"), [(["all"], 202), (["read", "crm.export_deal"], 403)])
def test_a_limited_key_starts_no_long_work(scopes: list[str], status: int) -> None:
    root = make_superuser()
    deal = make_deal("mine", owner=root)
    body = {"model": "crm.deal", "ids": [deal.pk], "columns": ["title"]}
    answer = program(key_of(root, *scopes)[1]).post(
        "/api/v1/lists/exports/", body, content_type="application/json"
    )
    assert answer.status_code == status, answer.content
    assert Job.objects.exists() == (status == 202)


def person(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def refusal(response: Any, status: int) -> str:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    return str(response.json()["code"])


def test_a_key_is_told_once_and_kept_as_a_hash(seller: User) -> None:
    key, secret = key_of(seller, "read")
    assert len(secret) == len("artel_") + 43, "256 bits"
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(key.prefix)
    kept = str(ApiKey.objects.values().get()) + str([event.data for event in Event.objects.all()])
    assert secret not in kept
    assert Event.objects.latest("pk").type == "accounts.api_key.created.v1"
    assert key_of(seller)[1] != secret


@pytest.mark.parametrize(
    ("wanted", "permission", "is_covered"),
    [
        (["all"], "crm.win_deal", True),
        (["read"], "crm.view_deal", True),
        (["read"], "crm.win_deal", False),
        (["crm.win_deal"], "crm.win_deal", True),
        (["crm.win_deal"], "crm.lose_deal", False),
        (["crm.view_deal"], "crm.view_company", False),
        (["read"], "review.change_thing", False),
        ([], "crm.view_deal", False),
    ],
)
def test_scopes(wanted: list[str], permission: str, *, is_covered: bool) -> None:
    assert scopes.allows(wanted, permission) is is_covered


def test_a_key_acts_for_its_owner_and_no_further_than_it_reaches(seller: User) -> None:
    mine, foreign = make_deal("mine", owner=seller), make_deal("foreign", owner=make_user())
    reading = program(key_of(seller, "read")[1])
    assert [row["title"] for row in reading.get(DEALS).json()["results"]] == ["mine"]
    assert reading.get(f"{DEALS}{foreign.pk}/").status_code == 404
    assert refusal(reading.post(f"{DEALS}{mine.pk}/win/", {}, "application/json"), 403) == "permission_denied"
    winning = program(key_of(seller, "crm.view_deal", "crm.win_deal")[1])
    assert winning.post(f"{DEALS}{mine.pk}/win/", {}, "application/json").status_code == 200
    assert refusal(winning.get("/api/v1/crm/companies/"), 403) == "permission_denied"
    assert mine.transitions.latest("pk").actor == seller


def test_the_policy_itself_knows_of_the_key(seller: User) -> None:
    deal = make_deal(owner=seller)
    limited = services.authenticate_key(key_of(seller, "crm.view_deal")[1])
    assert limited is not None
    assert (limited.pk, limited.key_scopes) == (seller.pk, frozenset({"crm.view_deal"}))
    assert access.can(limited, "view", deal)
    assert not access.can(limited, "win", deal)
    assert not access.can_any(limited, "view", Tag)
    assert access.can(limited, "view", deal.transitions.get())
    assert not Deal.objects.visible_to(limited, "change").exists()
    assert limited.has_perm("crm.view_deal")
    assert not limited.has_perm("crm.win_deal")
    with pytest.raises(PermissionDenied):
        access.require(limited, "win", deal)


def test_a_key_of_an_administrator_of_everything_is_limited_too() -> None:
    root = make_superuser()
    deal = make_deal(owner=make_user())
    limited = services.authenticate_key(key_of(root, "crm.view_deal", "accounts.change_user")[1])
    assert limited is not None
    assert access.can(limited, "view", deal)
    assert not access.can(limited, "change", deal)
    assert not access.reaches_all(limited, "view", Tag)
    assert not access.is_everything(limited)
    assert not limited.has_module_perms("history")
    # Taking over the account of another administrator would undo every limit.
    with pytest.raises((PermissionDenied, ObjectDoesNotExist)):
        services.change_user(make_superuser("Other").pk, email="thief@example.org", actor=limited)
    whole = services.authenticate_key(key_of(root)[1])
    assert whole is not None
    assert access.is_everything(whole)


def test_a_key_may_never_do_more_than_its_owner(seller: User) -> None:
    _key, secret = key_of(seller, "all")
    assert program(secret).get("/api/v1/accounts/roles/").status_code == 403
    grants = seller.memberships.get().role.grants.filter(permission="crm.view_deal")
    assert program(secret).get(DEALS).status_code == 200
    grants.delete()
    assert program(secret).get(DEALS).status_code == 403


NONSENSE = [
    "",
    "x",
    "artel_",
    "artel_" + "A" * 43,
    "artel_" + "A" * 44,
    "artel_" + "Ы" * 43,
    "artel_" + "\x00" * 43,
    "a b c",
    "eyJhbGciOiJub25lIn0.e30.",
    "A" * 20_000,
    "artel_" + "A" * 42 + "\n",
    "'; drop table accounts_apikey; --",
]


@pytest.mark.parametrize("token", NONSENSE)
def test_nonsense_is_refused_and_breaks_nothing(token: str) -> None:
    for header in (f"Bearer {token}", f"bearer  {token}"):
        response = Client().get(DEALS, headers={"Authorization": header})
        assert refusal(response, 401) == "invalid_token"
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_bytes_that_are_no_text_are_refused() -> None:
    response = Client().get(DEALS, HTTP_AUTHORIZATION=b"Bearer \xff\xfe".decode("latin-1"))
    assert refusal(response, 401) == "invalid_token"


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearerx", "Token x", ""])
def test_who_says_nothing_of_a_key_is_asked_to_log_in(header: str) -> None:
    assert refusal(Client().get(DEALS, headers={"Authorization": header}), 401) == "not_authenticated"


def test_a_key_counts_before_a_session(seller: User) -> None:
    client = person(seller)
    assert refusal(client.get(DEALS, headers={"Authorization": "Bearer x"}), 401) == "invalid_token"
    assert client.get(DEALS).status_code == 200


def test_a_key_needs_no_csrf_token_and_opens_no_admin(seller: User) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {key_of(seller)[1]}"})
    assert client.post(DEALS, {"title": "x"}, "application/json").status_code == 201
    assert client.get("/admin/").status_code == 302


def test_what_ends_a_key_ends_it_at_once(seller: User) -> None:
    root = make_superuser()
    secrets = []
    for _number in range(3):
        key, secret = key_of(seller, "read")
        secrets.append(secret)
        assert program(secret).get(DEALS).status_code == 200
    services.revoke_api_key(key.pk, actor=seller)
    ApiKey.objects.filter(digest=hashlib.sha256(secrets[0].encode()).hexdigest()).update(
        expires_at=timezone.now() - timedelta(days=1)
    )
    for secret in (secrets[0], secrets[2]):
        assert refusal(program(secret).get(DEALS), 401) == "invalid_token"
    assert program(secrets[1]).get(DEALS).status_code == 200
    services.deactivate_user(seller.pk, actor=root)
    assert refusal(program(secrets[1]).get(DEALS), 401) == "invalid_token"


@pytest.mark.django_db(transaction=True)
def test_who_reads_is_trusted_for_less_than_a_second(settings: Any) -> None:
    seller = make_member(make_team(), "salesperson")
    reading, writing = (program(key_of(seller)[1]) for _number in range(2))
    for client in (reading, writing):
        assert client.get(DEALS).status_code == 200
    ApiKey.objects.update(revoked_at=timezone.now())
    # Writing asks each time.
    assert writing.post(DEALS, {"title": "x"}, "application/json").status_code == 401
    ended_by = time.monotonic() + 20
    while reading.get(DEALS).status_code == 200:
        assert time.monotonic() < ended_by, "still open"
    assert settings.API_KEY_TRUST_SECONDS <= 0.5


@pytest.mark.django_db(transaction=True)
def test_trust_is_each_keys_own(settings: Any, django_assert_num_queries: Any) -> None:
    settings.API_KEY_TRUST_SECONDS = 60
    team = make_team()
    found = {}
    for name in ("Anna", "Boris"):
        user = make_member(team, "salesperson", name)
        make_deal(name, owner=user)
        found[name] = program(key_of(user, "read")[1])
    for _round in range(3):
        for name, client in found.items():
            assert [row["title"] for row in client.get(DEALS).json()["results"]] == [name]
    with django_assert_num_queries(1):
        found["Anna"].get(DEALS)


def test_use_is_noted_once_a_minute(seller: User, django_assert_num_queries: Any) -> None:
    key, secret = key_of(seller, "read")
    assert services.authenticate_key(secret)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        services.authenticate_key(secret)
    old = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used_at=old)
    services.authenticate_key(secret)
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at > old


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scopes": ["crm.fly_deal"]}, "unknown_scope"),
        ({"scopes": ["read", ""]}, "unknown_scope"),
        ({"scopes": []}, "api_key_has_scopes"),
        ({"scopes": ["read"], "name": ""}, "blank"),
        ({"scopes": ["read"], "expires_at": timezone.now() - timedelta(days=1)}, "expired"),
    ],
)
def test_a_key_that_means_nothing_is_not_made(seller: User, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        services.create_api_key(**({"name": "form"} | fields), actor=seller)
    assert (
        code in {error.code for error in refused.value.error_list}
        if not hasattr(refused.value, "error_dict")
        else {error.code for errors in refused.value.error_dict.values() for error in errors}
    )
    assert not ApiKey.objects.exists()


def test_the_database_wants_scopes_as_well(seller: User) -> None:
    with pytest.raises(IntegrityError, match="api_key_has_scopes"), transaction.atomic():
        ApiKey.objects.create(owner=seller, name="x", prefix="x", digest="x", scopes=[])


def test_who_may_not_make_keys_makes_none(team: Team) -> None:
    with pytest.raises(PermissionDenied):
        key_of(make_member(team, make_role({"crm.view_deal": "OWN"})))


def test_a_key_makes_no_keys(seller: User) -> None:
    key, secret = key_of(seller, "all")
    limited = services.authenticate_key(secret)
    assert limited is not None
    with pytest.raises(PermissionDenied):
        key_of(limited)
    with pytest.raises(PermissionDenied):
        services.rotate_api_key(key.pk, actor=limited)
    made = program(secret).post(KEYS, {"name": "heir", "scopes": ["all"]}, "application/json")
    assert refusal(made, 403) == "permission_denied"
    assert ApiKey.objects.count() == 1


def test_rotation_overlaps(seller: User) -> None:
    key, secret = key_of(seller, "read", expires_at=timezone.now() + timedelta(days=90))
    fresh, other = services.rotate_api_key(key.pk, actor=seller)
    key.refresh_from_db()
    assert key.expires_at is not None
    assert timedelta(hours=23) < key.expires_at - timezone.now() <= timedelta(days=1)
    assert fresh.expires_at is not None
    assert timedelta(days=89) < fresh.expires_at - timezone.now()
    assert (fresh.name, fresh.scopes, fresh.pk != key.pk) == (key.name, ["read"], True)
    assert [program(each).get(DEALS).status_code for each in (secret, other)] == [200, 200]
    told = list(Event.objects.order_by("pk").values_list("type", flat=True))[-2:]
    assert told == ["accounts.api_key.rotated.v1", "accounts.api_key.created.v1"]
    services.rotate_api_key(fresh.pk, actor=seller, overlap=timedelta(0))
    assert refusal(program(other).get(DEALS), 401) == "invalid_token"


def test_what_cannot_be_rotated_or_revoked(seller: User) -> None:
    root, other = make_superuser(), make_user()
    key, _secret = key_of(seller)
    for act in (services.rotate_api_key, services.revoke_api_key):
        with pytest.raises(ObjectDoesNotExist):
            act(key.pk, actor=other)
    with pytest.raises(ValidationError, match="owner"):
        services.rotate_api_key(key.pk, actor=root)
    with pytest.raises(ValidationError, match="30 days"):
        services.rotate_api_key(key.pk, actor=seller, overlap=timedelta(days=31))
    services.revoke_api_key(key.pk, actor=root)
    for act in (services.rotate_api_key, services.revoke_api_key):
        with pytest.raises(ValidationError, match="no longer"):
            act(key.pk, actor=seller)


def test_keys_over_rest(seller: User) -> None:
    client = person(seller)
    made = client.post(KEYS, {"name": "form", "scopes": ["read"]}, "application/json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    shown = made.json()
    url = f"{KEYS}{shown['id']}/"
    assert program(shown["secret"]).get(DEALS).status_code == 200
    assert "secret" not in client.get(url).json()
    assert "digest" not in client.get(url).json()
    turned = client.post(f"{url}rotate/", {"overlap": 60}, "application/json")
    assert turned.status_code == 201
    assert turned.json()["secret"] != shown["secret"]
    assert client.post(f"{url}revoke/", {}, "application/json").json()["revoked_at"]
    assert refusal(program(shown["secret"]).get(DEALS), 401) == "invalid_token"
    assert len(client.get(KEYS).json()["results"]) == 2
    assert client.get(KEYS, {"revoked_at__isnull": "true"}).json()["results"][0]["id"] == turned.json()["id"]
    assert client.delete(url).status_code == 405
    stranger = person(make_member(make_team(), "salesperson"))
    assert stranger.get(url).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"name": "x", "scopes": []}, "scopes"), ({"name": "x", "scopes": ["nothing"]}, "scopes")],
)
def test_bodies_that_are_refused(seller: User, body: dict[str, Any], field: str) -> None:
    response = person(seller).post(KEYS, body, "application/json")
    assert response.status_code == 400
    assert field in {error["field"] for error in response.json()["errors"]}


def test_me_shows_what_the_key_lets_one_do(seller: User) -> None:
    _key, secret = key_of(seller, "crm.view_deal")
    shown = program(secret).get("/api/v1/me/").json()
    assert [each["permission"] for each in shown["permissions"]] == ["crm.view_deal"]
    assert refusal(program(secret).patch("/api/v1/me/", {"name": "Thief"}, "application/json"), 403)
    whole = program(key_of(seller)[1])
    assert whole.patch("/api/v1/me/", {"name": "Sofia"}, "application/json").json()["name"] == "Sofia"
    root = program(key_of(make_superuser(), "read")[1]).get("/api/v1/me/").json()
    assert {each["permission"].partition(".")[2][:5] for each in root["permissions"]} == {"view_"}


def test_a_company_made_with_a_key_is_its_owners(seller: User) -> None:
    client = program(key_of(seller)[1])
    made = client.post("/api/v1/crm/companies/", {"name": "Mebel"}, "application/json")
    assert made.status_code == 201, made.content
    assert made.json()["owner"] == seller.pk
    company = make_company(owner=seller)
    assert client.patch(f"/api/v1/crm/companies/{company.pk}/", {"city": "Perm"}, "application/json").json()[
        "city"
    ]


# In the admin


def page(pk: int | str, action: str = "change") -> str:
    return f"/admin/accounts/apikey/{pk}/{action}/".replace("/add/add/", "/add/")


def test_a_key_is_made_on_a_page_and_shown_once(seller: User) -> None:
    client = person(seller)
    form = client.get("/admin/accounts/apikey/add/")
    assert form.status_code == 200
    made = client.post(
        "/admin/accounts/apikey/add/", {"name": "Form", "scopes": ["read", "crm.win_deal"], "days": "30"}
    )
    assert made.status_code == 200, made.content
    key = ApiKey.objects.get()
    text = made.content.decode()
    secret = next(
        word
        for word in text.replace("<", " ").replace(">", " ").split()
        if word.startswith("artel_") and len(word) == 49
    )
    assert "no-store" in made["Cache-Control"]
    assert services.authenticate_key(secret) == seller
    assert key.scopes == ["crm.win_deal", "read"]
    for path in ("/admin/accounts/apikey/", page(key.pk)):
        shown = client.get(path).content.decode()
        assert secret not in shown
        assert key.prefix in shown


def test_a_key_without_scopes_is_refused_in_the_form(seller: User) -> None:
    answer = person(seller).post("/admin/accounts/apikey/add/", {"name": "Form", "days": "30"})
    assert answer.status_code == 200
    assert not ApiKey.objects.exists()


def test_a_key_is_rotated_and_revoked_on_its_page(seller: User) -> None:
    client = person(seller)
    key, secret = key_of(seller, "read")
    base = f"/admin/accounts/apikey/{key.pk}"
    shown = client.get(page(key.pk)).content.decode()
    paths = {
        name: next(
            part.split('"')[0]
            for part in shown.split('href="')
            if f"{name}" in part.split('"')[0] and str(key.pk) in part.split('"')[0]
        )
        for name in ("rotate", "revoke")
    }
    assert client.get(paths["rotate"]).status_code == 200
    assert ApiKey.objects.count() == 1, "asking is not doing"
    turned = client.post(paths["rotate"], {})
    assert "artel_" in turned.content.decode()
    assert ApiKey.objects.count() == 2
    assert client.post(paths["revoke"], {}).status_code == 302
    assert services.authenticate_key(secret) is None
    assert (
        "revoke"
        not in client.get(f"{base}/change/").content.decode().lower().split("<main")[-1].split("revoked")[0]
    )


def test_an_administrator_revokes_and_does_not_rotate(seller: User, team: Team) -> None:
    key, _secret = key_of(seller)
    administrator = make_member(team, "administrator")
    shown = person(administrator).get(page(key.pk)).content.decode()
    assert f"/{key.pk}/revoke" in shown or "revoke" in shown
    assert "/rotate" not in shown
    assert Role.objects.get(key="administrator").grants.filter(permission="accounts.change_apikey").exists()


# At the socket's door


def test_a_ticket_knows_the_key_that_asked_for_it(seller: User) -> None:
    from apps.gateway.tickets import redeem_ticket

    key, secret = key_of(seller, "read")
    ticket = program(secret).post("/api/v1/ws-tickets/", {}, "application/json").json()["ticket"]
    holder = redeem_ticket(ticket)
    assert holder is not None
    user = holder.user()
    assert user is not None
    assert (user.pk, user.key_scopes) == (seller.pk, frozenset({"read"}))
    services.revoke_api_key(key.pk, actor=seller)
    assert holder.user() is None


# Under WSGI, where programs pass through less


def over_wsgi(
    path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    from config.wsgi import application

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **headers,
    }
    setup_testing_defaults(environ)
    said: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        said.update(status=int(status[:3]), headers=dict(headers))

    response: Any = application(environ, start)
    content = b"".join(response)
    # A list of what was said is as good an answer, and has nothing to close.
    getattr(response, "close", lambda: None)()
    return said["status"], said["headers"], content


@pytest.mark.django_db(transaction=True)
def test_a_program_passes_through_less_and_does_the_same(seller: User) -> None:
    make_deal("mine", owner=seller)
    secret = key_of(seller)[1]
    key: Any = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
    status, headers, content = over_wsgi(DEALS, **key)
    assert status == 200
    assert json.loads(content) == program(secret).get(DEALS, headers={"Host": "localhost"}).json()
    assert "Set-Cookie" not in headers
    assert {"X-Request-Id", "Content-Length"} <= headers.keys()
    status, _headers, content = over_wsgi(DEALS, "POST", b'{"title": "by a program"}', **key)
    assert status == 201
    change = ChangeSet.objects.latest("pk")
    assert (change.actor, change.face) == (seller, "API")
    status, headers, content = over_wsgi(DEALS, HTTP_AUTHORIZATION="Bearer x", HTTP_ACCEPT_LANGUAGE="ru")
    assert (status, json.loads(content)["code"], headers["Content-Language"]) == (401, "invalid_token", "ru")


@pytest.mark.django_db(transaction=True)
def test_nothing_in_a_header_is_a_way_around_the_rest(seller: User) -> None:
    cookie = person(seller).cookies["sessionid"].value
    for header in ("Bearer x", "bearer ", "Bearer"):
        for path in (DEALS, "/api/v1/me/", "/api/v1/schema/"):
            status, _headers, _content = over_wsgi(
                path,
                "POST" if path == DEALS else "GET",
                b"{}",
                HTTP_AUTHORIZATION=header,
                HTTP_COOKIE=f"sessionid={cookie}",
            )
            assert status == 401, (header, path)
        assert over_wsgi("/admin/", HTTP_AUTHORIZATION=header)[0] == 302
    assert over_wsgi("/api/v1/nowhere/", HTTP_AUTHORIZATION="Bearer x")[0] == 404
    assert over_wsgi(DEALS)[0] == 401
