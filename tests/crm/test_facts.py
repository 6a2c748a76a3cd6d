"""What facts tell fits their schemas, and every fact has one."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from django.apps import apps
from django.utils import timezone
from jsonschema import Draft202012Validator

from apps.accounts.models import User
from apps.common.links import digest_of
from apps.crm import events
from apps.crm.models import AutomationRule, DisqualifyReason, LostReason, StageTransition, Tag
from apps.crm.services import (
    activities,
    automation,
    automation_runs,
    companies,
    consents,
    contacts,
    deals,
    leads,
    people,
    quotes,
)
from apps.crm.services.merging import merge_companies, merge_people
from apps.crm.services.qualifying import qualify_lead
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_admin, make_deal, make_salesperson
from tests.crm.importing import bring_in
from tests.crm.personal import erased
from tests.crm.quoting import accept, make_sale, sent
from tests.documents.papers.factories import make_entity

SCHEMAS = Path(apps.get_app_config("crm").path) / "schemas"
Face = StageTransition.Face


def test_every_fact_has_a_schema_and_every_schema_a_fact() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} >= {f"{fact.type}.json" for fact in events.FACTS}
    assert {path.stem for path in SCHEMAS.glob("crm.deal.*")} == {
        fact.type for fact in events.FACTS if fact.aggregate == "deal"
    }


@pytest.mark.django_db
def test_everything_told_fits(anna: User, lena: User, boris: User) -> None:
    tags = [Tag.objects.create(name=name).pk for name in ["a", "b"]]
    company = companies.create_company(
        actor=anna,
        name="Mebel",
        annual_revenue=Decimal("1.5"),
        tag_ids=tags,
        contact_points=[{"kind": "EMAIL", "raw": "a@b.ru"}],
    )
    companies.change_company(company.pk, actor=anna, founded_year=1999)
    person = people.create_person(actor=anna, given_name="Ivan", company_id=company.pk, tag_ids=tags)
    people.change_person(person.pk, actor=anna, family_name="Petrov")
    contacts.add_contact_point(type(person), person.pk, actor=anna, kind="PHONE", raw="+7 495 123-45-67")
    people.archive_person(person.pk, actor=anna)
    people.restore_person(person.pk, actor=anna)
    deal = deals.create_deal(
        actor=anna, face=Face.API, title="Desks", company_id=company.pk, person_id=person.pk, tag_ids=tags
    )
    deals.change_deal(deal.pk, actor=anna, amount=Decimal(3))
    stages = deal.pipeline.stages.filter(kind="OPEN").order_by("position")
    deals.move_deal(deal.pk, stage_id=stages[1].pk, actor=anna, face=Face.BOT)
    deals.lose_deal(deal.pk, reason_id=LostReason.objects.get(name="Price").pk, actor=anna, face=Face.API)
    deals.reopen_deal(deal.pk, reason="again", actor=anna, face=Face.API)
    deals.win_deal(deal.pk, actor=anna, face=Face.API)
    deals.archive_deal(deal.pk, actor=anna)
    deals.restore_deal(deal.pk, actor=anna)
    deals.assign_deal(deal.pk, owner_id=boris.pk, actor=lena)
    companies.archive_company(company.pk, actor=anna)
    companies.restore_company(company.pk, actor=anna)
    admin = make_admin()
    twins = (
        companies.create_company(actor=admin, name="Mebel"),
        people.create_person(actor=admin, given_name="Ivan"),
    )
    merge_companies(company.pk, twins[0].pk, actor=admin)
    merge_people(person.pk, twins[1].pk, actor=admin)
    bring_in("products", "product\nDesk\n", actor=admin)
    tell_of_leads(admin)
    tell_of_quotes(make_member(make_team("Quotes"), "salesperson", "seller"))
    tell_of_activities(anna, lena)
    tell_of_automation(admin)
    # What facts say of somebody who was erased fits as well.
    erased(
        people.create_person(
            actor=admin, given_name="Otto", contact_points=[{"kind": "EMAIL", "raw": "o@b.ru"}]
        ),
        admin,
    )
    told = Event.objects.filter(type__startswith="crm.")
    assert set(told.values_list("type", flat=True)) == {fact.type for fact in events.FACTS}
    for event in told:
        schema = json.loads((SCHEMAS / f"{event.type}.json").read_text())
        Draft202012Validator(schema).validate(event.data)
    last = told.filter(subject=f"person/{person.pk}").latest("sequence").data
    assert last["company_ids"] == [company.pk]
    assert last["tags"] == ["a", "b"]
    assert last["contact_points"][0]["value"] == "+74951234567"


def tell_of_quotes(seller: User) -> None:
    """Supersede, reject, accept and outlive a quote."""
    make_entity()
    sale = make_sale(seller)
    sent(sale, seller)
    _second, token = sent(sale, seller)
    quotes.reject_quote(digest_of(token), reason="Too dear")
    third, token = sent(sale, seller)
    accept(token, third)
    sent(make_sale(seller), seller, valid_until=timezone.localdate())
    tomorrow = timezone.localdate() + timedelta(days=1)
    with patch.object(timezone, "localdate", return_value=tomorrow):
        quotes.expire_quotes()


def tell_of_activities(author: User, named: User) -> None:
    deal = make_deal(owner=author, team=author.memberships.get().team)
    note = activities.log_activity(
        about=[("deal", deal.pk)], kind="NOTE", actor=author, body="They like the desks"
    )
    activities.change_activity(note.pk, actor=author, body=f"@{named.name}, look")


def tell_of_leads(admin: User) -> None:
    lead = leads.create_lead(actor=admin, name="Ivan", email="lead@example.org", owner_id=admin.pk)
    leads.create_lead(actor=admin, email="lead@example.org")
    leads.start_lead(lead.pk, actor=admin)
    leads.assign_lead(lead.pk, owner_id=make_salesperson().pk, actor=admin)
    reason = DisqualifyReason.objects.earliest("pk")
    leads.disqualify_lead(lead.pk, reason_id=reason.pk, actor=admin)
    leads.recycle_lead(lead.pk, actor=admin)
    qualified = qualify_lead(lead.pk, actor=admin, face=Face.API, deal={})
    assert qualified.converted_person is not None
    point = qualified.converted_person.contact_points.get()
    consents.give_consent(point.pk, purpose="CALLS", actor=admin, source="STAFF")


def tell_of_automation(admin: User) -> None:
    """Write a rule, let it act, and let the fuse stop it."""
    tell = {"kind": "tell", "text": "Look"}
    rule = automation.create_automation(
        actor=admin, name="Rule", trigger=events.DEAL_CHANGED.type, actions=[tell]
    )
    automation.start_automation(rule.pk, actor=admin)
    # As if it had been there before what happened.
    AutomationRule.objects.update(started_at=None)
    automation_runs.run_rules(Event.objects.filter(type=events.DEAL_CHANGED.type).latest("pk"))
    automation.stop_by_fuse(rule, "again and again")


@pytest.mark.django_db
def test_facts_tell_further_fields_but_nothing_of_what_they_refer_to(anna: User) -> None:
    from tests.crm.test_custom_fields import Kind, make_field

    other = companies.create_company(actor=anna, name="Secret")
    for model in ("deal", "company", "person", "lead"):
        make_field("Budget", Kind.NUMBER, model=model, key="budget")
        make_field("Partner", Kind.REFERENCE, model=model, key="partner", target="crm.company")
    custom = {"budget": "12.5", "partner": other.pk}
    made = {
        "deal": deals.create_deal(actor=anna, title="Desks", face=Face.API, custom=custom),
        "company": companies.create_company(actor=anna, name="Mebel", custom=custom),
        "person": people.create_person(actor=anna, given_name="Ivan", custom=custom),
        "lead": leads.create_lead(actor=make_admin(), name="Ivan", custom=custom),
    }
    deals.change_deal(made["deal"].pk, actor=anna, title="Lamps")
    for model, row in made.items():
        for fact in Event.objects.filter(subject=f"{model}/{row.pk}"):
            assert fact.data["custom"] == {"budget": "12.5"}, fact.type
            schema = json.loads((SCHEMAS / f"{fact.type}.json").read_text())
            Draft202012Validator(schema).validate(fact.data)
    assert Event.objects.filter(subject=f"deal/{made['deal'].pk}").count() == 2
