"""What facts tell fits their schemas, and every fact has one."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.apps import apps
from jsonschema import Draft202012Validator

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import LostReason, StageTransition, Tag
from apps.crm.services import companies, contacts, deals, people
from apps.events.models import Event
from tests.crm.factories import make_admin
from tests.crm.importing import bring_in

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
    bring_in("products", "product\nDesk\n", actor=make_admin())
    told = Event.objects.filter(type__startswith="crm.")
    assert set(told.values_list("type", flat=True)) == {fact.type for fact in events.FACTS}
    for event in told:
        schema = json.loads((SCHEMAS / f"{event.type}.json").read_text())
        Draft202012Validator(schema).validate(event.data)
    last = told.filter(subject=f"person/{person.pk}").latest("sequence").data
    assert last["company_ids"] == [company.pk]
    assert last["tags"] == ["a", "b"]
    assert last["contact_points"][0]["value"] == "+74951234567"
