"""Two rows that stand for one become one, and two again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import connection, models, transaction

from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Deal, Employment, Person
from apps.crm.services import companies, deals, merge_rules, people
from apps.crm.services.merging import merge_companies, merge_people
from apps.documents.models import DocumentLink
from apps.events.models import Event
from apps.history.models import ChangeSet, Conflict
from tests.crm import factories
from tests.crm.merging import two_companies, two_people
from tests.history.factories import everything, recorded, set_of, undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return factories.make_admin()


def relations_at(row: Company | Person) -> int:
    """Count all that points at a row, by the rules of what is moved."""
    rules = merge_rules.rules_of(type(row))
    ada = User.objects.filter(is_superuser=True, kind="HUMAN").first()
    assert ada is not None
    return sum(rule.rows(row, ada).count() for rule in rules if rule.rows is not None)


# What is merged


def test_everything_moves_and_fields_that_were_empty_are_filled(ada: User) -> None:
    winner, loser = two_companies(ada)
    assert relations_at(loser) >= 30
    merged = merge_companies(winner.pk, loser.pk, actor=ada)
    winner.refresh_from_db()
    loser.refresh_from_db()
    assert merged == winner
    assert (winner.name, winner.city) == ("Gamma", "Riga")
    assert (winner.tax_id, winner.domain, winner.parent_id) == (
        "7707083893",
        "gamma.example",
        loser.parent_id,
    )
    assert loser.archived_at is not None
    assert loser.merged_into == winner
    # What the loser was, it says in the trash.
    assert (loser.name, loser.city, loser.tax_id) == ("ООО Gamma", "Perm", "7707083893")
    assert not Deal.objects.filter(company=loser).exists()
    assert Deal.objects.filter(company=winner).count() == 13
    assert not Company.objects.filter(parent=loser).exists()
    assert Company.objects.filter(parent=winner).count() == 2
    assert sorted(winner.tags.values_list("name", flat=True)) == ["one", "three", "two"]
    kind = ContentType.objects.get_for_model(Company)
    links = DocumentLink.objects.filter(target_type=kind)
    assert not links.filter(target_id=loser.pk).exists()
    assert links.filter(target_id=winner.pk).count() == 5
    assert set(links.values_list("target_name", flat=True)) == {"Gamma"}


def test_of_primary_contacts_the_winners_stays(ada: User) -> None:
    winner, loser = two_companies(ada)
    merge_companies(winner.pk, loser.pk, actor=ada)
    points = ContactPoint.objects.filter(company=winner)
    assert points.count() == 6
    assert set(points.filter(is_primary=True).values_list("value", flat=True)) == {
        "one@gamma.example",
        "+74951234567",
        "@gamma",
    }
    assert not ContactPoint.objects.filter(company=loser).exists()


def test_who_works_at_both_works_there_once(ada: User) -> None:
    winner, loser = two_companies(ada)
    merge_companies(winner.pk, loser.pk, actor=ada)
    assert not Employment.objects.filter(company=loser).exists()
    work = Employment.objects.filter(company=winner)
    assert work.count() == 6
    assert work.get(person__given_name="Person0").title == "clerk"
    assert work.get(person__given_name="Person0").is_primary
    assert work.get(person__given_name="Both").title == "chief"


def test_people_keep_one_primary_employment(ada: User) -> None:
    winner, loser = two_people(ada)
    merge_people(winner.pk, loser.pk, actor=ada)
    winner.refresh_from_db()
    assert (winner.family_name, winner.job_title) == ("Ivanova", "buyer")
    assert winner.employments.count() == 2
    assert winner.employments.get(is_primary=True).company.name == "Shared"
    assert Deal.objects.filter(person=winner).count() == 5
    assert winner.contact_points.count() == 3


def test_the_winners_primary_employment_stays_it(ada: User) -> None:
    winner, loser = two_people(ada)
    first = factories.make_company("First")
    Employment.objects.create(person=winner, company=first)
    merge_people(winner.pk, loser.pk, actor=ada)
    assert winner.employments.get(is_primary=True).company == first


def test_what_is_chosen_is_taken(ada: User) -> None:
    boris = factories.make_salesperson("Boris")
    winner, loser = two_companies(ada)
    Company.objects.filter(pk=loser.pk).update(owner=boris)
    choices = {"name": "loser", "city": "loser", "owner": "loser", "tax_id": "winner", "parent": "winner"}
    merge_companies(winner.pk, loser.pk, actor=ada, choices=choices)
    winner.refresh_from_db()
    assert (winner.name, winner.city, winner.owner) == ("ООО Gamma", "Perm", boris)
    assert (winner.tax_id, winner.parent_id) == ("", None)


def test_a_name_in_another_system_goes_with_what_it_names(ada: User) -> None:
    winner, loser = factories.make_company(), factories.make_company(external_source="erp", external_id="7")
    merge_companies(winner.pk, loser.pk, actor=ada)
    assert Company.objects.get(external_id="7") == winner
    third = factories.make_company(external_source="erp", external_id="8")
    merge_companies(winner.pk, third.pk, actor=ada)
    # Each row has one.
    assert Company.objects.get(external_id="8") == third


@pytest.mark.parametrize("winner_is_above", [True, False])
@pytest.mark.parametrize("steps", [1, 2])
def test_companies_of_one_line_stay_a_tree(ada: User, winner_is_above: bool, steps: int) -> None:
    top = factories.make_company("Top")
    upper = factories.make_company("Upper", parent=top)
    between = factories.make_company("Between", parent=upper)
    lower = factories.make_company("Lower", parent=between if steps == 2 else upper)
    winner, loser = (upper, lower) if winner_is_above else (lower, upper)
    merge_companies(winner.pk, loser.pk, actor=ada, choices={"parent": "loser"})
    winner.refresh_from_db()
    between.refresh_from_db()
    assert winner.parent == top
    assert between.parent == winner


def test_what_happened_is_told(ada: User) -> None:
    winner, loser = two_companies(ada)
    merge_companies(winner.pk, loser.pk, actor=ada)
    told = Event.objects.get(type="crm.company.merged.v1")
    assert told.subject == f"company/{winner.pk}"
    assert told.data["merged"] == {"id": loser.pk, "name": "ООО Gamma"}
    assert told.data["tax_id"] == "7707083893"
    assert len(told.data["contact_points"]) == 5
    assert Event.objects.get(type="crm.company.archived.v1").subject == f"company/{loser.pk}"
    moved = Event.objects.filter(type="crm.deal.changed.v1")
    assert moved.count() == 12
    assert {event.data["company"]["id"] for event in moved} == {winner.pk}
    assert Event.objects.filter(type="crm.person.changed.v1").count() == 6
    assert Event.objects.filter(type="documents.document.changed.v1").count() == 4


def test_people_are_told_of_too(ada: User) -> None:
    winner, loser = two_people(ada)
    merge_people(winner.pk, loser.pk, actor=ada)
    told = Event.objects.get(type="crm.person.merged.v1")
    assert told.data["merged"] == {"id": loser.pk, "name": "Anna Ivanova"}


# What is refused


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(ValidationError) as error:
        call()
    return str(error.value.code)


def test_merging_twice_is_refused(ada: User) -> None:
    winner, loser, third = (factories.make_company() for _number in range(3))
    merge_companies(winner.pk, loser.pk, actor=ada)
    assert refused(lambda: merge_companies(winner.pk, loser.pk, actor=ada)) == "merged"
    assert refused(lambda: merge_companies(loser.pk, third.pk, actor=ada)) == "merged"
    assert Event.objects.filter(type="crm.company.merged.v1").count() == 1


def test_what_makes_no_sense_is_refused(ada: User) -> None:
    winner, loser = factories.make_company(), factories.make_company()
    assert refused(lambda: merge_companies(winner.pk, winner.pk, actor=ada)) == "merge_same"
    for choices in ({"version": "loser"}, {"name": "both"}):
        with pytest.raises(ValidationError) as error:
            merge_companies(winner.pk, loser.pk, actor=ada, choices=choices)
        assert error.value.code == "merge_choice"
    companies.archive_company(loser.pk, actor=ada)
    assert refused(lambda: merge_companies(winner.pk, loser.pk, actor=ada)) == "archived"


def test_who_has_seen_an_older_state_of_either_is_told(ada: User) -> None:
    winner, loser = factories.make_company(), factories.make_company()
    companies.change_company(loser.pk, actor=ada, city="Riga")
    assert refused(lambda: merge_companies(winner.pk, loser.pk, actor=ada, loser_version=1)) == "stale"
    assert refused(lambda: merge_companies(loser.pk, winner.pk, actor=ada, expected_version=1)) == "stale"
    merge_companies(winner.pk, loser.pk, actor=ada, expected_version=1, loser_version=2)


def test_a_merged_row_is_not_restored_by_hand(ada: User) -> None:
    winner, loser = factories.make_company(), factories.make_company()
    merge_companies(winner.pk, loser.pk, actor=ada)
    assert refused(lambda: companies.restore_company(loser.pk, actor=ada)) == "merged"
    first, second = factories.make_person(), factories.make_person()
    merge_people(first.pk, second.pk, actor=ada)
    assert refused(lambda: people.restore_person(second.pk, actor=ada)) == "merged"


def test_nothing_new_points_at_a_merged_row(ada: User) -> None:
    winner, loser = factories.make_company(), factories.make_company()
    person, other = factories.make_person(), factories.make_company()
    merge_companies(winner.pk, loser.pk, actor=ada)
    for write in (
        lambda: factories.make_deal(owner=ada, company=loser),
        lambda: Deal.objects.update(company=loser),
        lambda: Employment.objects.create(person=person, company=loser),
        lambda: Company.objects.filter(pk=other.pk).update(parent=loser),
        lambda: Company.objects.create(name="Below", parent=loser),
    ):
        factories.make_deal(owner=ada, company=winner)
        with pytest.raises(Exception, match="merged into another"), transaction.atomic():
            write()


# Who may


def test_a_salesperson_merges_own_rows_and_no_others() -> None:
    team = factories.make_team()
    anna = factories.join(
        factories.make_user("Anna"),
        team,
        factories.make_role(factories.salesperson_grants() | {"crm.merge_company": "OWN"}),
    )
    own, second, common = (
        factories.make_company(owner=anna),
        factories.make_company(owner=anna),
        factories.make_company(),
    )
    foreign = factories.make_company(owner=factories.make_salesperson())
    with pytest.raises(PermissionDenied):
        merge_companies(own.pk, common.pk, actor=anna)
    with pytest.raises(PermissionDenied):
        merge_companies(common.pk, own.pk, actor=anna)
    with pytest.raises(ObjectDoesNotExist):
        merge_companies(own.pk, foreign.pk, actor=anna)
    with pytest.raises(ObjectDoesNotExist):
        merge_companies(foreign.pk, own.pk, actor=anna)
    merge_companies(own.pk, second.pk, actor=anna)
    second.refresh_from_db()
    assert second.merged_into == own


@pytest.mark.parametrize("lacking", ["merge", "change", "archive"])
def test_each_right_is_asked(lacking: str) -> None:
    grants = factories.salesperson_grants() | {"crm.merge_company": "OWN"}
    del grants[f"crm.{lacking}_company"]
    anna = factories.join(factories.make_user(), factories.make_team(), factories.make_role(grants))
    winner, loser = factories.make_company(owner=anna), factories.make_company(owner=anna)
    with pytest.raises(PermissionDenied):
        merge_companies(winner.pk, loser.pk, actor=anna)


def test_a_row_is_not_merged_out_of_ones_own_reach(ada: User) -> None:
    grants = factories.salesperson_grants("TEAM") | {"crm.merge_company": "TEAM", "crm.view_company": "ALL"}
    team = factories.make_team()
    anna = factories.join(factories.make_user(), team, factories.make_role(grants))
    winner, loser = factories.make_company(owner=anna), factories.make_company(owner=ada, team=team)
    Company.objects.filter(pk=winner.pk).update(team=team)
    merge_companies(winner.pk, loser.pk, actor=anna, choices={"owner": "loser"})
    winner.refresh_from_db()
    assert winner.owner == ada


# Undone


@pytest.mark.parametrize(("make", "merge"), [(two_companies, merge_companies), (two_people, merge_people)])
def test_an_undo_makes_two_again_row_by_row(ada: User, make: Any, merge: Any) -> None:
    winner, loser = make(ada)
    before = everything()
    with recorded(ada) as work:
        merge(winner.pk, loser.pk, actor=ada)
    during = everything()
    assert during != before
    made = undo(set_of(work), ada)
    assert list(made.conflicts.values_list("model", "kind", "detail")) == []
    assert everything() == before
    # And the undo itself.
    undo(ChangeSet.objects.get(reverts=set_of(work)), ada)
    assert everything() == during


@pytest.mark.parametrize("winner_is_above", [True, False])
def test_a_line_of_companies_comes_back(ada: User, winner_is_above: bool) -> None:
    top = factories.make_company("Top", tax_id="1")
    upper = factories.make_company("Upper", parent=top, tax_id="2", external_source="a", external_id="1")
    between = factories.make_company("Between", parent=upper)
    lower = factories.make_company("Lower", parent=between)
    winner, loser = (upper, lower) if winner_is_above else (lower, upper)
    before = everything()
    with recorded(ada) as work:
        merge_companies(winner.pk, loser.pk, actor=ada)
    undo(set_of(work), ada)
    assert everything() == before


def test_what_was_changed_since_is_shown_and_left(ada: User) -> None:
    winner, loser = two_companies(ada)
    with recorded(ada) as work:
        merge_companies(winner.pk, loser.pk, actor=ada)
    elsewhere = factories.make_company("Elsewhere")
    moved = Deal.objects.get(title="Deal 3")
    deals.change_deal(moved.pk, actor=ada, company_id=elsewhere.pk)
    companies.change_company(winner.pk, actor=ada, tax_id="5024")
    made = undo(set_of(work), ada)
    conflicts = set(made.conflicts.values_list("model", "row_id", "kind"))
    assert conflicts == {
        ("crm.deal", str(moved.pk), Conflict.Kind.CHANGED),
        ("crm.company", str(winner.pk), Conflict.Kind.CHANGED),
    }
    moved.refresh_from_db()
    assert moved.company == elsewhere
    assert Deal.objects.filter(company=loser).count() == 11


def test_an_undo_asks_for_the_right_to_merge() -> None:
    grants = factories.salesperson_grants() | {"crm.merge_company": "OWN"}
    team = factories.make_team()
    role = factories.make_role(grants)
    anna = factories.join(factories.make_user(), team, role)
    winner, loser = factories.make_company(owner=anna), factories.make_company(owner=anna)
    with recorded(anna) as work:
        merge_companies(winner.pk, loser.pk, actor=anna)
    role.grants.filter(permission="crm.merge_company").delete()
    User.objects.filter(pk=anna.pk).update(perm_version=models.F("perm_version") + 1)
    made = undo(set_of(work), User.objects.get(pk=anna.pk))
    assert made.conflicts.filter(row_id=str(loser.pk), kind=Conflict.Kind.FORBIDDEN).exists()
    loser.refresh_from_db()
    assert loser.merged_into == winner


# The rules


@pytest.mark.parametrize("model", [Company, Person])
def test_every_relation_has_a_rule(model: type[models.Model]) -> None:
    assert merge_rules.unruled(model) == []
    ruled = {rule.relation for rule in merge_rules.rules_of(model)}
    # None for what is no longer there.
    assert ruled == merge_rules.relations_of(model)


def test_a_new_relation_without_a_rule_is_found() -> None:
    class Visit(models.Model):
        company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
        guests = models.ManyToManyField(Person, related_name="+")
        about_kind = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "crm"

    try:
        assert merge_rules.unruled(Company) == ["crm.Visit.about_kind", "crm.Visit.company"]
        assert merge_rules.unruled(Person) == ["crm.Visit.about_kind", "crm.Visit_guests.person"]
    finally:
        for name in ("visit", "visit_guests"):
            del apps.all_models["crm"][name]
        apps.clear_cache()
    assert Visit._meta.label == "crm.Visit"
    assert merge_rules.unruled(Company) == []


def test_many_deals_move_in_a_handful_of_statements(ada: User, django_assert_max_num_queries: Any) -> None:
    winner, loser = two_companies(ada)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into crm_deal (title, status, currency, probability, opened_date, lost_note, next_step,"
            " next_step_date, stage_entered_at, description, created_at, updated_at, version, external_source,"
            " external_id, company_id, owner_id, pipeline_id, stage_id)"
            " select title || n, status, currency, probability, opened_date, lost_note, next_step, next_step_date,"
            " stage_entered_at, description, created_at, updated_at, version, external_source, external_id, company_id,"
            " owner_id, pipeline_id, stage_id from crm_deal, generate_series(1, 500) n where title = 'Deal 1'"
        )
    with django_assert_max_num_queries(90):
        merge_companies(winner.pk, loser.pk, actor=ada)
    assert Deal.objects.filter(company=winner).count() == 513
