"""Undo puts back what stayed as it was made, sets aside what did not, and says why."""

from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F

from apps.accounts.models import User
from apps.crm.models import Company, Deal, DealLine, Employment, Person, Product, Stage, StageTransition, Tag
from apps.crm.services.deals import create_deal, move_deal
from apps.history.models import Change, ChangeSet, Conflict
from apps.history.services import undoing
from apps.history.services.undoing import keep_row, put_back_row, start_undo
from tests.crm.factories import make_company, make_deal
from tests.history.factories import everything, recorded, run_undo, set_of, undo

pytestmark = pytest.mark.django_db


def test_bulk_edit_is_put_back(anna: User) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(30)]
    before = everything()
    with recorded(anna) as work:
        Deal.objects.update(amount=F("amount") * 2 + 1, next_step="call")
    undo(set_of(work), anna)
    assert everything() == before
    deals[0].refresh_from_db()
    assert deals[0].updated_by == anna


def test_versions_go_on_and_never_back(anna: User) -> None:
    company = make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.filter(pk=company.pk).update(city="Perm", version=F("version") + 1)
    undo(set_of(work), anna)
    company.refresh_from_db()
    assert (company.city, company.version) == ("", 3)


def test_rows_changed_since_are_set_aside(anna: User) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(40)]
    with recorded(anna) as work:
        Deal.objects.update(amount=100)
    for deal in deals[:10]:
        Deal.objects.filter(pk=deal.pk).update(amount=777)
    Deal.objects.filter(pk=deals[20].pk).update(next_step="another column")
    started = undo(set_of(work), anna)
    assert set(started.conflicts.values_list("row_id", flat=True)) == {str(d.pk) for d in deals[:10]}
    assert set(started.conflicts.values_list("kind", flat=True)) == {Conflict.Kind.CHANGED}
    amounts = dict(Deal.objects.values_list("pk", "amount"))
    assert all(amounts[deal.pk] == 777 for deal in deals[:10])
    assert all(amounts[deal.pk] == n for n, deal in enumerate(deals) if n >= 10)
    assert Deal.objects.get(pk=deals[20].pk).next_step == "another column"


def test_created_rows_go_with_their_parts(anna: User, admin: User) -> None:
    before = everything()
    with recorded(admin) as work:
        company = Company.objects.create(name="Iron", owner=anna)
        child = Company.objects.create(name="Ore", owner=anna, parent=company)
        person = Person.objects.create(given_name="Eva", owner=anna)
        Employment.objects.create(person=person, company=child)
        tag = Tag.objects.create(name="fresh")
        product = Product.objects.create(name="Desk")
        deal = create_deal(actor=admin, face=StageTransition.Face.ADMIN, title="Desks", company_id=company.pk)
        deal.tags.add(tag)
        company.tags.add(tag)
        DealLine.objects.create(deal=deal, product=product)
    started = undo(set_of(work), admin)
    assert list(started.conflicts.values_list("model", "kind", "detail")) == []
    assert everything() == before
    assert not StageTransition.objects.filter(deal_id=deal.pk).exists()


def test_created_row_that_something_refers_to_since_stays(anna: User, admin: User) -> None:
    with recorded(admin) as work:
        company = Company.objects.create(name="Iron", owner=anna)
        other = Company.objects.create(name="Steel", owner=anna)
    make_deal("Desks", owner=anna, company=company)
    started = undo(set_of(work), admin)
    (conflict,) = started.conflicts.all()
    assert (conflict.row_id, conflict.kind, conflict.detail) == (str(company.pk), "REFERRED", "Deals")
    assert not Company.objects.filter(pk=other.pk).exists()


def test_created_deal_with_a_line_changed_since_stays_whole(anna: User, admin: User) -> None:
    product = Product.objects.create(name="Desk")
    with recorded(admin) as work:
        deal = create_deal(actor=admin, face=StageTransition.Face.ADMIN, title="Desks")
        line = DealLine.objects.create(deal=deal, product=product)
    DealLine.objects.filter(pk=line.pk).update(quantity=5)
    started = undo(set_of(work), admin)
    (conflict,) = started.conflicts.all()
    assert (conflict.model, conflict.kind, conflict.detail) == ("crm.deal", "CHANGED", "Deal lines")
    assert DealLine.objects.filter(pk=line.pk, quantity=5).exists()
    assert deal.transitions.count() == 1


def test_deleted_rows_come_back_with_their_ids_and_parts(anna: User, admin: User) -> None:
    product = Product.objects.create(name="Desk", price=Decimal("10.50"), currency="RUB")
    deal = make_deal("Desks", owner=anna, amount=Decimal("1.20"))
    deal.tags.add(Tag.objects.create(name="hot"))
    DealLine.objects.create(deal=deal, product=product, quantity=Decimal("1.500"))
    steps = list(StageTransition.objects.values())
    before = everything()
    with recorded(admin) as work:
        deal.delete()
        product.delete()
    undo(set_of(work), admin)
    assert everything() == before
    assert list(StageTransition.objects.values()) == steps


