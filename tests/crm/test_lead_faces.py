"""Leads through every face: the admin's pages, REST, changes of many at once, imports; and the consents of people."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.home import figures, page
from apps.crm.lead_words import why_assigned
from apps.crm.models import (
    AssignmentRule,
    Company,
    Consent,
    ContactPoint,
    Deal,
    ImportBatch,
    Lead,
    LeadForm,
    Person,
    Source,
    StageTransition,
)
from apps.crm.services import bulk, companies, consents, contacts, lead_catalog, leads
from apps.crm.services.qualifying import qualify_lead
from apps.events.models import Event
from apps.history.models import ChangeSet
from apps.lists.bulk import Chosen
from tests.crm import factories
from tests.crm.importing import apply, bring_in, rehearse, upload, verdicts
from tests.crm.leads import make_form, make_lead, make_leader, make_seller, reason, source
from tests.history.factories import undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def vera(team: Team) -> User:
    return make_seller("Vera Sell", team)


@pytest.fixture
def lars(team: Team) -> User:
    return make_leader("Lars Lead", team)


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# Each step through the admin and over REST does the same


def by_admin(user: User, lead: Lead, step: str, values: dict[str, Any]) -> None:
    client = entered(user)
    base = f"/admin/crm/lead/{lead.pk}"
    if step == "qualify":
        body = {"person": "new", "company": "new", "company_name": "Mebel", "has_deal": "1", "title": "Desks"}
        client.post(f"{base}/qualify/", body | {"version": lead.version})
    else:
        client.post(f"{base}/do/{step}/", values | {"version": lead.version})


def by_rest(user: User, lead: Lead, step: str, values: dict[str, Any]) -> None:
    body = {"company_name": "Mebel", "deal": {"title": "Desks"}} if step == "qualify" else values
    answer = entered(user).post(
        f"/api/v1/crm/leads/{lead.pk}/{step}/", json.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("face", [by_admin, by_rest])
@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("start", "NEW", "WORKING"),
        ("disqualify", "WORKING", "DISQUALIFIED"),
        ("recycle", "DISQUALIFIED", "WORKING"),
        ("qualify", "NEW", "QUALIFIED"),
        ("claim", "NEW", "NEW"),
        ("assign", "NEW", "NEW"),
        ("archive", "NEW", "NEW"),
    ],
)
def test_each_step_by_each_face(
    vera: User, lars: User, team: Team, face: Any, step: str, before: str, after: str
) -> None:
    more: dict[str, Any] = {"disqualify_reason": reason()} if before == "DISQUALIFIED" else {}
    owned: dict[str, Any] = {} if step == "claim" else {"owner": vera, "team": team}
    lead = make_lead("Ivan", status=before, **owned, **more)
    given: dict[str, dict[str, Any]] = {
        "disqualify": {"reason": reason().pk, "note": "later"},
        "assign": {"owner": lars.pk},
    }
    values = given.get(step, {})
    face(lars if step == "assign" else vera, lead, step, values)
    lead.refresh_from_db()
    assert lead.status == after
    assert (lead.archived_at is not None) is (step == "archive")
    assert lead.owner == (lars if step == "assign" else vera)
    if step == "qualify":
        assert lead.converted_deal is not None
        assert (lead.converted_deal.title, str(lead.converted_company)) == ("Desks", "Mebel")
    if step == "disqualify":
        assert lead.disqualify_note == "later"
    assert Event.objects.filter(subject=f"lead/{lead.pk}").count() == 1


def test_rest_makes_lists_and_changes(vera: User) -> None:
    client = entered(vera)
    body = {"name": "Ivan", "email": "i@example.org", "source": source().pk}
    made = client.post("/api/v1/crm/leads/", json.dumps(body), content_type="application/json")
    assert made.status_code == 201
    pk = made.json()["id"]
    again = client.post("/api/v1/crm/leads/", json.dumps(body), content_type="application/json")
    assert again.json()["id"] == pk
    address = f"/api/v1/crm/leads/{pk}/"
    stale = client.patch(
        address, '{"name": "x"}', content_type="application/json", headers={"if-match": '"1"'}
    )
    assert stale.status_code == 412
    changed = client.patch(address, '{"next_step": "Call"}', content_type="application/json")
    assert changed.json()["next_step"] == "Call"
    assert [row["id"] for row in client.get("/api/v1/crm/leads/?status=NEW").json()["results"]] == [pk]
    assert len(client.get(f"/api/v1/crm/lead-arrivals/?lead={pk}").json()["results"]) == 2


def test_rest_names_candidates_in_sight_alone(vera: User, team: Team) -> None:
    seen = factories.make_person("Ivan", owner=vera)
    hidden = factories.make_person("Ivan", owner=factories.make_salesperson("Boris"))
    lead = make_lead("Ivan", owner=vera)
    ContactPoint.objects.create(person=seen, kind="EMAIL", raw=lead.email, value=lead.email_value)
    found = entered(vera).get(f"/api/v1/crm/leads/{lead.pk}/candidates/").json()
    assert [each["id"] for each in found["people"]] == [seen.pk]
    assert hidden.pk not in {each["id"] for each in found["people"]}


def test_rest_arranges_forms_rules_and_absences(admin: User, vera: User, team: Team) -> None:
    client = entered(admin)

    def post(address: str, body: dict[str, Any], status: int = 201) -> Any:
        answer = client.post(f"/api/v1/crm/{address}", json.dumps(body), content_type="application/json")
        assert answer.status_code == status, answer.content
        return answer.json()

    form = post(
        "lead-forms/", {"name": "Site", "allowed_origins": ["https://a.example"], "consent_text": "Yes"}
    )
    assert (len(form["token"]), form["consent_version"]) == (32, 1)
    renewed = post(f"lead-forms/{form['id']}/renew_address/", {}, 200)
    assert renewed["token"] != form["token"]
    post("lead-forms/", {"name": "Bad", "field_map": {"x": "owner_id"}}, 400)
    rule = post("assignment-rules/", {"name": "All", "to_team": team.pk, "form": form["id"]})
    post("assignment-rules/", {"name": "None"}, 400)
    assert client.delete(f"/api/v1/crm/assignment-rules/{rule['id']}/").status_code == 204
    day = timezone.localdate().isoformat()
    post("absences/", {"user": vera.pk, "first_date": day, "last_date": day})
    post("absences/", {"user": vera.pk, "first_date": day, "last_date": "2020-01-01"}, 400)
    assert post("sources/", {"name": "Podcast"})["is_active"] is True
    assert post("disqualify-reasons/", {"name": "Student"})["is_active"] is True


# The admin's pages


def test_the_inbox_shows_what_is_not_decided_and_the_search_finds_all(vera: User) -> None:
    make_lead("Open One", owner=vera, source=source())
    make_lead("Gone One", owner=vera, status="DISQUALIFIED", disqualify_reason=reason())
    old = make_lead("Old One", owner=vera, arrived_at=timezone.now() - timedelta(days=3), arrival_count=2)
    client = entered(vera)
    text = client.get("/admin/crm/lead/").content.decode()
    assert "Open One" in text
    assert "Gone One" not in text
    assert f'<a href="/admin/crm/lead/{old.pk}/change/' in text
    assert "×2" in text
    assert "Gone One" in client.get("/admin/crm/lead/?status=DISQUALIFIED").content.decode()
    found = client.get("/admin/crm/lead/?status=all&q=gone").content.decode()
    assert "Gone One" in found
    assert "Open One" not in found


def test_a_list_costs_the_same_however_long(vera: User, django_assert_max_num_queries: Any) -> None:
    for _number in range(30):
        make_lead(owner=vera, source=source())
    client = entered(vera)
    client.get("/admin/crm/lead/")
    with django_assert_max_num_queries(15):
        assert client.get("/admin/crm/lead/").status_code == 200


def test_a_lead_is_made_and_edited_by_hand(vera: User) -> None:
    client = entered(vera)
    values = {"name": "Ivan", "company_name": "", "email": "i@example.org", "phone": "", "telegram": ""}
    values |= {"message": "", "country": "", "language": "", "next_step": "", "next_step_date": ""}
    client.post("/admin/crm/lead/add/", values)
    lead = Lead.objects.get()
    assert (lead.owner, lead.arrivals.get().channel) == (vera, "ADMIN")
    page_of = client.get(f"/admin/crm/lead/{lead.pk}/change/").content.decode()
    assert "Qualify lead" in page_of
    refused = client.post("/admin/crm/lead/add/", values | {"email": "nonsense"})
    assert "is not an e-mail address" in refused.content.decode()


def test_the_page_says_why_it_is_whose_it_is_and_who_it_seems_to_be_from(vera: User, team: Team) -> None:
    person = factories.make_person("Ivan Known", owner=vera)
    hidden = factories.make_company("Hidden Ltd", owner=factories.make_salesperson("Boris"))
    because = {
        "by": "rule",
        "rule": "Hamburg",
        "turn": True,
        "team": "North",
        "conditions": {"country": "DE"},
    }
    lead = make_lead(
        owner=vera, team=team, known_person=person, known_company=hidden, assigned_because=because
    )
    text = entered(vera).get(f"/admin/crm/lead/{lead.pk}/change/").content.decode()
    assert "Rule “Hamburg” (country: DE): it was their turn in North." in text
    assert "Ivan Known" in text
    assert "Hidden Ltd" not in text


@pytest.mark.parametrize("by", ["hand", "claim", "customer", "form", "import"])
def test_every_reason_has_words(vera: User, by: str) -> None:
    assert why_assigned(Lead(owner=vera, assigned_because={"by": by, "who": "Lars"}))


def test_qualifying_in_the_admin_takes_the_offered_rows(vera: User) -> None:
    person = factories.make_person("Ivan", owner=vera)
    lead = make_lead("Ivan", owner=vera)
    ContactPoint.objects.create(person=person, kind="EMAIL", raw=lead.email, value=lead.email_value)
    client = entered(vera)
    text = client.get(f"/admin/crm/lead/{lead.pk}/qualify/").content.decode()
    assert f'name="person" value="{person.pk}" checked' in text
    body = {"person": person.pk, "company": "none", "has_deal": "1", "title": "Desks", "version": "1"}
    answer = client.post(f"/admin/crm/lead/{lead.pk}/qualify/", body)
    deal = Deal.objects.get()
    assert answer["Location"] == f"/admin/crm/deal/{deal.pk}/change/"
    # A second click leads to the same.
    assert client.post(f"/admin/crm/lead/{lead.pk}/qualify/", body)["Location"] == answer["Location"]
    assert (Deal.objects.count(), Person.objects.count(), Company.objects.count()) == (1, 1, 0)


def test_qualifying_is_one_change_set_and_comes_back(vera: User) -> None:
    lead = make_lead("Ivan", owner=vera, company_name="Mebel")
    entered(vera).post(
        f"/api/v1/crm/leads/{lead.pk}/qualify/", '{"deal": {}}', content_type="application/json"
    )
    assert (Deal.objects.count(), Person.objects.count(), Company.objects.count()) == (1, 1, 1)
    undo(ChangeSet.objects.latest("pk"), vera)
    lead.refresh_from_db()
    assert (lead.status, lead.converted_person_id) == ("NEW", None)
    assert (Deal.objects.count(), Person.objects.count(), Company.objects.count()) == (0, 0, 0)


def test_a_form_shows_its_piece_of_html_and_its_numbers(admin: User) -> None:
    form = make_form(consent_text="Yes", field_map={"your-mail": "email"})
    make_lead(form=form, status="DISQUALIFIED", disqualify_reason=reason())
    text = entered(admin).get(f"/admin/crm/leadform/{form.pk}/change/").content.decode()
    assert f"/api/v1/crm/forms/{form.token}/" in text
    assert "your-mail" in text
    assert "qualified: 0 of 1 decided" in text
    assert text.count("<rect ") >= 30


def test_a_form_is_arranged_in_the_admin(admin: User) -> None:
    client = entered(admin)
    values = {
        "name": "Site",
        "is_active": "on",
        "allowed_origins": "https://A.example\n\nhttps://b.example:8443",
    }
    values |= {"field_map": "your name = name\nq=1=message", "honeypot": "website", "hourly_limit": "50"}
    values |= {"success_message": "", "redirect_url": "", "country": "", "consent_text": ""}
    values |= {"consent_purpose": "MARKETING"}
    client.post("/admin/crm/leadform/add/", values)
    form = LeadForm.objects.get()
    assert form.allowed_origins == ["https://a.example", "https://b.example:8443"]
    assert form.field_map == {"your name": "name", "q=1": "message"}
    refused = client.post("/admin/crm/leadform/add/", values | {"field_map": "x = nothing"})
    assert "Each line names a field of the site" in refused.content.decode()
    was = form.token
    client.post(f"/admin/crm/leadform/{form.pk}/do/renew/", {"version": form.version})
    form.refresh_from_db()
    assert form.token != was


# Many at once


def run(service: Any, actor: User, keys: list[int], **choice: Any) -> Any:
    chosen = {name: Chosen("set" if name not in _DEEDS else "do", value) for name, value in choice.items()}
    return service(keys, chosen, actor=actor, face=StageTransition.Face.ADMIN)


_DEEDS = {"start", "disqualify", "recycle", "archive"}


def test_many_leads_are_given_away_as_one_is(vera: User, lars: User, team: Team) -> None:
    one, many = make_lead(owner=vera, team=team), make_lead(owner=vera, team=team)
    trashed = make_lead(owner=vera, team=team, archived_at=timezone.now())
    leads.assign_lead(one.pk, owner_id=lars.pk, actor=lars)
    refused = run(bulk.assign_leads, lars, [many.pk, trashed.pk], owner=lars)
    assert refused.keys() == {trashed.pk}
    same = ("owner_id", "team_id", "assigned_because", "version")
    assert Lead.objects.values(*same).get(pk=one.pk) == Lead.objects.values(*same).get(pk=many.pk)
    told = [Event.objects.get(subject=f"lead/{lead.pk}").data for lead in (one, many)]
    assert told[0].keys() == told[1].keys()
    assert told[0]["previous_owner"] == told[1]["previous_owner"] == {"id": vera.pk, "name": "Vera Sell"}
    assert isinstance(run(bulk.assign_leads, vera, [one.pk], owner=vera), dict)


def test_many_leads_are_started_and_disqualified_as_one_is(vera: User) -> None:
    first, second = make_lead(owner=vera), make_lead(owner=vera)
    decided = make_lead(owner=vera, status="DISQUALIFIED", disqualify_reason=reason())
    assert run(bulk.start_leads, vera, [first.pk, second.pk, decided.pk], start=None).keys() == {decided.pk}
    assert not run(bulk.disqualify_leads, vera, [first.pk], disqualify=reason())
    assert not run(bulk.recycle_leads, vera, [decided.pk], recycle=None)
    states = dict(Lead.objects.values_list("pk", "status"))
    assert states == {first.pk: "DISQUALIFIED", second.pk: "WORKING", decided.pk: "WORKING"}


# Imports


def test_leads_are_imported_and_known_ones_met_again(admin: User) -> None:
    file = (
        "Name,Company,E-mail,Phone,Lead source,Next step date\n"
        "Ivan,Mebel,Ivan@Example.org,8 495 123-45-67,Web site,2026-12-01\n"
        ",Only a company,,,,\n"
        ",,,,Web site,2026-12-01\n"
        "Olga,,nonsense,,,\n"
        "Petr,,p@example.org,,Nowhere,\n"
    )
    batch = rehearse(upload("leads", file, actor=admin), actor=admin)
    assert verdicts(batch) == "CCEEE"
    apply(batch, actor=admin, skip_errors=True)
    lead = Lead.objects.get(name="Ivan")
    assert (lead.email, lead.email_value, lead.phone_value) == (
        "Ivan@Example.org",
        "ivan@example.org",
        "+74951234567",
    )
    assert (lead.source, str(lead.next_step_date), lead.assigned_because) == (
        source(),
        "2026-12-01",
        {"by": "import"},
    )
    assert Lead.objects.filter(company_name="Only a company").exists()
    assert Lead.objects.count() == 2
    again = bring_in("leads", "E-mail,Next step\nIVAN@example.org,Call\n", actor=admin)
    lead.refresh_from_db()
    assert (lead.next_step, lead.email, lead.version) == ("Call", "Ivan@Example.org", 2)
    assert verdicts(again) == "U"
    unchanged = bring_in("leads", "E-mail,Next step\nivan@EXAMPLE.org,Call\n", actor=admin)
    assert verdicts(unchanged) == "S"


def test_odd_tax_ids_of_a_file_are_taken_with_a_word_about_them(admin: User) -> None:
    batch = bring_in(
        "companies", "name,inn,country\nGood,7707083893,Россия\nOdd,7707083894,Россия\n", actor=admin
    )
    assert Company.objects.get(name="Odd").tax_id == "7707083894"
    notices = ImportBatch.objects.get(pk=batch.pk).notices
    assert [(each["code"], each["params"]["count"]) for each in notices] == [("odd_tax_ids", 1)]


# Numbers and contacts of companies and people


@pytest.mark.parametrize(
    ("tax_id", "country", "is_taken"),
    [
        *[("7707083893", "Россия", True), ("7707083894", "Россия", False), ("1027700132195", "RU", True)],
        *[
            ("7707083893 / 770701001", "ru", True),
            ("DE136695976", "Deutschland", True),
            ("136695977", "DE", False),
        ],
        *[("12-3456789", "USA", True), ("7707083894", "", True), ("anything", "Narnia", True)],
    ],
)
def test_a_tax_id_is_one_of_its_country(anna: User, tax_id: str, country: str, *, is_taken: bool) -> None:
    def make() -> Company:
        return companies.create_company(actor=anna, name="Mebel", tax_id=tax_id, country=country)

    if is_taken:
        assert make().tax_id == tax_id
        return
    with pytest.raises(ValidationError) as caught:
        make()
    assert caught.value.error_dict["tax_id"][0].code == "tax_id"


def test_a_wrong_number_from_before_is_no_obstacle_to_another_change(anna: User) -> None:
    company = factories.make_company("Mebel", owner=anna, tax_id="7707083894", country="Россия")
    companies.change_company(company.pk, actor=anna, city="Perm")
    with pytest.raises(ValidationError):
        companies.change_company(company.pk, actor=anna, tax_id="7707083895")
    companies.change_company(company.pk, actor=anna, tax_id="7707083893")


def test_a_phone_is_read_with_the_country_of_its_holder(anna: User) -> None:
    company = factories.make_company("Möbel", owner=anna, country="Deutschland")
    point = contacts.add_contact_point(Company, company.pk, actor=anna, kind="PHONE", raw="030 901820")
    assert point.value == "+4930901820"
    person = factories.make_person("Jan", owner=anna)
    person.employments.create(company=company)
    theirs = contacts.add_contact_point(Person, person.pk, actor=anna, kind="PHONE", raw="030 901821")
    assert theirs.value == "+4930901821"


def test_one_contact_of_a_kind_is_the_primary_one(anna: User) -> None:
    person = factories.make_person("Ivan", owner=anna)
    first, second = [
        contacts.add_contact_point(
            Person, person.pk, actor=anna, kind="EMAIL", raw=f"{n}@example.org", is_primary=True
        )
        for n in range(2)
    ]
    first.refresh_from_db()
    assert (first.is_primary, second.is_primary) == (False, True)
    with pytest.raises(IntegrityError), transaction.atomic():
        ContactPoint.objects.filter(pk=first.pk).update(is_primary=True)


# Consents


def point_of(owner: User) -> ContactPoint:
    person = factories.make_person("Ivan", owner=owner)
    return ContactPoint.objects.create(
        person=person, kind="EMAIL", raw="i@example.org", value="i@example.org"
    )


def test_a_consent_is_given_withdrawn_and_given_again(anna: User) -> None:
    point = point_of(anna)
    given = consents.give_consent(point.pk, purpose="CALLS", actor=anna, source="STAFF", note="said so")
    with pytest.raises(ValidationError) as caught:
        consents.give_consent(point.pk, purpose="CALLS", actor=anna, source="STAFF")
    assert caught.value.code == "consent_stands"
    taken_back = consents.withdraw_consent(given.pk, actor=anna, source="STAFF")
    assert (taken_back.status, taken_back.purpose) == ("WITHDRAWN", "CALLS")
    for over in (given, taken_back):
        with pytest.raises(ValidationError) as caught:
            consents.withdraw_consent(over.pk, actor=anna, source="STAFF")
        assert caught.value.code == "consent_over"
    consents.give_consent(point.pk, purpose="CALLS", actor=anna, source="STAFF")
    assert Consent.objects.count() == 3
    assert Event.objects.filter(type="crm.consent.changed.v1").count() == 3
    with pytest.raises(IntegrityError), transaction.atomic():
        Consent.objects.update(note="other")


def test_only_who_may_change_somebody_writes_their_consents(anna: User, boris: User, auditor: User) -> None:
    point = point_of(anna)
    with pytest.raises(ContactPoint.DoesNotExist):
        consents.give_consent(point.pk, purpose="CALLS", actor=boris, source="STAFF")
    with pytest.raises(PermissionDenied):
        consents.give_consent(point.pk, purpose="CALLS", actor=auditor, source="STAFF")


def test_consents_over_rest(anna: User) -> None:
    point = point_of(anna)
    client = entered(anna)
    body = json.dumps({"contact_point": point.pk, "purpose": "MARKETING"})
    made = client.post("/api/v1/crm/consents/", body, content_type="application/json")
    assert made.status_code == 201, made.content
    address = f"/api/v1/crm/consents/{made.json()['id']}/withdraw/"
    taken_back = client.post(address, "{}", content_type="application/json")
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "WITHDRAWN")
    assert client.post(address, "{}", content_type="application/json").json()["code"] == "consent_over"
    rows = client.get(f"/api/v1/crm/consents/?contact_point__person={point.person_id}").json()["results"]
    assert len(rows) == 2


def test_consents_on_the_page_of_a_person(anna: User) -> None:
    point = point_of(anna)
    client = entered(anna)
    base = f"/admin/crm/person/{point.person_id}"
    client.post(
        f"{base}/do/give-consent/", {"contact_point": point.pk, "purpose": "CALLS", "note": "by phone"}
    )
    text = client.get(f"{base}/change/").content.decode()
    assert "by phone" in text
    given = Consent.objects.get()
    other = factories.make_person("Other", owner=anna)
    client.post(f"/admin/crm/person/{other.pk}/do/withdraw-consent/", {"consent": given.pk})
    assert Consent.objects.count() == 1
    client.post(f"{base}/do/withdraw-consent/", {"consent": given.pk})
    assert Consent.objects.latest("pk").status == "WITHDRAWN"


# Home


def test_home_counts_the_leads_that_wait(vera: User, lars: User, team: Team) -> None:
    make_lead(owner=vera, team=team)
    make_lead(owner=vera, team=team, status="WORKING")
    make_lead(owner=lars, team=team)
    make_lead()
    make_lead(owner=vera, status="DISQUALIFIED", disqualify_reason=reason())
    found = figures.count_leads(vera)
    assert (found.new, found.mine, found.nobodys, found.working) == (2, 1, 1, 1)
    assert figures.count_leads(lars).new == 3
    assert ("leads", 5) in page.sections_of(vera)
    assert ("leads", 12) in page.sections_of(lars)
    assert "leads" not in dict(page.sections_of(factories.make_auditor()))
    factories.make_deal(owner=vera)
    client = entered(vera)
    assert 'data-figure="2"' in client.get("/admin/").content.decode()
    listed = client.get("/admin/crm/lead/?status=NEW").content.decode()
    assert listed.count('class="field-who_cell') == 2


# Words


def test_words_of_one_name_stand_once(admin: User) -> None:
    with pytest.raises(ValidationError) as caught:
        lead_catalog.create_source(actor=admin, name="WEB SITE")
    assert caught.value.code == "source_name_unique"
    with pytest.raises(PermissionDenied):
        lead_catalog.create_source(actor=factories.make_salesperson(), name="Mine")
    made = lead_catalog.create_source(actor=admin, name="Podcast")
    lead_catalog.change_source(made.pk, actor=admin, is_active=False)
    assert not Source.objects.get(pk=made.pk).is_active
    rule = lead_catalog.create_rule(actor=admin, name="All", to_user_id=admin.pk)
    lead_catalog.change_rule(rule.pk, actor=admin, position=1)
    assert AssignmentRule.objects.get().position == 1


def test_undone_facts_fit_what_is_there(vera: User) -> None:
    lead = make_lead(owner=vera)
    qualify_lead(lead.pk, actor=vera, face=StageTransition.Face.API)
    assert Event.objects.filter(type="crm.lead.qualified.v1").count() == 1
