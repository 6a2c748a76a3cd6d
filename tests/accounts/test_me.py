"""What is one's own over REST: what one may do, one's keys, and what is on record about one."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, AuthEvent, RoleGrant, User
from apps.accounts.services import record_auth_event
from tests.access.world import client_with_key
from tests.accounts.factories import join, make_member, make_role, make_superuser, make_team, make_user

pytestmark = pytest.mark.django_db
POLICY, KEYS, EVENTS = "/api/v1/me/policy/", "/api/v1/me/api-keys/", "/api/v1/me/auth-events/"
ALL_EVENTS = "/api/v1/accounts/auth-events/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def permissions_of(client: Client) -> dict[str, tuple[str, list[int]]]:
    body = client.get(POLICY).json()
    told = {
        f"{each['model']} {one['action']}": (one["reach"], one["teams"])
        for each in body["models"]
        for one in each["permissions"]
    }
    assert body["models"] == sorted(body["models"], key=lambda each: str(each["model"]))
    return told


def test_the_policy_tells_how_far_each_permission_reaches() -> None:
    north = make_team("north")
    office = make_team("office", north)
    grants = {
        "crm.view_deal": "SUBTREE",
        "crm.win_deal": "OWN",
        "crm.change_deal": "TEAM",
        "crm.export_company": "ALL",
        # Such rows are common: who may see any sees all.
        "accounts.view_role": "OWN",
    }
    user = make_member(north, make_role(grants))
    assert permissions_of(client_of(user)) == {
        "crm.deal view": ("teams", sorted([north.pk, office.pk])),
        "crm.deal win": ("own", []),
        "crm.deal change": ("teams", [north.pk]),
        "crm.company export": ("all", []),
        "accounts.role view": ("all", []),
    }


def test_who_holds_nothing_is_told_so_and_an_administrator_everything() -> None:
    assert permissions_of(client_of(make_user())) == {}
    told = permissions_of(client_of(make_superuser()))
    assert told["crm.deal win"] == ("all", [])
    assert len(told) > 50


def test_a_key_is_told_only_what_it_is_for() -> None:
    client = client_with_key(make_superuser(), ["crm.win_deal"])
    assert permissions_of(client) == {"crm.deal win": ("all", [])}


def test_asking_again_costs_nothing_until_rights_change(django_assert_num_queries: Any) -> None:
    role = make_role({"crm.view_deal": "OWN"})
    user = make_member(make_team(), role)
    client = client_of(user)
    tag = client.get(POLICY)["ETag"]
    # Who it is, and what their rights are, which is only remembered outside of a transaction.
    with django_assert_num_queries(2):
        again = client.get(POLICY, headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again["ETag"], again.content) == (304, tag, b"")
    RoleGrant.objects.filter(role=role).update(reach="ALL")
    changed = client.get(POLICY, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    others = client_of(make_member(make_team(), role)).get(POLICY, headers={"If-None-Match": changed["ETag"]})
    assert others.status_code == 200


@pytest.mark.parametrize("path", [POLICY, KEYS, EVENTS])
def test_a_stranger_has_nothing_of_their_own(path: str) -> None:
    assert Client().get(path).status_code == 401


def member(**fields: Any) -> User:
    return make_member(make_team(), "salesperson", **fields)


def post(client: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


def test_own_keys_are_made_listed_rotated_and_revoked() -> None:
    client = client_of(member())
    made = post(client, KEYS, {"name": "Form", "scopes": ["read"]})
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    assert made.json()["secret"].startswith("artel_")
    listed = client.get(KEYS).json()["results"]
    assert [key["id"] for key in listed] == [made.json()["id"]]
    assert "secret" not in listed[0]
    rotated = post(client, f"{KEYS}{made.json()['id']}/rotate/", {"overlap": 60})
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != made.json()["secret"]
    assert post(client, f"{KEYS}{rotated.json()['id']}/revoke/").json()["revoked_at"] is not None
    assert [e.kind for e in AuthEvent.objects.filter(kind__startswith="api_key").order_by("id")] == [
        "api_key_made",
        "api_key_rotated",
        "api_key_revoked",
    ]
    record = " ".join(str(event.data) for event in AuthEvent.objects.all())
    assert made.json()["secret"] not in record
    assert ApiKey.objects.get(pk=made.json()["id"]).digest not in record


def test_keys_of_others_are_not_there_not_even_for_an_administrator() -> None:
    key = ApiKey.objects.create(owner=member(), name="Theirs", digest="x", scopes=["read"])
    client = client_of(make_superuser())
    assert client.get(KEYS).json()["results"] == []
    for method, place in (("get", ""), ("post", "rotate/"), ("post", "revoke/")):
        answer = getattr(client, method)(f"{KEYS}{key.pk}/{place}", content_type="application/json")
        assert answer.status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_own_events_are_told_and_nobody_elses() -> None:
    anna, boris = make_user("Anna"), make_user("Boris")
    record_auth_event("membership_granted", user=anna, actor=boris, data={"team": "North", "role": "Lead"})
    record_auth_event("password_changed", user=boris, actor=anna)
    record_auth_event("login_failed", user=None, data={"email": "x@example.org"})
    client = client_of(anna)
    told = client.get(EVENTS).json()["results"]
    assert [each["kind"] for each in told] == ["login", "membership_granted"]
    assert told[1]["sentence"] == "Boris made Anna “Lead” in the team “North”"
    assert (told[1]["user"], told[1]["actor"]) == (anna.pk, boris.pk)


def test_a_key_for_something_else_reads_no_record() -> None:
    user = make_user()
    assert client_with_key(user, ["crm.win_deal"]).get(EVENTS).status_code == 403
    assert client_with_key(user, ["read"]).get(EVENTS).status_code == 200


def test_the_record_is_for_those_who_look_on_and_filtered_by_what_they_ask() -> None:
    anna = make_user("Anna")
    for kind in ("login", "logout", "login"):
        record_auth_event(kind, user=anna, actor=anna)
    assert client_of(anna).get(ALL_EVENTS).status_code == 403
    auditor = join(make_user("Auditor"), make_team(), "auditor")
    client = client_of(auditor)
    asked: dict[str, Any] = {"kind": "login", "user": anna.pk, "page_size": 1}
    found = client.get(ALL_EVENTS, asked).json()
    assert found["results"][0]["sentence"] == "Anna logged in"
    seen, page = [found["results"][0]["id"]], found
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += [each["id"] for each in page["results"]]
    # One more came in to be refused, above.
    logins = AuthEvent.objects.filter(kind="login", user=anna).order_by("-id")
    assert seen == list(logins.values_list("pk", flat=True))
    assert len(seen) == 3
    last = found["results"][0]["at"]
    assert client.get(ALL_EVENTS, {"at__gte": last, "user": anna.pk}).json()["results"] == found["results"]
    assert client.get(ALL_EVENTS, {"address": "10.0.0.1"}).json()["results"] == []
    nonsense: list[dict[str, Any]] = [
        {"address": "nonsense"},
        {"user": 10**9},
        {"cursor": "cD14"},
        {"at__gte": "soon"},
    ]
    for wrong in nonsense:
        assert client.get(ALL_EVENTS, wrong).status_code == 400, wrong
    assert client.post(ALL_EVENTS, {}).status_code in {403, 405}
