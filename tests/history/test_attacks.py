"""What somebody who means no good, or only may less, tries with history."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, Role, RoleGrant, Team, User
from apps.crm.models import Deal, DealLine, Employment, Person, Product, StageTransition
from apps.crm.services import deals
from apps.crm.services.activities import log_activity
from apps.history.models import Change, ChangeSet, Conflict, Undo
from apps.history.selectors import stories, titles
from apps.history.services import undoing
from apps.history.services.undoing import put_back_row, start_undo
from apps.history.tracking import tracked_models
from tests.crm import factories
from tests.crm.factories import make_company, make_deal
from tests.history.factories import recorded, set_of, undo

pytestmark = pytest.mark.django_db
Face = StageTransition.Face
# More digits than Python makes a number of.
ENDLESS = "9" * 4400


def login(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def clerk(team: Team) -> User:
    """May see and change all deals, and undo what others did; no more than that."""
    role = Role.objects.create(name="Clerk")
    for permission in (
        "crm.view_deal",
        "crm.change_deal",
        "history.undo_changeset",
        "history.view_changeset",
    ):
        RoleGrant.objects.create(role=role, permission=permission, reach=RoleGrant.Reach.ALL)
    user = factories.make_user("Carl Clerk")
    Membership.objects.create(user=user, team=team, role=role)
    return user


# Who may undo what


def do_assign(deal: Deal, admin: User, other: User) -> None:
    deals.assign_deal(deal.pk, actor=admin, owner_id=other.pk)


def do_move(deal: Deal, admin: User, other: User) -> None:
    stage = deal.pipeline.stages.filter(kind="OPEN").exclude(pk=deal.stage_id).first()
    assert stage is not None
    deals.move_deal(deal.pk, stage_id=stage.pk, actor=admin, face=Face.ADMIN)


def do_win(deal: Deal, admin: User, other: User) -> None:
    deals.win_deal(deal.pk, actor=admin, face=Face.ADMIN)


def do_archive(deal: Deal, admin: User, other: User) -> None:
    deals.archive_deal(deal.pk, actor=admin)


@pytest.mark.parametrize("do", [do_assign, do_move, do_win, do_archive])
def test_an_undo_asks_what_the_services_ask(
    do: Any, clerk: User, admin: User, anna: User, boris: User
) -> None:
    deal = make_deal("Desks", owner=anna)
    with recorded(admin) as work:
        do(deal, admin, boris)
    before = Deal.objects.values().get()
    started = undo(set_of(work), clerk)
    (conflict,) = started.conflicts.all()
    assert (conflict.model, conflict.kind) == ("crm.deal", Conflict.Kind.FORBIDDEN)
    assert Deal.objects.values().get() == before
    with pytest.raises(PermissionDenied):
        put_back_row(conflict.pk, actor=clerk)


def test_what_needs_no_more_than_changing_is_put_back(clerk: User, admin: User, anna: User) -> None:
    deal = make_deal("Desks", owner=anna, amount=Decimal(5))
    with recorded(admin) as work:
        deals.change_deal(deal.pk, actor=admin, amount=Decimal(6))
    assert not undo(set_of(work), clerk).conflicts.exists()
    assert Deal.objects.get().amount == 5


def test_rights_lost_meanwhile_are_missed_row_by_row(anna: User, boris: User) -> None:
    mine, given = make_deal("Mine", owner=anna), make_deal("Given away", owner=anna)
    with recorded(anna) as work:
        Deal.objects.update(next_step="call")
    Deal.objects.filter(pk=given.pk).update(owner=boris)
    started = undo(set_of(work), anna)
    assert list(started.conflicts.values_list("row_id", "kind")) == [(str(given.pk), "FORBIDDEN")]
    mine.refresh_from_db()
    assert mine.next_step == ""


def test_nobody_turns_their_own_account_off_by_an_undo(admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(is_active=False, is_superuser=False)
    with recorded(admin) as work:
        User.objects.filter(pk=admin.pk).update(is_active=True, is_superuser=True)
    started = undo(set_of(work), User.objects.get(pk=admin.pk))
    assert list(started.conflicts.values_list("kind", flat=True)) == [Conflict.Kind.FORBIDDEN]
    admin.refresh_from_db()
    assert (admin.is_active, admin.is_superuser) == (True, True)


def test_a_decision_is_its_makers(anna: User, admin: User) -> None:
    deal = make_deal("Desks", owner=anna, amount=Decimal(1))
    with recorded(anna) as work:
        Deal.objects.update(amount=2)
    Deal.objects.update(amount=3)
    started = undo(set_of(work), anna)
    put_back_row(started.conflicts.get().pk, actor=admin)
    last = Change.objects.filter(model="crm.deal", row_id=str(deal.pk)).latest("id")
    assert last.change_set.actor == admin
    assert not ChangeSet.objects.filter(uid=started.uid).exists()


def test_an_undo_that_was_undone_is_decided_no_more(anna: User) -> None:
    first, second = make_deal("One", owner=anna), make_deal("Two", owner=anna)
    with recorded(anna) as work:
        Deal.objects.update(next_step="call")
    Deal.objects.filter(pk=first.pk).update(next_step="write")
    started = undo(set_of(work), anna)
    undo(ChangeSet.objects.get(uid=started.uid), anna)
    second.refresh_from_db()
    assert second.next_step == "call"
    with pytest.raises(ValidationError) as refused:
        put_back_row(started.conflicts.get().pk, actor=anna)
    assert refused.value.code == "undone"
    with pytest.raises(ValidationError):
        undoing.keep_rows(started.pk, actor=anna)
    assert Deal.objects.get(pk=first.pk).next_step == "write"


@pytest.mark.django_db(transaction=True)
def test_one_set_is_undone_once_however_many_ask_at_once(anna: User, redis_url: str) -> None:
    make_deal("Desks", owner=anna)
    with recorded(anna) as work:
        Deal.objects.update(next_step="call")
    pk = set_of(work).pk
    barrier = threading.Barrier(6)
    outcomes: list[str] = []

    def ask() -> None:
        try:
            barrier.wait()
            start_undo(pk, actor=anna)
            outcomes.append("started")
        except ValidationError as refused:
            outcomes.append(str(refused.code))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["started"] + ["undone"] * 5
    assert Undo.objects.count() == 1


def test_a_row_whose_company_is_gone_waits_rather_than_breaks(anna: User, admin: User) -> None:
    company = make_company("Iron", owner=anna)
    deal = make_deal("Desks", owner=anna, company=company)
    with recorded(anna) as work:
        Deal.objects.update(company=None)
    company.delete()
    started = undo(set_of(work), anna)
    (conflict,) = started.conflicts.all()
    assert conflict.kind == Conflict.Kind.REFUSED
    deal.refresh_from_db()
    assert deal.company_id is None
    with pytest.raises(ValidationError) as refused:
        put_back_row(conflict.pk, actor=admin)
    assert refused.value.code == "refused"


# Who sees what


def test_places_in_teams_are_told_to_who_may_see_them(admin: User, team: Team) -> None:
    person = factories.make_user("Eva New")
    role = Role.objects.get(key="accountant")
    with recorded(admin):
        Membership.objects.create(user=person, team=team, role=role)
    vera = factories.make_user("Vera Count")
    Membership.objects.create(user=vera, team=team, role=role)
    page = login(vera).get(reverse("admin:accounts_user_history", args=[person.pk])).content.decode()
    assert "Eva New" in page
    assert "North" not in page
    page = login(admin).get(reverse("admin:accounts_user_history", args=[person.pk])).content.decode()
    assert "North" in page


def test_what_others_did_besides_is_not_told_by_a_row(anna: User, boris: User) -> None:
    deal = make_deal("Desks", owner=anna)
    with recorded(boris, label="Import of canary.xlsx"):
        Deal.objects.update(next_step="call")
    client = login(anna)
    page = client.get(reverse("admin:crm_deal_history", args=[deal.pk])).content.decode()
    assert "call" in page
    assert "canary" not in page
    (changed,) = ChangeSet.objects.filter(label__contains="canary")
    assert reverse("admin:history_changeset_change", args=[changed.pk]) not in page


def test_parts_are_not_called_after_what_is_hidden(anna: User, boris: User) -> None:
    person = Person.objects.create(given_name="Eva", owner=anna)
    hidden = make_company("Canary Foreign Ltd", owner=boris)
    with recorded(anna) as work:
        Employment.objects.create(person=person, company=hidden)
    page = login(anna).get(reverse("admin:history_changeset_change", args=[set_of(work).pk]))
    assert "Canary" not in page.content.decode()
    assert "Company (not yours to see)" in page.content.decode()
    Employment.objects.update(title="Head")
    started = undo(set_of(work), anna)
    assert started.conflicts.count() == 1
    page = login(anna).get(reverse("admin:history_undo", args=[set_of(work).pk]))
    assert "Canary" not in page.content.decode()


def test_ones_own_deleted_parts_are_told(anna: User) -> None:
    deal = make_deal("Desks", owner=anna)
    line = DealLine.objects.create(deal=deal, product=Product.objects.create(name="Big desk"))
    with recorded(anna) as work:
        line.delete()
    (told,) = stories.told(set_of(work), actor=anna)
    assert [row.name for row in told.rows] == ["Big desk · 1.000 · entered by hand"]


def test_titles_name_only_what_the_reader_sees(anna: User, boris: User, admin: User, team: Team) -> None:
    lead = factories.make_lead("Lena Lead", team)
    role = lead.memberships.get().role
    RoleGrant.objects.create(role=role, permission="history.view_changeset", reach=RoleGrant.Reach.TEAM)
    hidden = make_deal("Canary deal", owner=boris)
    with recorded(anna):
        Deal.objects.filter(pk=hidden.pk).update(next_step="call")
    listed = reverse("admin:history_changeset_changelist")
    page = login(lead).get(listed).content.decode()
    assert "Deal · next step" in page
    assert "Canary" not in page
    assert "Deal “Canary deal” · next step" in login(admin).get(listed).content.decode()


def test_a_part_is_told_by_the_name_of_its_whole_though_that_is_kept_elsewhere(anna: User) -> None:
    deal = make_deal("Desks", owner=anna)
    with recorded(anna) as work:
        log_activity(about=[("deal", deal.pk)], kind="NOTE", body="Called", actor=anna)
    assert titles.in_short(set_of(work)).startswith("Activity")


def test_a_job_title_names_no_row(anna: User) -> None:
    make_deal("Canary deal", owner=anna)
    with recorded(anna) as work:
        Deal.objects.update(amount=7, next_step="call")
    job = start_undo(set_of(work).pk, actor=anna).job
    assert job is not None
    assert job.title == "Undo: Deal · amount, next step"


# What is never kept


def test_no_secret_is_recorded() -> None:
    suspicious = ("password", "secret", "token", "hash", "key_", "_key", "otp", "recovery", "session")
    recorded_columns = {f"{model.label}.{column}" for model in tracked_models() for column in model.fields()}
    found = {name for name in recorded_columns if any(word in name.rpartition(".")[2] for word in suspicious)}
    # The number of an account of ours, without its spaces.
    assert found == {"payments.bankaccount.number_key"}


@pytest.mark.parametrize("many", [False, True])
def test_a_password_leaves_no_trace(many: bool, admin: User) -> None:
    people = [factories.make_user(f"Person {n}") for n in range(20 if many else 1)]
    with recorded(admin) as work:
        User.objects.filter(pk__in=[p.pk for p in people]).update(password="argon2$canary", name="New")
    with recorded(admin) as other:
        made = User.objects.create(email="x@example.org", name="X", password="argon2$canary")
        made.delete()
    kept = Change.objects.filter(change_set__in=[set_of(work), set_of(other)])
    assert kept.count() == len(people) + 2
    assert "canary" not in str(list(kept.values_list("old", "new")))


# Hostile input


def test_a_hostile_request_id_is_not_kept(admin: User) -> None:
    for given in ("<script>", "x" * 65, "a b", "'; drop table crm_tag; --"):
        login(admin).post(
            reverse("admin:crm_tag_add"),
            {"name": f"tag {given[:9]}", "color": ""},
            headers={"X-Request-Id": given},
        )
    kept = set(ChangeSet.objects.filter(face="ADMIN").values_list("request_id", flat=True))
    assert len(kept) == 4
    assert all(len(one) == 32 and one.isalnum() for one in kept)


def test_hostile_labels_and_reasons_are_only_text(admin: User) -> None:
    evil = "<script>alert(1)</script>{{ 7|add:7 }}"
    deal = make_deal(evil, owner=admin)
    with recorded(admin, label=f"{evil}'); drop table history_change; --", reason=evil * 50) as work:
        Deal.objects.update(next_step=evil)
    pk = set_of(work).pk
    undo(set_of(work), admin)
    for url in (
        reverse("admin:history_changeset_changelist"),
        reverse("admin:history_changeset_change", args=[pk]),
        reverse("admin:history_undo", args=[pk]),
        reverse("admin:crm_deal_history", args=[deal.pk]),
    ):
        page = login(admin).get(url).content.decode()
        assert "alert(1)" in page
        assert "<script>alert" not in page


def test_odd_numbers_are_nothings(admin: User) -> None:
    deal = make_deal("Desks", owner=admin)
    with recorded(admin) as work:
        Deal.objects.update(next_step="call")
    Deal.objects.update(next_step="write")
    undo(set_of(work), admin)
    client = login(admin)
    story = reverse("admin:crm_deal_history", args=[deal.pk])
    assert client.get(story, {"before": ENDLESS}).status_code == 200
    assert client.get(f"/admin/history/changeset/{ENDLESS}/change/").status_code == 404
    # No number that an address can have: Django goes on to look for a page of that name.
    assert client.get(f"/admin/history/changeset/{ENDLESS}/undo/").status_code == 302
    decide = reverse("admin:history_undo_decide", args=[set_of(work).pk])
    assert client.post(decide, {"conflict": ENDLESS, "decision": "keep"}).status_code == 302
    assert Conflict.objects.get().outcome == Conflict.Outcome.OPEN


def test_a_reason_with_nothing_in_it_breaks_nothing(admin: User) -> None:
    make_deal("Desks", owner=admin)
    with recorded(admin) as work:
        Deal.objects.update(next_step="call")
    start = reverse("admin:history_undo_start", args=[set_of(work).pk])
    assert login(admin).post(start, {"reason": "a\0b" + "x" * 9000}).status_code == 302
    reason = Undo.objects.get().reason
    assert (reason[:2], len(reason)) == ("ab", 500)


def test_nothing_happens_by_looking_or_from_another_site(admin: User) -> None:
    make_deal("Desks", owner=admin)
    with recorded(admin) as work:
        Deal.objects.update(next_step="call")
    pk = set_of(work).pk
    for name in ("history_undo_start", "history_undo_decide"):
        url = reverse(f"admin:{name}", args=[pk])
        assert login(admin).get(url).status_code == 405
        assert login(admin, enforce_csrf_checks=True).post(url).status_code == 403
    login(admin).get(reverse("admin:history_undo", args=[pk]))
    assert not Undo.objects.exists()


def test_huge_values_are_kept_whole_and_told_short(admin: User) -> None:
    deal = make_deal("Desks", owner=admin)
    text = "long " * 200_000
    with recorded(admin) as work:
        Deal.objects.update(description=text)
    page = login(admin).get(reverse("admin:crm_deal_history", args=[deal.pk])).content
    assert len(page) < 100_000
    undo(set_of(work), admin)
    undo(ChangeSet.objects.get(reverts=set_of(work)), admin)
    assert Deal.objects.get().description == text


def test_columns_without_words_follow_those_that_were_ticked(admin: User) -> None:
    deal = make_deal("Desks", owner=admin)
    with recorded(admin) as work:
        deals.change_deal(deal.pk, actor=admin, probability=77)
    assert Deal.objects.get().is_probability_manual
    Deal.objects.update(probability=78)
    started = undo(set_of(work), admin)
    decide = reverse("admin:history_undo_decide", args=[set_of(work).pk])
    sent = {"conflict": started.conflicts.get().pk, "decision": "put_back", "has_columns": "1"}
    login(admin).post(decide, sent | {"column": "probability"})
    assert not Deal.objects.get().is_probability_manual
    assert started.conflicts.get().outcome == Conflict.Outcome.REVERTED


def test_many_rows_are_put_back_by_a_job(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.history.admin.CONFLICTS_SHOWN", 5)
    for n in range(8):
        make_deal(f"Deal {n}", owner=admin, amount=Decimal(n + 10))
    with recorded(admin) as work:
        Deal.objects.update(amount=100)
    Deal.objects.update(amount=5)
    started = undo(set_of(work), admin)
    decide = reverse("admin:history_undo_decide", args=[set_of(work).pk])
    login(admin).post(decide, {"conflict": "all", "decision": "put_back"})
    started.refresh_from_db()
    assert started.job is not None
    assert (started.job.kind, Deal.objects.filter(amount=5).count()) == ("history.put_back", 8)
    job = started.job
    while True:
        step = undoing.put_back_step(job, None)  # type: ignore[arg-type]
        job.checkpoint = step.checkpoint
        if step.result is not None:
            break
    assert step.result == {"undo": started.pk, "reverted": 8, "left": 0}
    assert set(Deal.objects.values_list("amount", flat=True)) == set(range(10, 18))
