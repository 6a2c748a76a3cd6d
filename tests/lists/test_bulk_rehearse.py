"""A rehearsal does everything and keeps nothing but its verdicts; applying does exactly what it showed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.accounts.models import RoleGrant, Team, User
from apps.crm.models import Company, Deal, LostReason, Product, Tag
from apps.events.models import Event
from apps.history.models import Change, ChangeSet
from apps.history.services.undoing import uid_of_job
from apps.jobs.kinds import JobRefused
from apps.jobs.models import Job
from apps.jobs.services import retry_job
from apps.lists.models import BulkEdit, BulkRow, Selection
from apps.lists.services import bulk
from apps.lists.services.bulk import (
    apply_bulk_edit,
    discard_bulk_edit,
    open_bulk_edit,
    rehearse_bulk_edit,
    undo_bulk_edit,
)
from tests.crm.factories import (
    join,
    make_company,
    make_deal,
    make_lead,
    make_product,
    make_role,
    make_salesperson,
    make_team,
    stage,
)
from tests.history.factories import everything, run_undo
from tests.lists.bulk import apply, break_off, do, finish, reasons, rehearse, reread, set_to, verdicts

pytestmark = pytest.mark.django_db


@pytest.fixture
def deals(anna: User, boris: User, team: Team) -> list[Deal]:
    """Four open deals of Anna's and one of Boris's."""
    return [make_deal(owner=anna, team=team) for _n in range(4)] + [make_deal(owner=boris, team=team)]


def test_a_rehearsal_says_what_would_become_of_each_row_and_changes_nothing(
    deals: list[Deal], lena: User, anna: User, boris: User
) -> None:
    won = make_deal(owner=anna, team=lena.memberships.get().team, status="WON")
    before, facts = everything(), Event.objects.count()
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    assert (edit.count, edit.out_of_reach, edit.state) == (6, 0, "CHOOSING")
    finish(rehearse_bulk_edit(edit.pk, {"owner": set_to(boris), "move": do(stage("Engaging"))}, actor=lena))
    edit = reread(edit)
    assert edit.state == "REHEARSED"
    assert edit.counts == {"changed": 5, "same": 0, "refused": 1, "gone": 0, "moved": 0}
    # Refused wholly: its owner, too, would stay.
    assert verdicts(edit)[won.pk] == "R"
    assert "closed" in reasons(edit)[won.pk]
    assert everything() == before
    assert Event.objects.count() == facts
    assert not ChangeSet.objects.filter(job=edit.rehearse_job).exists()
    row = BulkRow.objects.get(edit=edit, row_id=deals[0].pk)
    assert row.values is not None
    assert row.values["owner"] == [anna.pk, boris.pk]
    assert row.values["stage"] == [stage("Prospecting").pk, stage("Engaging").pk]


def test_applying_does_what_was_rehearsed_and_is_one_change_set(
    deals: list[Deal], lena: User, boris: User
) -> None:
    edit = rehearse(Deal.objects.all(), {"owner": set_to(boris)}, actor=lena)
    assert edit.counts == {"changed": 4, "same": 1, "refused": 0, "gone": 0, "moved": 0}
    facts = Event.objects.count()
    edit = apply(edit, actor=lena)
    assert edit.state == "APPLIED"
    assert set(Deal.objects.values_list("owner", flat=True)) == {boris.pk}
    assert Event.objects.filter(type="crm.deal.assigned.v1").count() == 4
    assert Event.objects.count() == facts + 4
    made = ChangeSet.objects.get(job=edit.apply_job)
    assert (made.actor, made.uid) == (lena, uid_of_job(edit.apply_job_id or 0))
    assert Change.objects.filter(change_set=made).count() == 4
    assert Deal.objects.get(pk=deals[4].pk).version == deals[4].version


def test_undo_puts_every_row_back(deals: list[Deal], lena: User, boris: User) -> None:
    tag = Tag.objects.create(name="hot")
    deals[0].tags.add(tag)
    before = everything()
    changes = {
        "owner": set_to(boris),
        "amount": {"how": "percent", "value": "12.5"},
        "next_step": set_to("call"),
        "tags": {"how": "add", "value": [tag.pk]},
    }
    edit = apply(rehearse(Deal.objects.all(), changes, actor=lena), actor=lena)
    assert everything() != before
    assert Deal.objects.get(pk=deals[1].pk).amount == Decimal("1125.00")
    undo = undo_bulk_edit(edit.pk, actor=lena)
    assert undo_bulk_edit(edit.pk, actor=lena) == undo
    run_undo(undo)
    assert not undo.conflicts.exists()
    assert everything() == before


def test_rows_changed_since_the_rehearsal_are_left_alone_and_listed(
    deals: list[Deal], lena: User, boris: User
) -> None:
    edit = rehearse(Deal.objects.all(), {"owner": set_to(boris)}, actor=lena)
    Deal.objects.filter(pk=deals[0].pk).update(title="Renamed", version=deals[0].version + 1)
    away = make_salesperson("far away", make_team("South"))
    Deal.objects.filter(pk=deals[1].pk).update(team=away.memberships.get().team, owner=away)
    edit = apply(edit, actor=lena)
    assert edit.counts == {"changed": 2, "same": 1, "refused": 0, "gone": 1, "moved": 1}
    assert (verdicts(edit)[deals[0].pk], verdicts(edit)[deals[1].pk]) == ("X", "G")
    assert Deal.objects.get(pk=deals[0].pk).owner != boris
    assert Deal.objects.get(pk=deals[1].pk).owner == away


def test_what_would_become_something_else_than_was_shown_is_left_alone(
    deals: list[Deal], lena: User, boris: User
) -> None:
    edit = rehearse(Deal.objects.all(), {"owner": set_to(boris)}, actor=lena)
    # The rows are as they were, but the new owner's deals now go to another team.
    old = boris.memberships.get()
    boris.memberships.create(team=make_team("Other"), role=old.role)
    old.delete()
    edit = apply(edit, actor=lena)
    assert edit.counts == {"changed": 0, "same": 1, "refused": 0, "gone": 0, "moved": 4}
    assert not Event.objects.filter(type="crm.deal.assigned.v1").exists()


def test_a_plan_that_was_tampered_with_is_not_applied(deals: list[Deal], lena: User, boris: User) -> None:
    edit = rehearse(Deal.objects.filter(pk=deals[0].pk), {"owner": set_to(boris)}, actor=lena)
    foreign = make_deal(owner=lena)
    BulkRow.objects.filter(edit=edit).update(row_id=foreign.pk)
    with pytest.raises(JobRefused):
        apply(edit, actor=lena)
    assert reread(edit).state == "FAILED"
    assert Deal.objects.get(pk=foreign.pk).owner == lena


def test_only_rows_within_reach_are_chosen_and_the_others_counted(
    deals: list[Deal], anna: User, boris: User
) -> None:
    south = make_salesperson("Canary", make_team("South"))
    foreign = make_deal("canary", owner=south)
    role = make_role({"crm.view_deal": "TEAM"})
    reader = join(anna, anna.memberships.get().team, role)
    RoleGrant.objects.create(role=role, permission="lists.add_bulkedit", reach="OWN")
    edit = open_bulk_edit(Deal.objects.all(), actor=User.objects.get(pk=reader.pk))
    # Boris's is seen and not hers to change; the foreign one she does not even hear of.
    assert (edit.count, edit.out_of_reach) == (4, 1)
    assert foreign.pk not in set(edit.selection.rows.values_list("row_id", flat=True))  # type: ignore[union-attr]


def test_each_row_asks_the_policy_again(deals: list[Deal], lena: User, boris: User) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    away = make_salesperson("far away", make_team("South"))
    Deal.objects.filter(pk=deals[0].pk).update(owner=away, team=away.memberships.get().team)
    finish(rehearse_bulk_edit(edit.pk, {"amount": set_to("5")}, actor=lena))
    assert verdicts(reread(edit))[deals[0].pk] == "G"
    # And the right itself, between the rehearsal and the click.
    RoleGrant.objects.filter(permission="crm.change_deal").update(reach="OWN")
    edit = apply(reread(edit), actor=User.objects.get(pk=lena.pk))
    assert edit.counts["changed"] == 0
    assert set(verdicts(edit).values()) == {"R", "G"}
    assert not Deal.objects.filter(amount=5).exists()


def test_who_may_not_do_it_at_all(deals: list[Deal], lena: User, boris: User) -> None:
    edit = rehearse(Deal.objects.all(), {"owner": set_to(boris)}, actor=lena)
    RoleGrant.objects.filter(permission="crm.assign_deal").delete()
    with pytest.raises(JobRefused):
        apply(edit, actor=User.objects.get(pk=lena.pk))
    RoleGrant.objects.filter(permission="lists.add_bulkedit").delete()
    with pytest.raises(PermissionDenied):
        open_bulk_edit(Deal.objects.all(), actor=User.objects.get(pk=lena.pk))


def test_nobody_does_what_somebody_else_rehearsed(deals: list[Deal], lena: User, admin: User) -> None:
    edit = rehearse(Deal.objects.all(), {"amount": set_to("5")}, actor=lena)
    for act in (apply_bulk_edit, discard_bulk_edit, undo_bulk_edit):
        with pytest.raises(ValidationError) as refused:
            act(edit.pk, actor=admin)
        assert refused.value.code == "not_yours"
        with pytest.raises(BulkEdit.DoesNotExist):
            act(edit.pk, actor=make_lead("Other lead"))


def test_asking_twice_is_asking_once(deals: list[Deal], lena: User) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    changes = {"amount": set_to("5")}
    job = rehearse_bulk_edit(edit.pk, changes, actor=lena)
    assert rehearse_bulk_edit(edit.pk, changes, actor=lena) == job
    with pytest.raises(ValidationError) as refused:
        rehearse_bulk_edit(edit.pk, {"amount": set_to("6")}, actor=lena)
    assert refused.value.code == "bulk_edit_not_editable"
    finish(job)
    first = apply_bulk_edit(edit.pk, actor=lena)
    assert apply_bulk_edit(edit.pk, actor=lena) == first
    finish(first)
    assert apply_bulk_edit(edit.pk, actor=lena) == first
    assert Job.objects.count() == 2
    assert set(Deal.objects.values_list("version", flat=True)) == {2}


def test_nothing_is_applied_that_was_not_rehearsed(deals: list[Deal], lena: User) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    with pytest.raises(ValidationError) as refused:
        apply_bulk_edit(edit.pk, actor=lena)
    assert refused.value.code == "not_rehearsed"
    same = rehearse(Deal.objects.all(), {"currency": set_to("RUB")}, actor=lena)
    assert same.counts["same"] == 5
    with pytest.raises(ValidationError) as refused:
        apply_bulk_edit(same.pk, actor=lena)
    assert refused.value.code == "nothing_to_do"


def may_retry(user: User) -> User:
    role = user.memberships.get().role
    for action in ("view", "retry"):
        RoleGrant.objects.create(role=role, permission=f"jobs.{action}_job", reach="OWN")
    return User.objects.get(pk=user.pk)


def test_a_cancelled_change_can_go_on_or_be_undone(
    deals: list[Deal], lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.lists.bulk.Bulk.at_once", lambda self, keys: 2)
    lena = may_retry(lena)
    before = everything()
    edit = rehearse(Deal.objects.all(), {"amount": set_to("5")}, actor=lena)
    job = apply_bulk_edit(edit.pk, actor=lena)
    finish(job, most=1)
    break_off(job, Job.State.CANCELLED)
    edit = reread(edit)
    assert (edit.state, edit.applied_to) == ("CANCELLED", 2)
    assert Deal.objects.filter(amount=5).count() == 2
    for act in (
        lambda: rehearse_bulk_edit(edit.pk, {"amount": set_to("6")}, actor=lena),
        lambda: discard_bulk_edit(edit.pk, actor=lena),
    ):
        with pytest.raises(ValidationError):
            act()
    finish(retry_job(job.pk, actor=lena))
    edit = reread(edit)
    assert (edit.state, edit.counts["changed"]) == ("APPLIED", 5)
    assert set(Deal.objects.values_list("amount", "version")) == {(Decimal(5), 2)}
    run_undo(undo_bulk_edit(edit.pk, actor=lena))
    assert everything() == before


def test_what_was_undone_half_way_does_not_go_on(
    deals: list[Deal], lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.lists.bulk.Bulk.at_once", lambda self, keys: 2)
    edit = rehearse(Deal.objects.all(), {"amount": set_to("5")}, actor=lena)
    job = apply_bulk_edit(edit.pk, actor=lena)
    finish(job, most=1)
    break_off(job, Job.State.CANCELLED)
    run_undo(undo_bulk_edit(edit.pk, actor=lena))
    with pytest.raises(ValidationError) as refused:
        retry_job(job.pk, actor=may_retry(lena))
    assert refused.value.code == "bulk_edit_not_editable"


def test_what_came_to_nothing_can_be_chosen_anew_or_thrown_away(deals: list[Deal], lena: User) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    job = rehearse_bulk_edit(edit.pk, {"amount": set_to("5")}, actor=lena)
    break_off(job, Job.State.FAILED)
    assert reread(edit).state == "FAILED"
    finish(rehearse_bulk_edit(edit.pk, {"amount": set_to("6")}, actor=lena))
    assert BulkRow.objects.filter(edit=edit).count() == 5
    discard_bulk_edit(edit.pk, actor=lena)
    assert not BulkRow.objects.exists()
    assert not Selection.objects.exists()


def test_too_many_rows_at_once(deals: list[Deal], lena: User, settings: Any) -> None:
    settings.BULK_EDIT_MAX_ROWS = 4
    with pytest.raises(ValidationError) as refused:
        open_bulk_edit(Deal.objects.all(), actor=lena)
    assert refused.value.code == "too_many_rows"
    assert not BulkEdit.objects.exists()


HOSTILE: list[tuple[Any, str]] = [
    ({}, "nothing_chosen"),
    ([], "nothing_chosen"),
    ({"version": set_to(1)}, "unknown_change"),
    ({"owner_id": set_to(1)}, "unknown_change"),
    ({"win": do(), "archive": do()}, "two_deeds"),
]


@pytest.mark.parametrize(("changes", "code"), HOSTILE)
def test_what_cannot_be_meant(changes: Any, code: str, deals: list[Deal], lena: User) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    with pytest.raises(ValidationError) as refused:
        rehearse_bulk_edit(edit.pk, changes, actor=lena)
    assert refused.value.code == code


WRONG: list[tuple[str, Any]] = [
    ("amount", "set"),
    ("amount", {}),
    ("amount", {"how": "shift", "value": 3}),
    ("amount", {"how": "set"}),
    ("amount", {"how": "set", "value": "-1"}),
    ("amount", {"how": "set", "value": "NaN"}),
    ("amount", {"how": "set", "value": "1e400"}),
    ("amount", {"how": "set", "value": {"a": 1}}),
    ("amount", {"how": "set", "value": "10000000000000000000"}),
    ("amount", {"how": "percent", "value": "-101"}),
    ("amount", {"how": ["set"], "value": 1}),
    ("currency", {"how": "set", "value": "rubles"}),
    ("currency", {"how": "clear"}),
    ("probability", {"how": "set", "value": 101}),
    ("next_step", {"how": "set", "value": "x" * 201}),
    ("next_step", {"how": "set", "value": "a\0b"}),
    ("expected_close_date", {"how": "set", "value": "2026-02-30"}),
    ("expected_close_date", {"how": "shift", "value": 10**9}),
    ("owner", {"how": "set", "value": 0}),
    ("owner", {"how": "set", "value": [1]}),
    ("owner", {"how": "set", "value": 10**30}),
    ("tags", {"how": "add", "value": ["x"]}),
    ("tags", {"how": "add", "value": 3}),
    ("move", {"how": "do", "value": None}),
    ("lose", {"how": "do"}),
]


@pytest.mark.parametrize(("key", "given"), WRONG)
def test_values_that_are_refused_under_their_name(
    key: str, given: Any, deals: list[Deal], lena: User
) -> None:
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    with pytest.raises(ValidationError) as refused:
        rehearse_bulk_edit(edit.pk, {key: given}, actor=lena)
    assert list(refused.value.message_dict) == [key]
    assert reread(edit).state == "CHOOSING"


def test_values_name_only_what_is_in_sight(deals: list[Deal], lena: User) -> None:
    left = make_salesperson("Left us", lena.memberships.get().team)
    User.objects.filter(pk=left.pk).update(is_active=False)
    edit = open_bulk_edit(Deal.objects.all(), actor=lena)
    closing = stage("Won")
    company = make_company("Hidden", owner=make_salesperson("x"), team=make_team())
    for key, row in {"owner": left, "move": closing, "company": company}.items():
        with pytest.raises(ValidationError):
            rehearse_bulk_edit(edit.pk, {key: do(row) if key == "move" else set_to(row)}, actor=lena)


def test_a_row_that_the_database_refuses_stands_alone(admin: User) -> None:
    products = [make_product(f"P{n}", price=Decimal(n), currency="RUB") for n in range(9)]
    first, second = make_company("First", owner=admin), make_company("Second", owner=admin)
    Company.objects.filter(pk=second.pk).update(parent=first)
    edit = rehearse(Company.objects.all(), {"parent": set_to(second)}, actor=admin)
    # A company cannot be part of itself, nor of its own part.
    assert set(verdicts(edit).values()) == {"R"}
    others = [make_company(owner=admin) for _n in range(6)]
    edit = apply(rehearse(Company.objects.all(), {"parent": set_to(second)}, actor=admin), actor=admin)
    assert edit.counts == {"changed": 6, "same": 0, "refused": 2, "gone": 0, "moved": 0}
    assert set(Company.objects.filter(pk__in=[c.pk for c in others]).values_list("parent", flat=True)) == {
        second.pk
    }
    # A price needs a currency: only the database knows.
    Product.objects.filter(pk__in=[p.pk for p in products[:3]]).update(price=None, currency="")
    edit = rehearse(Product.objects.all(), {"price": set_to("5")}, actor=admin)
    assert edit.counts == {"changed": 5, "same": 1, "refused": 3, "gone": 0, "moved": 0}
    assert set(reasons(edit).values()) == {"A price needs a currency."}


def test_dates_and_amounts_that_are_not_there_stay_away(lena: User, anna: User, team: Team) -> None:
    full = make_deal(owner=anna, team=team, amount=Decimal("33.33"), expected_close_date=date(2026, 2, 27))
    empty = make_deal(owner=anna, team=team, amount=None)
    late = make_deal(owner=anna, team=team, expected_close_date=date(9999, 12, 30))
    changes: dict[str, dict[str, Any]] = {
        "amount": {"how": "percent", "value": "-50"},
        "expected_close_date": {"how": "shift", "value": 3},
    }
    edit = apply(rehearse(Deal.objects.all(), changes, actor=lena), actor=lena)
    assert verdicts(edit) == {full.pk: "C", empty.pk: "S", late.pk: "R"}
    full.refresh_from_db()
    assert (full.amount, full.expected_close_date) == (Decimal("16.67"), date(2026, 3, 2))


def test_a_deed_with_its_reason(lena: User, anna: User, team: Team) -> None:
    open_, won = make_deal(owner=anna, team=team), make_deal(owner=anna, team=team, status="WON")
    price = LostReason.objects.get(name="Price")
    edit = apply(rehearse(Deal.objects.all(), {"lose": do(price)}, actor=lena), actor=lena)
    assert verdicts(edit) == {open_.pk: "C", won.pk: "R"}
    open_.refresh_from_db()
    assert (open_.status, open_.lost_reason) == ("LOST", price)
    step = open_.transitions.order_by("-pk")[0]
    assert (step.to_stage, step.actor, step.face) == (stage("Lost"), lena, "ADMIN")


def test_old_changes_lose_their_rows_and_keep_their_record(deals: list[Deal], lena: User) -> None:
    edit = apply(rehearse(Deal.objects.all(), {"amount": set_to("5")}, actor=lena), actor=lena)
    draft = open_bulk_edit(Deal.objects.all(), actor=lena)
    assert bulk.expire_bulk_edits() == 0
    BulkEdit.objects.update(created_at="2020-01-01T00:00Z")
    assert bulk.expire_bulk_edits() == 2
    assert not BulkRow.objects.exists()
    assert reread(edit).counts["changed"] == 5
    assert not BulkEdit.objects.filter(pk=draft.pk).exists()
