"""What happens to leads: every change by its service, who may, and what is refused."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.models import (
    Absence,
    AssignmentRule,
    Company,
    Consent,
    ContactPoint,
    Deal,
    Lead,
    LeadArrival,
    Person,
    StageTransition,
)
from apps.crm.services import assigning, lead_catalog, leads, merging, qualifying
from apps.crm.services.qualifying import qualify_lead
from apps.events.models import Event
from tests.crm import factories
from tests.crm.leads import make_form, make_lead, make_leader, make_seller, reason, source

pytestmark = pytest.mark.django_db
Face = StageTransition.Face


@pytest.fixture
def vera(team: Team) -> User:
    """Sells in North, with leads of her own."""
    return make_seller("Vera Sell", team)


@pytest.fixture
def lars(team: Team) -> User:
    """Leads North, and gives its leads away."""
    return make_leader("Lars Lead", team)


def code_of(caught: Any) -> str:
    error = caught.value
    errors = (
        [one for found in error.error_dict.values() for one in found]
        if hasattr(error, "error_dict")
        else error.error_list
    )
    return str(errors[0].code)


def told(lead: Lead) -> list[str]:
    events = Event.objects.filter(subject=f"lead/{lead.pk}").order_by("sequence")
    return [event.type.split(".")[2] for event in events]


# Made by hand


def test_a_lead_made_by_hand_is_ones_own(vera: User, team: Team) -> None:
    lead = leads.create_lead(actor=vera, name="Ivan", email=" Ivan@Example.ORG ", phone="+7 (495) 123-45-67")
    lead.refresh_from_db()
    assert (lead.owner_id, lead.team_id, lead.status) == (vera.pk, team.pk, "NEW")
    assert (lead.email, lead.email_value) == ("Ivan@Example.ORG", "ivan@example.org")
    assert lead.phone_value == "+74951234567"
    assert lead.arrivals.get().values["name"] == "Ivan"
    assert told(lead) == ["created"]


def test_a_second_one_reached_by_the_same_joins_the_first(vera: User) -> None:
    first = leads.create_lead(actor=vera, name="Ivan", email="ivan@example.org")
    again = leads.create_lead(actor=vera, company_name="Mebel", email="IVAN@example.org", telegram="@ivan_p")
    assert again.pk == first.pk
    again.refresh_from_db()
    assert (again.name, again.company_name, again.arrival_count, again.version) == ("Ivan", "Mebel", 2, 2)
    # What it did not know it takes over, also the form that compares.
    assert (again.telegram, again.telegram_value) == ("@ivan_p", "@ivan_p")
    assert told(again) == ["created", "arrived"]


def test_what_others_have_is_not_joined_nor_spoken_of(vera: User, team: Team) -> None:
    other = make_lead(email_value="ivan@example.org", owner=factories.make_salesperson("Boris", team))
    mine = leads.create_lead(actor=vera, name="Ivan", email="ivan@example.org")
    assert mine.pk != other.pk
    assert other.arrivals.count() == 0


@pytest.mark.parametrize("status", ["QUALIFIED", "DISQUALIFIED"])
def test_a_decided_lead_is_not_joined(vera: User, status: str) -> None:
    first = leads.create_lead(actor=vera, name="Ivan", email="ivan@example.org")
    if status == "QUALIFIED":
        qualify_lead(first.pk, actor=vera, face=Face.API)
    else:
        leads.disqualify_lead(first.pk, reason_id=reason().pk, actor=vera)
    assert leads.create_lead(actor=vera, name="Ivan", email="ivan@example.org").pk != first.pk


def test_a_lead_of_nobody_is_refused(vera: User) -> None:
    with pytest.raises(ValidationError) as caught:
        leads.create_lead(actor=vera, message="Hello")
    assert caught.value.code == "lead_is_somebody"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("email", "ivan", "email"), ("phone", "12", "phone"), ("telegram", "!", "telegram")],
)
def test_a_contact_that_is_none_is_refused_under_its_field(
    vera: User, field: str, value: str, code: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        leads.create_lead(actor=vera, name="Ivan", **{field: value})  # type: ignore[arg-type]
    assert caught.value.error_dict[field][0].code == code


def test_a_phone_is_read_with_the_country_of_the_lead(vera: User) -> None:
    lead = leads.create_lead(actor=vera, name="Jan", phone="030 901820", country="Deutschland")
    assert lead.phone_value == "+4930901820"
    leads.change_lead(lead.pk, actor=vera, phone="22 234 56 78", country="Polska")
    lead.refresh_from_db()
    assert lead.phone_value == "+48222345678"


# Who it seems to be from


def test_a_lead_is_linked_to_who_is_reached_by_the_same(vera: User) -> None:
    company = factories.make_company("Mebel", owner=vera)
    person = factories.make_person("Ivan", owner=vera)
    person.employments.create(company=company)
    ContactPoint.objects.create(person=person, kind="EMAIL", raw="i@mebel.example", value="i@mebel.example")
    lead = leads.create_lead(actor=vera, name="I", email="I@mebel.example")
    assert (lead.known_person_id, lead.known_company_id) == (person.pk, company.pk)
    leads.change_lead(lead.pk, actor=vera, email="other@example.org")
    lead.refresh_from_db()
    assert (lead.known_person_id, lead.known_company_id) == (None, None)


def test_a_lead_is_linked_to_the_company_whose_domain_it_writes_from(vera: User) -> None:
    company = factories.make_company("Mebel", owner=vera, domain="mebel.example")
    assert leads.create_lead(actor=vera, email="new@mebel.example").known_company_id == company.pk


# Through its states


def test_the_way_of_a_lead(vera: User) -> None:
    lead = make_lead(owner=vera)
    leads.start_lead(lead.pk, actor=vera)
    leads.start_lead(lead.pk, actor=vera)
    leads.disqualify_lead(lead.pk, reason_id=reason().pk, note=" later ", actor=vera)
    lead.refresh_from_db()
    assert (lead.status, lead.disqualify_note, str(lead.disqualify_reason)) == (
        "DISQUALIFIED",
        "later",
        "No need",
    )
    leads.recycle_lead(lead.pk, actor=vera)
    lead.refresh_from_db()
    assert (lead.status, lead.disqualify_reason, lead.disqualify_note) == ("WORKING", None, "")
    leads.archive_lead(lead.pk, actor=vera)
    leads.restore_lead(lead.pk, actor=vera)
    assert told(lead) == ["changed", "disqualified", "recycled", "changed", "changed"]


@pytest.mark.parametrize(
    ("status", "service", "given", "code"),
    [
        ("DISQUALIFIED", leads.start_lead, {}, "lead_not_open"),
        ("DISQUALIFIED", leads.disqualify_lead, {"reason_id": 1}, "lead_not_open"),
        ("DISQUALIFIED", qualify_lead, {"face": Face.API}, "lead_not_open"),
        ("NEW", leads.recycle_lead, {}, "lead_not_disqualified"),
        ("WORKING", leads.recycle_lead, {}, "lead_not_disqualified"),
        ("NEW", leads.disqualify_lead, {"reason_id": 0}, "not_found"),
        ("NEW", leads.claim_lead, {}, "lead_taken"),
        ("NEW", leads.change_lead, {"expected_version": 7, "name": "x"}, "stale"),
        ("NEW", qualify_lead, {"expected_version": 7, "face": Face.API}, "stale"),
    ],
)
def test_what_the_state_does_not_allow(
    vera: User, status: str, service: Any, given: dict[str, Any], code: str
) -> None:
    more: dict[str, Any] = {"disqualify_reason": reason()} if status == "DISQUALIFIED" else {}
    lead = make_lead(owner=vera, status=status, **more)
    with pytest.raises(ValidationError) as caught:
        service(lead.pk, actor=vera, **given)
    assert code_of(caught) == code


@pytest.mark.parametrize(
    "service", [leads.start_lead, leads.recycle_lead, leads.archive_lead, qualify_lead, leads.disqualify_lead]
)
def test_who_sees_and_may_not_is_refused(vera: User, lars: User, service: Any) -> None:
    reader = factories.join(
        factories.make_user("Reader"), factories.make_team(), factories.make_role({"crm.view_lead": "ALL"})
    )
    lead = make_lead(owner=vera)
    more: dict[str, Any] = {"reason_id": reason().pk} if service is leads.disqualify_lead else {}
    more |= {"face": Face.API} if service is qualify_lead else {}
    with pytest.raises(PermissionDenied):
        service(lead.pk, actor=reader, **more)
    stranger = make_seller("Stranger", factories.make_team())
    with pytest.raises(Lead.DoesNotExist):
        service(lead.pk, actor=stranger, **more)


def test_a_lead_of_nobody_is_taken_by_one(vera: User, lars: User) -> None:
    lead = make_lead()
    leads.claim_lead(lead.pk, actor=vera)
    lead.refresh_from_db()
    assert (lead.owner_id, lead.assigned_because) == (vera.pk, {"by": "claim"})
    with pytest.raises(ValidationError) as caught:
        leads.claim_lead(lead.pk, actor=lars)
    assert caught.value.code == "lead_taken"


def test_who_may_not_have_leads_takes_none(auditor: User) -> None:
    lead = make_lead()
    reader = factories.join(auditor, factories.make_team(), factories.make_role({"crm.view_lead": "ALL"}))
    with pytest.raises(PermissionDenied):
        leads.claim_lead(lead.pk, actor=reader)


def test_only_who_may_assign_gives_away(vera: User, lars: User, team: Team) -> None:
    lead = make_lead(owner=vera, team=team)
    with pytest.raises(PermissionDenied):
        leads.assign_lead(lead.pk, owner_id=lars.pk, actor=vera)
    with pytest.raises(PermissionDenied):
        leads.change_lead(lead.pk, owner_id=None, team_id=None, actor=vera)
    leads.assign_lead(lead.pk, owner_id=lars.pk, actor=lars)
    lead.refresh_from_db()
    assert lead.owner_id == lars.pk
    assert lead.assigned_because == {"by": "hand", "who": "Lars Lead"}
    assert told(lead) == ["assigned"]


def test_the_database_keeps_converted_and_person_together(vera: User) -> None:
    lead = make_lead(owner=vera)
    person = factories.make_person()
    for values in (
        {"status": "QUALIFIED"},
        {"status": "QUALIFIED", "converted_at": timezone.now()},
        {"converted_person": person},
        {"status": "DISQUALIFIED"},
        {"disqualify_note": "x"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Lead.objects.filter(pk=lead.pk).update(**values)


def test_what_arrived_is_never_changed(vera: User) -> None:
    lead = leads.create_lead(actor=vera, name="Ivan", email="i@example.org")
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadArrival.objects.filter(lead=lead).update(origin="elsewhere")


# Qualifying


def test_a_lead_becomes_a_person_a_company_and_a_deal(vera: User) -> None:
    lead = make_lead(
        "Ivan Petrov",
        owner=vera,
        company_name="Mebel",
        message="Forty desks",
        phone="+74951234567",
        phone_value="+74951234567",
    )
    qualified = qualify_lead(
        lead.pk, actor=vera, face=Face.API, deal={"amount": Decimal(500), "currency": "EUR"}
    )
    lead.refresh_from_db()
    assert qualified.status == lead.status == "QUALIFIED"
    person, company, deal = lead.converted_person, lead.converted_company, lead.converted_deal
    assert person is not None
    assert company is not None
    assert deal is not None
    assert (person.given_name, person.family_name, company.name) == ("Ivan", "Petrov", "Mebel")
    assert set(person.contact_points.values_list("kind", "is_primary")) == {("EMAIL", True), ("PHONE", True)}
    assert person.employments.get().company == company
    assert (deal.title, deal.amount, deal.currency, deal.description) == (
        "Mebel",
        Decimal(500),
        "EUR",
        "Forty desks",
    )
    assert (deal.person, deal.company, deal.owner) == (person, company, vera)
    assert told(lead) == ["qualified"]
    data = Event.objects.get(subject=f"lead/{lead.pk}").data
    assert data["deal"] == {"id": deal.pk, "name": "Mebel"}


def test_qualifying_twice_is_once(vera: User) -> None:
    lead = make_lead("Ivan", owner=vera, company_name="Mebel")
    first = qualify_lead(lead.pk, actor=vera, face=Face.API, deal={}, expected_version=1)
    again = qualify_lead(lead.pk, actor=vera, face=Face.API, deal={}, expected_version=1)
    assert again.converted_deal_id == first.converted_deal_id
    assert (Person.objects.count(), Company.objects.count(), Deal.objects.count()) == (1, 1, 1)


def test_known_rows_are_taken_and_get_what_they_lack(vera: User) -> None:
    company = factories.make_company("Mebel", owner=vera)
    person = factories.make_person("Ivan", owner=vera)
    lead = make_lead("Ivan", owner=vera)
    qualify_lead(lead.pk, actor=vera, face=Face.API, person_id=person.pk, company_id=company.pk)
    lead.refresh_from_db()
    assert (lead.converted_person, lead.converted_company, lead.converted_deal) == (person, company, None)
    assert person.contact_points.get().value == lead.email_value
    assert person.employments.get().company == company


def test_what_somebody_else_is_reached_by_stays_theirs(vera: User) -> None:
    hidden = factories.make_person("Hidden", owner=factories.make_salesperson("Boris"))
    lead = make_lead("Ivan", owner=vera)
    ContactPoint.objects.create(person=hidden, kind="EMAIL", raw=lead.email, value=lead.email_value)
    assert qualifying.people_for(lead, actor=vera) == []
    qualify_lead(lead.pk, actor=vera, face=Face.API)
    lead.refresh_from_db()
    assert lead.converted_person is not None
    assert lead.converted_person.contact_points.count() == 0
    assert hidden.contact_points.get().value == lead.email_value


def test_what_is_named_has_to_be_in_sight(vera: User) -> None:
    lead = make_lead(owner=vera)
    foreign = factories.make_person("Foreign", owner=factories.make_salesperson("Boris"))
    with pytest.raises(ValidationError) as caught:
        qualify_lead(lead.pk, actor=vera, face=Face.API, person_id=foreign.pk)
    assert caught.value.error_dict["person"][0].code == "not_found"
    lead.refresh_from_db()
    assert lead.status == "NEW"


def test_nothing_is_left_where_the_deal_is_refused(vera: User) -> None:
    lead = make_lead(owner=vera, company_name="Mebel")
    with pytest.raises(ValidationError):
        qualify_lead(lead.pk, actor=vera, face=Face.API, deal={"title": "x", "stage_id": 0})
    assert not Person.objects.exists()
    assert not Company.objects.exists()


def test_a_leader_qualifies_for_whose_lead_it_is(vera: User, lars: User, team: Team) -> None:
    lead = make_lead(owner=vera, team=team, company_name="Mebel")
    qualify_lead(lead.pk, actor=lars, face=Face.ADMIN, deal={})
    lead.refresh_from_db()
    assert lead.converted_deal is not None
    assert lead.converted_deal.owner == vera


def test_the_deal_begins_in_the_pipeline_of_the_form(vera: User, admin: User) -> None:
    from apps.crm.services import pipelines

    other = pipelines.create_pipeline(actor=admin, name="Partners")
    form = make_form(pipeline=other)
    lead = make_lead(owner=vera, form=form)
    qualify_lead(lead.pk, actor=vera, face=Face.API, deal={})
    lead.refresh_from_db()
    assert lead.converted_deal is not None
    assert lead.converted_deal.pipeline == other


def test_candidates_are_offered_with_their_reasons(vera: User) -> None:
    person = factories.make_person("Ivan", owner=vera)
    lead = make_lead("Ivan", owner=vera)
    ContactPoint.objects.create(person=person, kind="EMAIL", raw=lead.email, value=lead.email_value)
    found = qualifying.people_for(lead, actor=vera)
    assert [one.row for one in found] == [person]
    assert found[0].reasons[0].reason == "contact"
    company = factories.make_company("Mebel", owner=vera)
    lead.company_name = "ООО Mebel"
    assert [one.row for one in qualifying.companies_for(lead, actor=vera)] == [company]


def test_a_merge_takes_leads_along(vera: User, admin: User) -> None:
    winner, loser = factories.make_person("Ivan"), factories.make_person("Ivan P")
    lead = make_lead(owner=vera)
    qualify_lead(lead.pk, actor=admin, face=Face.API, person_id=loser.pk)
    open_one = make_lead(owner=vera, known_person=loser)
    merging.merge_people(winner.pk, loser.pk, actor=admin)
    lead.refresh_from_db()
    open_one.refresh_from_db()
    assert (lead.converted_person, open_one.known_person) == (winner, winner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Lead.objects.filter(pk=open_one.pk).update(known_person=loser)


# Rules


def rule(**fields: Any) -> AssignmentRule:
    return AssignmentRule.objects.create(name=fields.pop("name", "Rule"), **fields)


def given(**fields: Any) -> Lead:
    lead = Lead(**fields)
    assigning.give_owner(lead)
    return lead


def test_the_first_rule_that_fits_decides(vera: User, lars: User) -> None:
    rule(name="Later", position=2, to_user=lars)
    rule(name="First", position=1, to_user=vera, source=source(), country="Deutschland", contains="DESKS")
    fitting = given(source=source(), country="DE", message="Forty desks")
    assert (fitting.owner, fitting.assigned_because["rule"]) == (vera, "First")
    assert fitting.assigned_because["conditions"]["contains"] == "DESKS"
    assert given(source=source(), country="PL", message="Forty desks").owner == lars


def test_language_and_form_are_conditions(vera: User) -> None:
    form = make_form()
    rule(to_user=vera, language="de", form=form)
    assert given(language="de-AT", form=form).owner == vera
    assert given(language="en", form=form).owner is None
    assert given(language="de").owner is None


def test_turns_are_fair_and_pass_over_who_is_away(team: Team) -> None:
    people = [make_seller(f"Seller {number}", team) for number in range(4)]
    gone, away = people[1], people[2]
    User.objects.filter(pk=gone.pk).update(is_active=False)
    today = timezone.localdate()
    Absence.objects.create(user=away, first_date=today, last_date=today + timedelta(days=2))
    Absence.objects.create(
        user=people[0], first_date=today - timedelta(days=9), last_date=today - timedelta(days=1)
    )
    # Somebody of the team who has nothing to do with leads has no turn.
    factories.join(factories.make_user("Accountant"), team, factories.make_role({"crm.view_lead": "ALL"}))
    rule(to_team=team)
    owners = [given(name="x").owner for _turn in range(6)]
    assert owners == [people[0], people[3]] * 3


def test_a_rule_for_somebody_who_is_away_is_passed_over(vera: User, lars: User) -> None:
    rule(position=1, to_user=vera)
    rule(position=2, to_user=lars)
    today = timezone.localdate()
    Absence.objects.create(user=vera, first_date=today, last_date=today)
    assert given(name="x").owner == lars


def test_without_a_rule_whoever_has_the_customer_gets_the_lead(vera: User) -> None:
    person = factories.make_person("Ivan", owner=vera)
    lead = given(known_person=person)
    assert (lead.owner, lead.assigned_because) == (vera, {"by": "customer"})


def test_a_rule_names_one_target_and_people_who_are_there(admin: User, vera: User, team: Team) -> None:
    with pytest.raises(ValidationError) as caught:
        lead_catalog.create_rule(actor=admin, name="Both", to_user_id=vera.pk, to_team_id=team.pk)
    assert caught.value.code == "assignment_rule_has_one_target"
    User.objects.filter(pk=vera.pk).update(is_active=False)
    with pytest.raises(ValidationError):
        lead_catalog.create_rule(actor=admin, name="Gone", to_user_id=vera.pk)
    with pytest.raises(PermissionDenied):
        lead_catalog.create_rule(actor=make_seller("S", team), name="Mine", to_user_id=vera.pk)


# Consents from forms


def test_what_was_agreed_to_with_a_message_becomes_a_consent_once_it_is_known_whose(vera: User) -> None:
    form = make_form(consent_text="Yes, write to me.", consent_purpose="MARKETING")
    lead = make_lead("Ivan", owner=vera, form=form)
    text = form.consent_texts.get()
    LeadArrival.objects.create(lead=lead, form=form, channel="FORM", consent_text=text)
    assert not Consent.objects.exists()
    qualify_lead(lead.pk, actor=vera, face=Face.API)
    consent = Consent.objects.get()
    assert (consent.status, consent.source, consent.text, consent.purpose) == (
        "GIVEN",
        "FORM",
        text,
        "MARKETING",
    )
    assert consent.at == LeadArrival.objects.get().at
    assert consent.contact_point.value == lead.email_value