def test_undo_of_an_undo_is_as_if_nothing_had_been_undone(anna: User) -> None:
    make_deal("Desks", owner=anna, amount=Decimal(1))
    with recorded(anna) as work:
        Deal.objects.update(amount=2)
        Company.objects.create(name="Iron", owner=anna)
    after = everything()
    started = undo(set_of(work), anna)
    made = ChangeSet.objects.get(uid=started.uid)
    assert made.reverts == set_of(work)
    undo(made, anna)
    assert everything() == after


def test_a_step_back_is_told_as_a_step(anna: User) -> None:
    deal = make_deal("Desks", owner=anna)
    first = deal.stage
    second = Stage.objects.get(pipeline=first.pipeline, position=first.position + 1)
    with recorded(anna) as work:
        move_deal(deal.pk, stage_id=second.pk, actor=anna, face=StageTransition.Face.ADMIN)
    undo(set_of(work), anna)
    deal.refresh_from_db()
    assert deal.stage == first
    steps = list(deal.transitions.order_by("id").values_list("from_stage_id", "to_stage_id"))
    assert steps[-2:] == [(first.pk, second.pk), (second.pk, first.pk)]


def test_refused_rows_are_set_aside_alone(anna: User) -> None:
    first = make_company("First", owner=anna, tax_id="7707083893")
    second = make_company("Second", owner=anna, tax_id="7736207543")
    with recorded(anna) as work:
        Company.objects.filter(pk__in=[first.pk, second.pk]).update(tax_id="")
    make_company("Third", owner=anna, tax_id="7707083893")
    started = undo(set_of(work), anna)
    (conflict,) = started.conflicts.all()
    assert (conflict.row_id, conflict.kind) == (str(first.pk), "REFUSED")
    assert conflict.detail == "A company with this tax id exists already."
    second.refresh_from_db()
    assert second.tax_id == "7736207543"


def test_values_that_changed_hands_come_back_in_the_end(anna: User) -> None:
    """The first row waits for the second, which gives the value free: the refused are tried again."""
    first = make_company("First", owner=anna, tax_id="7707083893")
    second = make_company("Second", owner=anna, tax_id="")
    before = everything()
    with recorded(anna) as work:
        Company.objects.filter(pk=first.pk).update(tax_id="")
        Company.objects.filter(pk=second.pk).update(tax_id="7707083893")
    started = undo(set_of(work), anna)
    assert not started.conflicts.exists()
    assert everything() == before


def test_rows_deleted_since_are_told(anna: User) -> None:
    company = make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.filter(pk=company.pk).update(city="Perm")
    Company.objects.filter(pk=company.pk).delete()
    started = undo(set_of(work), anna)
    assert [c.kind for c in started.conflicts.all()] == [Conflict.Kind.GONE]


def test_rows_out_of_reach_are_left_alone(anna: User, boris: User, admin: User) -> None:
    mine = make_deal("Mine", owner=anna, amount=Decimal(1))
    foreign = make_deal("Foreign", owner=boris, amount=Decimal(1))
    with recorded(anna) as work:
        Deal.objects.update(amount=5)
    started = undo(set_of(work), anna)
    assert [(c.row_id, c.kind) for c in started.conflicts.all()] == [(str(foreign.pk), "FORBIDDEN")]
    assert Deal.objects.get(pk=mine.pk).amount == 1
    conflict = started.conflicts.get()
    with pytest.raises(PermissionDenied):
        put_back_row(conflict.pk, actor=anna)
    put_back_row(conflict.pk, actor=admin)
    assert Deal.objects.get(pk=foreign.pk).amount == 1


def test_only_administrators_of_everything_undo_what_concerns_rights(anna: User, admin: User) -> None:
    User.objects.filter(pk=anna.pk).update(is_superuser=True)
    with recorded(anna) as work:
        User.objects.filter(pk=anna.pk).update(is_superuser=False)
    anna.refresh_from_db()
    started = undo(set_of(work), anna)
    assert [c.kind for c in started.conflicts.all()] == [Conflict.Kind.FORBIDDEN]
    assert not User.objects.get(pk=anna.pk).is_superuser


# Who may


def test_own_changes_are_undone_for_some_days(anna: User, settings: object) -> None:
    make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.update(city="Perm")
    subject = set_of(work)
    ChangeSet.objects.filter(pk=subject.pk).update(at=subject.at.replace(year=2020))
    with pytest.raises(PermissionDenied):
        start_undo(subject.pk, actor=anna)


