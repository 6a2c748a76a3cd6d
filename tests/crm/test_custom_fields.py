"""Further fields: what may stand in them, and what becomes of it in stages, merges, qualified leads and history."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import Team, User
from apps.crm.models import Company, CustomField, Deal, StageTransition
from apps.crm.services import companies, contracts, custom_fields, deals, leads, people
from apps.crm.services.contracts import ContractUnmet
from apps.crm.services.merging import merge_companies
from apps.crm.services.qualifying import NewDeal, qualify_lead
from apps.history.models import Conflict
from apps.history.selectors.stories import story
from apps.history.services.undoing import put_back_row
from tests.crm import factories
from tests.crm import leads as lead_factories
from tests.crm.quoting import ask_for
from tests.history.factories import everything, recorded, set_of, undo

pytestmark = pytest.mark.django_db
ADMIN = StageTransition.Face.ADMIN
Kind = CustomField.Kind
REGIONS = [{"key": "north", "label": "North"}, {"key": "south", "label": "South"}]


def make_field(label: str, kind: str = Kind.TEXT, model: str = "company", **fields: Any) -> CustomField:
    if kind == Kind.CHOICE:
        fields.setdefault("choices", REGIONS)
    admin = factories.make_admin()
    return custom_fields.create_custom_field(actor=admin, model=model, kind=kind, label=label, **fields)


def refused(error: Any) -> dict[str, str | None]:
    return {name: errors[0].code for name, errors in error.value.error_dict.items()}


# The catalog


def test_a_field_gets_a_key_of_its_name_that_nobody_has(admin: User) -> None:
    assert make_field("Sales region").key == "sales_region"
    assert make_field("Регион продаж").key == "region_prodazh"
    assert make_field("№ 7").key == "field_7"
    archived = make_field("Desks")
    custom_fields.archive_custom_field(archived.pk, actor=admin)
    assert make_field("Desks").key.startswith("desks_")
    assert make_field("Sales region", model="deal").key == "sales_region"
    with pytest.raises(ValidationError) as error:
        make_field("sales REGION", key="other")
    assert error.value.code == "custom_field_label_unique"


def test_only_who_rules_arranges_fields(anna: User, admin: User) -> None:
    with pytest.raises(PermissionDenied):
        custom_fields.create_custom_field(actor=anna, model="deal", kind=Kind.TEXT, label="Mine")
    field = make_field("Region", Kind.CHOICE)
    with pytest.raises(CustomField.DoesNotExist):
        custom_fields.archive_custom_field(field.pk, actor=anna)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "CHOICE", "choices": []}, "choices"),
        ({"kind": "CHOICE", "choices": [{"label": "One"}, {"label": "one"}]}, "choices"),
        ({"kind": "CHOICE", "choices": [{"label": " "}]}, "choices"),
        ({"kind": "TEXT", "choices": REGIONS}, "choices"),
        ({"kind": "TEXT", "key": "Region"}, "key"),
        ({"kind": "TEXT", "key": "a b"}, "key"),
        ({"kind": "COLOR"}, "kind"),
        ({"kind": "TEXT", "model": "product"}, "model"),
        ({"kind": "REFERENCE", "target": "accounts.role"}, "target"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_field("Region", **fields)
    assert list(error.value.error_dict) == [code]


def test_a_reference_says_to_what_and_others_do_not() -> None:
    for kind, target in ((Kind.REFERENCE, ""), (Kind.TEXT, "crm.company")):
        with pytest.raises(ValidationError) as error, transaction.atomic():
            make_field("Partner", kind, target=target)
        assert error.value.code == "custom_field_target"


def test_a_choice_that_rows_have_stays_and_another_may_go(admin: User) -> None:
    field = make_field("Region", Kind.CHOICE)
    company = companies.create_company(actor=admin, name="Iron", custom={field.key: "north"})
    only_south = [{"key": "south", "label": "The south"}]
    with pytest.raises(ValidationError) as error:
        custom_fields.change_custom_field(field.pk, actor=admin, choices=only_south)
    assert refused(error) == {"choices": "choice_used"}
    kept: list[dict[str, Any]] = [{"key": "north", "label": "North", "is_archived": True}, {"label": "West"}]
    changed = custom_fields.change_custom_field(field.pk, actor=admin, choices=kept)
    assert [one["key"] for one in changed.choices] == ["north", "west"]
    # Who has it keeps it, whatever else changes; nobody else gets it.
    companies.change_company(company.pk, actor=admin, custom={field.key: "north"}, city="Perm")
    with pytest.raises(ValidationError) as error:
        companies.create_company(actor=admin, name="Steel", custom={field.key: "north"})
    assert refused(error) == {"custom.region": "invalid"}


def test_a_field_in_the_trash_keeps_values_and_takes_none(admin: User) -> None:
    field = make_field("Region")
    company = companies.create_company(actor=admin, name="Iron", custom={"region": "Ural"})
    custom_fields.archive_custom_field(field.pk, actor=admin)
    with pytest.raises(ValidationError) as error:
        companies.change_company(company.pk, actor=admin, custom={"region": "Altai"})
    assert refused(error) == {"custom.region": "unknown_field"}
    custom_fields.restore_custom_field(field.pk, actor=admin)
    company.refresh_from_db()
    assert company.custom == {"region": "Ural"}


def test_adding_the_column_and_a_field_rewrites_no_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_default from information_schema.columns"
            " where column_name = 'custom' and table_name like 'crm\\_%' order by 1"
        )
        defaults = cursor.fetchall()
    assert [name for name, _default in defaults] == ["crm_company", "crm_deal", "crm_lead", "crm_person"]
    # A constant: PostgreSQL keeps it beside the table.
    assert {default for _name, default in defaults} == {"'{}'::jsonb"}
    company = factories.make_company("Iron")
    make_field("Region", is_required=True)
    company.refresh_from_db()
    assert (company.custom, company.version) == ({}, 1)


def test_the_database_knows_what_a_key_is() -> None:
    with pytest.raises(IntegrityError):
        CustomField.objects.create(model="deal", key="1", label="One", kind=Kind.TEXT)


# Values


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        (Kind.TEXT, "  Ural ", "Ural"),
        (Kind.NUMBER, Decimal("12.500"), "12.5"),
        (Kind.NUMBER, "-0.000001", "-0.000001"),
        (Kind.NUMBER, "1e3", "1000"),
        (Kind.NUMBER, 0, "0"),
        (Kind.NUMBER, "-0.0", "0"),
        (Kind.DATE, date(2026, 3, 1), "2026-03-01"),
        (Kind.DATE, "2026-03-01", "2026-03-01"),
        (Kind.CHOICE, "north", "north"),
        (Kind.FLAG, False, False),
        (Kind.FLAG, True, True),
    ],
)
def test_a_value_is_kept_in_one_way(admin: User, kind: str, given: Any, stored: Any) -> None:
    field = make_field("Field", kind)
    company = companies.create_company(actor=admin, name="Iron", custom={field.key: given})
    company.refresh_from_db()
    assert company.custom == {field.key: stored}
    assert type(company.custom[field.key]) is type(stored)
    again = companies.change_company(company.pk, actor=admin, custom={field.key: given})
    assert again.version == 1
    assert companies.change_company(company.pk, actor=admin, custom={field.key: None}).custom == {}


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        (Kind.TEXT, 12, "invalid"),
        (Kind.TEXT, "x" * 2001, "max_length"),
        (Kind.TEXT, "a\0b", "invalid"),
        (Kind.TEXT, "\ud800", "invalid"),
        (Kind.TEXT, ["a"], "invalid"),
        (Kind.NUMBER, 1.5, "invalid"),
        (Kind.NUMBER, True, "invalid"),
        (Kind.NUMBER, "NaN", "invalid"),
        (Kind.NUMBER, "1e19", "invalid"),
        (Kind.NUMBER, "0.0000001", "invalid"),
        (Kind.NUMBER, "123456789012345678.00000000001", "invalid"),
        (Kind.NUMBER, "twelve", "invalid"),
        (Kind.NUMBER, "9" * 5000, "invalid"),
        (Kind.DATE, "01.03.2026", "invalid"),
        (Kind.DATE, "2026-02-30", "invalid"),
        (Kind.CHOICE, "West", "invalid"),
        (Kind.CHOICE, {}, "invalid"),
        (Kind.FLAG, "yes", "invalid"),
        (Kind.FLAG, 1, "invalid"),
    ],
)
def test_what_is_no_value_of_the_kind_is_refused(admin: User, kind: str, given: Any, code: str) -> None:
    field = make_field("Field", kind)
    with pytest.raises(ValidationError) as error:
        companies.create_company(actor=admin, name="Iron", custom={field.key: given})
    assert refused(error) == {field.name: code}
    assert not Company.objects.exists()


def test_everything_that_is_wrong_is_said_at_once(admin: User) -> None:
    make_field("Area", Kind.NUMBER)
    make_field("Region", is_required=True)
    with pytest.raises(ValidationError) as error:
        companies.create_company(actor=admin, name="Iron", custom={"area": "x", "color": "red"})
    assert refused(error) == {
        "custom.area": "invalid",
        "custom.color": "unknown_field",
        "custom.region": "required",
    }


def test_a_required_field_is_asked_of_new_rows_and_stays_filled(admin: User) -> None:
    old = factories.make_company("Old")
    make_field("Region", is_required=True)
    # What was there before is no obstacle to changing something else.
    companies.change_company(old.pk, actor=admin, city="Perm")
    changed = companies.change_company(old.pk, actor=admin, custom={"region": "Ural"})
    with pytest.raises(ValidationError) as error:
        companies.change_company(old.pk, actor=admin, custom={"region": ""})
    assert refused(error) == {"custom.region": "required"}
    assert changed.custom == {"region": "Ural"}


@pytest.mark.parametrize("is_named", [True, False])
def test_a_required_field_of_deals_is_asked_in_both_ways(anna: User, is_named: bool) -> None:
    make_field("Site", model="deal", is_required=True)
    where: dict[str, Any] = {"stage_id": factories.stage("Prospecting").pk} if is_named else {}
    with pytest.raises(ValidationError) as error:
        deals.create_deal(actor=anna, face=ADMIN, title="Desks", **where)
    assert refused(error) == {"custom.site": "required"}
    deal = deals.create_deal(actor=anna, face=ADMIN, title="Desks", custom={"site": "A"}, **where)
    assert Deal.objects.get(pk=deal.pk).custom == {"site": "A"}


def test_a_reference_is_to_what_one_sees_and_stays_for_others(anna: User, boris: User, admin: User) -> None:
    field = make_field("Partner", Kind.REFERENCE, target="crm.company")
    hidden = factories.make_company("Secret", owner=boris)
    row = factories.make_company("Iron", owner=anna)
    for key in (hidden.pk, 10**9, True, "x"):
        with pytest.raises(ValidationError) as error:
            companies.change_company(row.pk, actor=anna, custom={field.key: key})
        assert set(refused(error)) == {field.name}
    companies.change_company(row.pk, actor=admin, custom={field.key: hidden.pk})
    kept = companies.change_company(row.pk, actor=anna, custom={field.key: hidden.pk}, city="Perm")
    assert (kept.custom, kept.city) == ({field.key: hidden.pk}, "Perm")


def test_all_four_kinds_of_rows_have_them(admin: User) -> None:
    for model in ("company", "person", "deal", "lead"):
        make_field("Note", model=model)
    given = {"note": "x"}
    rows: list[Any] = [
        companies.create_company(actor=admin, name="Iron", custom=given),
        people.create_person(actor=admin, given_name="Ida", custom=given),
        deals.create_deal(actor=admin, face=ADMIN, title="Desks", custom=given),
        leads.create_lead(actor=admin, name="Lee", custom=given),
    ]
    for row in rows:
        row.refresh_from_db()
        assert row.custom == given
    changes: list[Any] = [
        companies.change_company,
        people.change_person,
        deals.change_deal,
        leads.change_lead,
    ]
    for row, change in zip(rows, changes, strict=True):
        assert change(row.pk, actor=admin, custom={"note": "y"}).custom == {"note": "y"}


# Stages, leads, merges


def test_a_stage_asks_for_a_further_field(anna: User, admin: User) -> None:
    company = factories.make_company("Iron", owner=anna)
    deal = factories.make_deal(owner=anna, company=company)
    site = make_field("Site", model="deal")
    make_field("Is local", Kind.FLAG)
    first, second, *_rest = list(factories.sales().stages.filter(kind="OPEN").order_by("position"))
    ask_for(first, ("field", {"field": "deal.custom.site"}), ("field", {"field": "company.custom.is_local"}))
    with pytest.raises(ContractUnmet) as unmet:
        deals.move_deal(deal.pk, stage_id=second.pk, actor=anna, face=ADMIN)
    labels = [one["label"] for one in unmet.value.facts["missing"]]
    assert labels == ["Site", "Is local (company)"]
    urls = [one["url"] for one in unmet.value.facts["missing"]]
    assert [url.partition("#")[2] for url in urls] == ["id_custom.site", "id_custom.is_local"]
    with pytest.raises(ValidationError) as error:
        custom_fields.archive_custom_field(site.pk, actor=admin)
    assert error.value.code == "field_needed"
    deals.change_deal(deal.pk, actor=anna, custom={"site": "A"})
    # A no is an answer.
    companies.change_company(company.pk, actor=anna, custom={"is_local": False})
    assert contracts.missing_here(Deal.objects.get(pk=deal.pk)) == []
    assert deals.move_deal(deal.pk, stage_id=second.pk, actor=anna, face=ADMIN).stage_id == second.pk


def test_what_a_lead_says_goes_on_into_what_it_becomes(team: Team) -> None:
    seller = lead_factories.make_seller("Sela", team)
    for model in ("lead", "company", "deal"):
        make_field("Region", Kind.CHOICE, model=model, is_required=model == "company")
    make_field("Note", model="lead")
    make_field("Note", Kind.NUMBER, model="deal")
    lead = lead_factories.make_lead("Lee Long", owner=seller, team=team, company_name="Iron")
    with pytest.raises(ValidationError):
        qualify_lead(lead.pk, actor=seller, face=ADMIN)
    leads.change_lead(lead.pk, actor=seller, custom={"region": "south", "note": "x"})
    made = qualify_lead(lead.pk, actor=seller, face=ADMIN, deal=NewDeal(title="Desks"))
    assert made.converted_company is not None
    assert made.converted_company.custom == {"region": "south"}
    assert made.converted_deal is not None
    assert made.converted_deal.custom == {"region": "south"}


def test_a_merge_fills_and_chooses_field_by_field(admin: User) -> None:
    for label in ("One", "Two", "Three"):
        make_field(label)
    winner = companies.create_company(actor=admin, name="A", custom={"one": "a", "two": "a"})
    loser = companies.create_company(actor=admin, name="B", custom={"two": "b", "three": "b"})
    before = everything()
    with recorded(admin) as work:
        merged = merge_companies(winner.pk, loser.pk, actor=admin, choices={"custom.two": "loser"})
    assert merged.custom == {"one": "a", "two": "b", "three": "b"}
    undo(set_of(work), admin)
    assert everything() == before
    with pytest.raises(ValidationError) as error:
        merge_companies(winner.pk, loser.pk, actor=admin, choices={"custom.four": "loser"})
    assert error.value.code == "merge_choice"


# History


def test_history_tells_each_field_in_words(anna: User, boris: User, admin: User) -> None:
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Partner", Kind.REFERENCE, target="crm.company")
    hidden = factories.make_company("Secret", owner=boris)
    with recorded(admin):
        company = companies.create_company(
            actor=admin, name="Iron", owner_id=anna.pk, custom={"region": "north", "area": "1200.5"}
        )
    with recorded(admin):
        companies.change_company(
            company.pk, actor=admin, custom={"region": "south", "area": None, "partner": hidden.pk}
        )
    latest, first = story(company, actor=anna).entries
    told = {line.label: (line.old, line.new) for line in latest.lines}
    assert told["Region"] == ("North", "South")
    assert told["Area"][1] == ""
    assert "200" in told["Area"][0]
    assert told["Partner"] == ("", "Company (not yours to see)")
    assert "Secret" not in str(told)
    assert {line.label for line in first.lines} >= {"Region", "Area"}
    seen = {line.label: line.new for line in story(company, actor=admin).entries[0].lines}
    assert seen["Partner"] == "Secret"


def test_undo_puts_single_fields_back(admin: User) -> None:
    make_field("One")
    make_field("Two")
    company = companies.create_company(actor=admin, name="Iron", custom={"one": "a"})
    with recorded(admin) as work:
        companies.change_company(company.pk, actor=admin, custom={"one": "b"})
    companies.change_company(company.pk, actor=admin, custom={"two": "z"})
    started = undo(set_of(work), admin)
    assert not started.conflicts.exists()
    company.refresh_from_db()
    assert company.custom == {"one": "a", "two": "z"}


def test_undo_leaves_a_field_that_somebody_changed_since_to_decide(admin: User) -> None:
    make_field("One")
    make_field("Two")
    company = companies.create_company(actor=admin, name="Iron", custom={"one": "a"})
    with recorded(admin) as work:
        companies.change_company(company.pk, actor=admin, custom={"one": "b", "two": "b"})
    companies.change_company(company.pk, actor=admin, custom={"one": "c"})
    started = undo(set_of(work), admin)
    conflict = started.conflicts.get()
    assert conflict.kind == Conflict.Kind.CHANGED
    put_back_row(conflict.pk, actor=admin, columns=["custom.two"])
    company.refresh_from_db()
    assert company.custom == {"one": "c"}


def test_a_company_made_and_given_a_field_since_does_not_go_by_undo(admin: User) -> None:
    make_field("One")
    with recorded(admin) as work:
        company = companies.create_company(actor=admin, name="Iron")
    companies.change_company(company.pk, actor=admin, custom={"one": "a"})
    assert undo(set_of(work), admin).conflicts.get().kind == Conflict.Kind.CHANGED
    assert Company.objects.filter(pk=company.pk).exists()
