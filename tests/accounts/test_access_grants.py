"""Single rows that are shared for a while: exactly those, exactly for so long, and never more than one may oneself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import access, services
from apps.accounts.models import AccessGrant, AuthEvent, RoleGrant, Team, User
from apps.crm.models import Company, ContactPoint
from apps.crm.services import companies
from apps.events.models import Event
from tests.accounts.factories import (
    join,
    make_member,
    make_role,
    make_superuser,
    make_team,
    make_user,
    member_with,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SHARER = {
    "crm.view_company": "TEAM",
    "crm.change_company": "TEAM",
    "accounts.view_user": "ALL",
    "accounts.view_accessgrant": "ALL",
    "accounts.add_accessgrant": "ALL",
    "accounts.change_accessgrant": "ALL",
}


@pytest.fixture
def north() -> Team:
    return make_team("north")


@pytest.fixture
def giver(north: Team) -> User:
    return make_member(north, make_role(SHARER), "Gina Giver")


@pytest.fixture
def guest() -> User:
    """Somebody of another team whose role says nothing of companies."""
    return member_with({"accounts.view_accessgrant": "OWN"})


@pytest.fixture
def company(north: Team) -> Company:
    Company.objects.create(name="neighbour", team=north)
    return Company.objects.create(name="shared", team=north)


def share(guest: User, row: Any, giver: User, *actions: str, until: datetime | None = None) -> AccessGrant:
    return services.grant_access(
        guest.pk,
        label=row._meta.label_lower,
        row_id=row.pk,
        actions=actions,
        expires_at=until or timezone.now() + DAY,
        reason="a joint offer",
        actor=giver,
    )


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def seen(user: User, action: str = "view") -> set[str]:
    return set(Company.objects.visible_to(again(user), action).values_list("name", flat=True))


@contextmanager
def unnoticed() -> Iterator[None]:
    """Change rows as time does: without any trigger that tells of it."""
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("set session_replication_role = origin")


def let_end(grant: AccessGrant) -> None:
    """Let what is shared end, as if its time had come."""
    with unnoticed():
        AccessGrant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_exactly_the_row_is_shared_for_exactly_what_was_said(
    guest: User, giver: User, company: Company
) -> None:
    assert seen(guest) == set()
    assert not access.can_any(again(guest), "view", Company)
    share(guest, company, giver)
    assert seen(guest) == {"shared"}
    assert seen(guest, "change") == set()
    guest = again(guest)
    assert access.can(guest, "view", company)
    assert not access.can(guest, "change", company)
    assert access.can_any(guest, "view", Company)
    assert not access.can_any(guest, "change", Company)
    assert guest.has_module_perms("crm")
    share(guest, company, giver, "change")
    assert seen(guest, "change") == {"shared"}


def test_parts_follow_what_is_shared(guest: User, giver: User, company: Company) -> None:
    point = ContactPoint.objects.create(company=company, kind="EMAIL", raw="x@y.z", value="x@y.z")
    share(guest, company, giver)
    assert access.can(again(guest), "view", point)
    assert not access.can(again(guest), "delete", point)
    share(guest, company, giver, "change")
    assert access.can(again(guest), "delete", point)


def test_it_adds_to_what_a_role_reaches(giver: User, company: Company) -> None:
    guest = member_with({"crm.view_company": "OWN"})
    Company.objects.create(name="mine", owner=guest)
    share(guest, company, giver)
    assert seen(guest) == {"mine", "shared"}
    assert access.can_by_role(again(guest), "view", company) is False


def test_a_shared_row_of_what_is_common_gives_only_that_row(guest: User) -> None:
    ours, other = make_role({}, "ours"), make_role({}, "other")
    share(guest, ours, make_superuser())
    found = again(guest)
    assert access.can(found, "view", ours)
    assert not access.can(found, "view", other)
    assert "accounts.view_role" not in access.grants_of(found)


def test_what_is_taken_back_or_over_gives_nothing(guest: User, giver: User, company: Company) -> None:
    grant = share(guest, company, giver)
    services.revoke_access(grant.pk, actor=giver)
    assert seen(guest) == set()
    with pytest.raises(ValidationError) as caught:
        services.revoke_access(grant.pk, actor=giver)
    assert caught.value.code == "not_live"
    let_end(share(guest, company, giver))
    assert seen(guest) == set()
    kinds = list(AuthEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["access_granted", "access_revoked", "access_granted"]
    facts = (
        Event.objects.filter(type__startswith="accounts.access.")
        .order_by("pk")
        .values_list("type", flat=True)
    )
    assert list(facts) == [
        "accounts.access.granted.v1",
        "accounts.access.revoked.v1",
        "accounts.access.granted.v1",
    ]


def test_it_can_be_let_end_at_another_time(guest: User, giver: User, company: Company) -> None:
    grant = share(guest, company, giver)
    later = timezone.now() + 3 * DAY
    assert services.extend_access(grant.pk, expires_at=later, actor=giver).expires_at == later
    let_end(grant)
    with pytest.raises(ValidationError) as caught:
        services.extend_access(grant.pk, expires_at=later, actor=giver)
    assert caught.value.code == "not_live"


def test_who_is_turned_off_sees_nothing_that_is_shared(guest: User, giver: User, company: Company) -> None:
    share(guest, company, giver)
    User.objects.filter(pk=guest.pk).update(is_active=False)
    assert seen(guest) == set()


def test_a_key_limits_what_is_shared_too(guest: User, giver: User, company: Company) -> None:
    share(guest, company, giver, "change")
    limited = again(guest)
    limited.key_scopes = frozenset({"read"})
    assert access.can(limited, "view", company)
    assert not access.can(limited, "change", company)
    blind = again(guest)
    blind.key_scopes = frozenset({"crm.view_deal"})
    assert not access.can(blind, "view", company)


REFUSED: list[tuple[Callable[[User, User, Company], Any], type[Exception], str]] = [
    (lambda guest, giver, row: share(guest, row, giver, "delete"), PermissionDenied, "delete"),
    (lambda guest, giver, row: share(guest, row, giver, "fly"), ValidationError, "unknown_action"),
    (lambda guest, giver, row: share(guest, row, giver, "add"), ValidationError, "unknown_action"),
    (lambda guest, giver, row: share(giver, row, giver), ValidationError, "own_account"),
    (
        lambda guest, giver, row: share(guest, Company.objects.create(name="far"), make_user()),
        PermissionDenied,
        "",
    ),
    (
        lambda guest, giver, row: share(guest, Company.objects.create(name="far", team=make_team()), giver),
        ObjectDoesNotExist,
        "",
    ),
    (lambda guest, giver, row: share(make_user(is_active=False), row, giver), ValidationError, "inactive"),
    (
        lambda guest, giver, row: share(guest, row, giver, until=timezone.now() - DAY),
        ValidationError,
        "expires_at",
    ),
    (
        lambda guest, giver, row: share(guest, row, giver, until=timezone.now() + 91 * DAY),
        ValidationError,
        "expires_at",
    ),
    (
        lambda guest, giver, row: share(
            guest, ContactPoint.objects.create(company=row, kind="EMAIL", raw="x@y.z", value="x@y.z"), giver
        ),
        ValidationError,
        "not_shareable",
    ),
    (lambda guest, giver, row: share(guest, AccessGrant(pk=1), giver), ValidationError, "not_shareable"),
]


@pytest.mark.parametrize(("attempt", "refusal", "code"), REFUSED)
def test_what_may_not_be_shared_is_refused_with_a_reason(
    guest: User,
    giver: User,
    company: Company,
    attempt: Callable[[User, User, Company], Any],
    refusal: type[Exception],
    code: str,
) -> None:
    with pytest.raises(refusal) as caught:
        attempt(guest, giver, company)
    assert not AccessGrant.objects.exists()
    if isinstance(caught.value, ValidationError):
        codes = {error.code for errors in caught.value.error_dict.values() for error in errors}
        assert codes == {code}
    elif code:
        assert code in str(caught.value)


def test_it_is_shared_only_with_those_whom_the_right_to_share_reaches(north: Team, company: Company) -> None:
    near = make_member(north, make_role({}), "near")
    far = make_member(make_team("far"), make_role({}), "far")
    giver = make_member(north, make_role(SHARER | {"accounts.add_accessgrant": "TEAM"}))
    share(near, company, giver)
    with pytest.raises(PermissionDenied):
        share(far, company, giver)
    assert AccessGrant.objects.get().user == near


def test_what_is_shared_with_one_is_not_shared_on(giver: User, company: Company) -> None:
    middle = member_with(SHARER | {"crm.view_company": "OWN", "crm.change_company": "OWN"})
    share(middle, company, giver, "change")
    other = member_with({})
    with pytest.raises(PermissionDenied, match="no role of yours"):
        share(other, company, again(middle))
    assert seen(other) == set()


def test_who_only_shares_a_row_does_not_make_it_theirs(guest: User, giver: User, company: Company) -> None:
    share(guest, company, giver, "change")
    actor = again(guest)
    companies.change_company(company.pk, name="renamed", actor=actor)
    for fields in ({"owner_id": guest.pk}, {"team_id": guest.memberships.get().team_id}):
        with pytest.raises(PermissionDenied, match="only shared with you"):
            companies.change_company(company.pk, actor=actor, **fields)  # type: ignore[arg-type]
    company.refresh_from_db()
    assert (company.name, company.owner) == ("renamed", None)
    # Who reaches it by a role does, whatever else is shared with them.
    share(giver, Company.objects.create(name="another"), make_superuser())
    companies.change_company(company.pk, owner_id=giver.pk, actor=again(giver))
    company.refresh_from_db()
    assert company.owner == giver


@pytest.mark.parametrize("change", ["insert", "extend", "revoke", "delete"])
def test_the_database_counts_every_change_of_it_as_one_of_rights(
    guest: User, giver: User, company: Company, change: str
) -> None:
    grant = None if change == "insert" else share(guest, company, giver)
    before = again(guest).perm_version
    others = again(giver).perm_version
    rows = AccessGrant.objects.filter(pk=grant.pk if grant else 0)
    {
        "insert": lambda: share(guest, company, giver),
        "extend": lambda: rows.update(expires_at=timezone.now() + 2 * DAY),
        "revoke": lambda: rows.update(revoked_at=timezone.now()),
        "delete": rows.delete,
    }[change]()
    assert again(guest).perm_version > before
    assert again(giver).perm_version == others


# What it costs


def asked(work: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        work()
    return [query["sql"] for query in queries.captured_queries]


def test_who_shares_nothing_pays_nothing(giver: User, company: Company) -> None:
    stranger = again(member_with({"crm.view_company": "TEAM"}))
    statements = asked(lambda: list(Company.objects.visible_to(stranger)))
    assert len(statements) == 2
    assert "accounts_accessgrant" not in statements[-1]
    assert asked(lambda: list(Company.objects.visible_to(stranger)))[0].count("accounts_accessgrant") == 0


def test_who_shares_something_pays_one_subquery_for_that_kind_alone(
    guest: User, giver: User, company: Company
) -> None:
    share(guest, company, giver)
    join(guest, make_team(), make_role({"crm.view_person": "OWN"}))
    found = again(guest)
    statements = asked(lambda: list(Company.objects.visible_to(found)))
    assert len(statements) == 2
    assert statements[-1].count('FROM "accounts_accessgrant"') == 1
    persons = asked(lambda: found.has_perm("crm.view_person"))
    assert persons == []


# What is remembered


@pytest.mark.django_db(transaction=True)
class TestRemembered:
    """Outside of transactions, where answers and questions are kept for later requests."""

    @pytest.fixture
    def shared(self, guest: User, giver: User, company: Company) -> AccessGrant:
        return share(guest, company, giver)

    def names(self, client: Client) -> list[str]:
        return [row["name"] for row in client.get("/api/v1/crm/companies/").json().get("results", [])]

    def test_it_ends_by_the_clock_of_the_database_whatever_is_remembered(
        self, guest: User, company: Company, shared: AccessGrant
    ) -> None:
        client = Client()
        client.force_login(guest)
        actor = again(guest)
        access.settle(actor)
        path = f"/api/v1/crm/companies/{company.pk}/"
        assert self.names(client) == self.names(client) == ["shared"]
        assert client.get(path).status_code == 200
        assert access.can(actor, "view", company)
        let_end(shared)
        assert again(guest).perm_version == actor.perm_version
        assert self.names(client) == []
        assert client.get(path).status_code == 404
        assert not access.can(actor, "view", company)
        assert client.get(f"/admin/crm/company/{company.pk}/change/").status_code == 302

    def test_figures_that_are_kept_are_of_other_rows_once_it_has_ended(
        self, guest: User, company: Company, shared: AccessGrant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        actor = again(guest)
        before = access.reach_key(actor, "view", Company)
        assert access.reach_key(actor, "view", Company) == before
        assert not access.has_lapsed(actor)
        let_end(shared)
        later = shared.expires_at + timedelta(seconds=1)
        monkeypatch.setattr(timezone, "now", lambda: later)
        assert access.has_lapsed(actor)
        assert access.reach_key(actor, "view", Company) != before
        assert not access.can_any(actor, "view", Company)
        assert not access.has_lapsed(actor)
        assert not access.can_any(again(guest), "view", Company)

    def test_what_was_rolled_back_is_not_remembered(self, guest: User, giver: User, company: Company) -> None:
        from django.db import transaction

        with transaction.atomic():
            share(guest, company, giver)
            assert seen(guest) == {"shared"}
            transaction.set_rollback(True)
        assert seen(guest) == set()


# The faces


def test_over_rest_it_is_shared_extended_and_taken_back(guest: User, giver: User, company: Company) -> None:
    client = Client()
    client.force_login(giver)
    root = "/api/v1/accounts/access-grants/"
    body = {
        "user": guest.pk,
        "model": "crm.company",
        "row_id": company.pk,
        "actions": ["change"],
        "reason": "a joint offer",
        "expires_at": (timezone.now() + DAY).isoformat(),
    }
    made = client.post(root, body, "application/json")
    assert (made.status_code, made.json()["model"], made.json()["actions"]) == (
        201,
        "crm.company",
        ["change", "view"],
    )
    path = f"{root}{made.json()['id']}/"
    assert client.get(root, {"user": guest.pk}).json()["results"][0]["row_id"] == company.pk
    until = (timezone.now() + 2 * DAY).isoformat()
    assert client.post(f"{path}extend/", {"expires_at": until}, "application/json").status_code == 200
    assert client.post(f"{path}revoke/").json()["revoked_at"] is not None
    assert client.post(f"{path}revoke/").json()["code"] == "not_live"
    refused = client.post(root, body | {"row_id": 10**9}, "application/json")
    assert refused.status_code == 404
    refused = client.post(root, body | {"actions": ["delete"]}, "application/json")
    assert (refused.status_code, "delete" in refused.json()["title"]) == (403, True)


def test_a_row_is_shared_on_its_own_page_and_taken_back_there(
    guest: User, giver: User, company: Company
) -> None:
    client = Client()
    client.force_login(giver)
    path = f"/admin/crm/company/{company.pk}/share/"
    assert path in client.get(f"/admin/crm/company/{company.pk}/change/").content.decode()
    page = client.get(path)
    # Nobody is offered what they may not give.
    assert [name for name, _label in page.context["form"].fields["actions"].choices] == ["change"]
    body = {
        "share": "1",
        "user": guest.pk,
        "actions": ["change"],
        "until": "2020-01-01",
        "reason": "an offer",
    }
    refused = client.post(path, body)
    assert "past" in str(refused.context["form"].errors)
    assert not AccessGrant.objects.exists()
    until = timezone.localdate() + DAY
    assert client.post(path, body | {"until": until.isoformat()}).status_code == 302
    assert seen(guest, "change") == {"shared"}
    grant = AccessGrant.objects.get()
    listed = client.get(path).content.decode()
    assert str(guest) in listed
    assert "an offer" in listed
    assert client.post(path, {"revoke": grant.pk}).status_code == 302
    assert seen(guest) == set()


def test_the_page_of_sharing_is_for_those_who_may_share(guest: User, giver: User, company: Company) -> None:
    share(guest, company, giver, "change")
    client = Client()
    client.force_login(guest)
    assert "/share/" not in client.get(f"/admin/crm/company/{company.pk}/change/").content.decode()
    assert client.get(f"/admin/crm/company/{company.pk}/share/").status_code == 403


def test_who_holds_one_finds_it_among_what_is_shared_with_them(
    guest: User, giver: User, company: Company
) -> None:
    grant = share(guest, company, giver)
    client = Client()
    client.force_login(guest)
    listed = client.get("/admin/accounts/accessgrant/").content.decode()
    assert "a joint offer" in listed
    page = client.get(f"/admin/accounts/accessgrant/{grant.pk}/change/").content.decode()
    assert f'href="/admin/crm/company/{company.pk}/change/"' in page
    assert client.post(f"/admin/accounts/accessgrant/{grant.pk}/revoke/").status_code == 403
    company.name = "secret by now"
    company.save()
    let_end(grant)
    page = client.get(f"/admin/accounts/accessgrant/{grant.pk}/change/").content.decode()
    assert "secret by now" not in page
    assert "not yours to see" in page


def test_on_the_page_of_one_it_is_extended_and_taken_back(guest: User, giver: User, company: Company) -> None:
    grant = share(guest, company, giver)
    client = Client()
    client.force_login(giver)
    base = f"/admin/accounts/accessgrant/{grant.pk}"
    until = timezone.localdate() + 3 * DAY
    assert client.post(f"{base}/extend/", {"until": until.isoformat()}).status_code == 302
    grant.refresh_from_db()
    assert timezone.localdate(grant.expires_at) == until
    assert client.post(f"{base}/revoke/").status_code == 302
    assert seen(guest) == set()
    assert "/revoke/" not in client.get(f"{base}/change/").content.decode()


def test_roles_that_come_with_the_platform_share_as_far_as_they_lead() -> None:
    reaches = dict(
        RoleGrant.objects.filter(permission="accounts.add_accessgrant").values_list("role__key", "reach")
    )
    assert reaches == {"administrator": "ALL", "sales_lead": "SUBTREE"}


def test_what_is_shared_stands_in_the_policy_that_frontends_are_told(
    guest: User, giver: User, company: Company
) -> None:
    client = Client()
    client.force_login(guest)
    before = client.get("/api/v1/me/policy/")
    share(guest, company, giver, "change")
    told = client.get("/api/v1/me/policy/")
    assert told["ETag"] != before["ETag"]
    reaches = {
        each["permission"]: each["reach"] for model in told.json()["models"] for each in model["permissions"]
    }
    assert (reaches["crm.view_company"], reaches["crm.change_company"]) == ("rows", "rows")
    assert "crm.view_deal" not in reaches