def test_changes_of_others_need_the_permission(anna: User, boris: User, admin: User) -> None:
    make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.update(city="Perm")
    with pytest.raises(PermissionDenied):
        start_undo(set_of(work).pk, actor=boris)
    assert start_undo(set_of(work).pk, actor=admin).job is not None


def test_a_set_is_undone_once(anna: User) -> None:
    make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.update(city="Perm")
    undo(set_of(work), anna)
    with pytest.raises(ValidationError) as refused:
        start_undo(set_of(work).pk, actor=anna)
    assert refused.value.code == "undone"


def test_what_is_no_longer_kept_is_not_undone(anna: User) -> None:
    make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.update(city="Perm")
    Change.objects.filter(change_set=set_of(work)).delete()
    with pytest.raises(ValidationError) as refused:
        start_undo(set_of(work).pk, actor=anna)
    assert refused.value.code == "forgotten"


# Deciding


@pytest.fixture
def conflict(anna: User) -> Conflict:
    """Anna's deal, whose amount was changed by the set and since, its next step by the set alone."""
    deal = make_deal("Desks", owner=anna, amount=Decimal(1), next_step="write")
    with recorded(anna) as work:
        Deal.objects.filter(pk=deal.pk).update(amount=2, next_step="call")
    Deal.objects.filter(pk=deal.pk).update(amount=3)
    return undo(set_of(work), anna).conflicts.get()


def test_a_row_may_stay_as_it_is(conflict: Conflict, anna: User) -> None:
    decided = keep_row(conflict.pk, actor=anna)
    assert (decided.outcome, decided.decided_by) == (Conflict.Outcome.KEPT, anna)
    deal = Deal.objects.get(pk=conflict.row_id)
    assert (deal.amount, deal.next_step) == (Decimal(3), "call")
    with pytest.raises(ValidationError) as refused:
        keep_row(conflict.pk, actor=anna)
    assert refused.value.code == "decided"


def test_a_row_may_be_put_back_all_the_same(conflict: Conflict, anna: User) -> None:
    assert put_back_row(conflict.pk, actor=anna).outcome == Conflict.Outcome.REVERTED
    deal = Deal.objects.get(pk=conflict.row_id)
    assert (deal.amount, deal.next_step) == (Decimal(1), "write")
    made = ChangeSet.objects.get(uid=conflict.undo.uid)
    assert made.changes.filter(row_id=conflict.row_id).exists()


def test_a_row_may_be_put_back_in_part(conflict: Conflict, anna: User) -> None:
    decided = put_back_row(conflict.pk, actor=anna, columns=["next_step"])
    assert decided.outcome == Conflict.Outcome.PARTLY
    deal = Deal.objects.get(pk=conflict.row_id)
    assert (deal.amount, deal.next_step) == (Decimal(3), "write")


def test_a_decision_about_something_else_is_refused(conflict: Conflict, anna: User) -> None:
    from apps.history.selectors.conflicts import show

    (shown,) = show([conflict], actor=anna)
    assert [(s.label, s.before, s.then, s.now, s.is_changed_since) for s in shown.sides] == [
        ("Amount", "1.00", "2.00", "3.00", True),
        ("Next step", "write", "call", "call", False),
    ]
    Deal.objects.filter(pk=conflict.row_id).update(amount=4)
    with pytest.raises(ValidationError) as refused:
        put_back_row(conflict.pk, actor=anna, seen=shown.digest)
    assert refused.value.code == "stale"


def test_strangers_decide_nothing(conflict: Conflict, boris: User) -> None:
    with pytest.raises(PermissionDenied):
        keep_row(conflict.pk, actor=boris)


# In chunks


def test_undo_goes_on_where_it_stopped(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "CHUNK", 7)
    for n in range(20):
        make_deal(f"Deal {n}", owner=anna, amount=Decimal(n))
    before = everything()
    with recorded(anna) as work:
        Deal.objects.update(amount=100)
        Company.objects.bulk_create(Company(name=f"Company {n}", owner=anna) for n in range(10))
    started = start_undo(set_of(work).pk, actor=anna)
    assert run_undo(started, chunks=2) is None
    assert Deal.objects.filter(amount=100).count() == 6
    result = run_undo(started)
    assert result is not None
    assert (result["reverted"], result["conflicts"]) == (30, 0)
    assert everything() == before


def test_preview_tells_what_will_be(anna: User) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(5)]
    with recorded(anna) as work:
        Deal.objects.update(amount=100)
        Company.objects.create(name="Iron", owner=anna)
    Deal.objects.filter(pk=deals[0].pk).update(amount=5)
    after = everything()
    found = {p.label: p for p in undoing.preview_undo(set_of(work), actor=anna)}
    assert (found["crm.deal"].touched.changed, len(found["crm.deal"].blocked)) == (5, 1)
    assert found["crm.company"].touched.created == 1
    assert everything() == after
