"""Further fields of many rows: rehearsed, applied and undone like any other, and judged as on the page of one."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.models import Company, CustomField, Deal, Lead, Person
from apps.crm.services import bulk, companies, custom_fields
from apps.history.models import ChangeSet
from apps.lists.bulk import Chosen, bulk_of
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.selectors.bulk import chosen_lines, rows_of
from apps.lists.services.bulk import change_set_of, undo_bulk_edit
from tests.crm import factories
from tests.crm.test_admin_pages import login, page, text_of
from tests.crm.test_api import ROOT, client_of
from tests.crm.test_bulk import each, many
from tests.crm.test_custom_fields import Kind, make_field
from tests.history.factories import everything, undo
from tests.lists.bulk import apply, rehearse, set_to, verdicts

pytestmark = pytest.mark.django_db
CHANGED = BulkRow.Verdict.CHANGED


@pytest.fixture
def rows(anna: User, team: Team) -> list[Company]:
    """Companies of the team: with and without a value, and one in the trash."""
    make_field("Region", Kind.CHOICE)
    make_field("Area", Kind.NUMBER)
    make_field("Renewal", Kind.DATE)
    make_field("Key account", Kind.FLAG)
    make_field("Code", is_required=True)
    return [
        factories.make_company("Empty", owner=anna, team=team),
        factories.make_company(
            "Full",
            owner=anna,
            team=team,
            custom={
                "region": "north",
                "area": "12.345",
                "renewal": "2026-03-01",
                "key_account": False,
                "code": "x",
            },
        ),
        factories.make_company("Gone", owner=anna, team=team, archived_at=timezone.now()),
    ]


@pytest.mark.parametrize(
    ("key", "chosen", "given"),
    [
        ("region", Chosen("set", "south"), "south"),
        ("region", Chosen("set", "west"), "west"),
        ("region", Chosen("clear"), None),
        ("area", Chosen("set", Decimal("7.50")), Decimal("7.50")),
        ("renewal", Chosen("set", date(2027, 1, 1)), date(2027, 1, 1)),
        ("key_account", Chosen("set", True), True),
        ("key_account", Chosen("set", False), False),
        ("code", Chosen("set", "y"), "y"),
        ("code", Chosen("clear"), None),
        ("nothing", Chosen("set", "y"), "y"),
    ],
)
def test_many_are_judged_as_one(
    rows: list[Company], lena: User, key: str, chosen: Chosen, given: Any
) -> None:
    keys = [row.pk for row in rows]
    change = partial(companies.change_company, actor=lena, custom={key: given})
    assert many(bulk.change_companies, keys, {f"custom.{key}": chosen}, lena) == each(keys, change)


def test_numbers_are_raised_and_days_shifted(rows: list[Company], lena: User) -> None:
    choice = {"custom.area": Chosen("percent", Decimal(10)), "custom.renewal": Chosen("shift", -1)}
    refused = bulk.change_companies([rows[0].pk, rows[1].pk], choice, actor=lena, face="ADMIN")
    assert refused == {}
    custom = [Company.objects.get(pk=row.pk).custom for row in rows[:2]]
    assert custom[0] == {}
    assert (custom[1]["area"], custom[1]["renewal"]) == ("13.58", "2026-02-28")


def test_of_every_kind_of_rows(anna: User, team: Team, admin: User) -> None:
    kinds: list[tuple[str, Any, Callable[..., Any]]] = [
        ("deal", factories.make_deal(owner=anna, team=team), bulk.change_deals),
        ("person", factories.make_person(owner=anna, team=team), bulk.change_people),
        ("lead", Lead.objects.create(name="Somebody", owner=anna, team=team), bulk.change_leads),
    ]
    for model, row, run in kinds:
        make_field("Region", Kind.CHOICE, model=model)
        chosen = {"custom.region": Chosen("set", "north")}
        assert run([row.pk], chosen, actor=admin, face="ADMIN") == {}
        row.refresh_from_db()
        assert row.custom == {"region": "north"}
        keys = [key for key in bulk_of(row._meta.label_lower).changes if key.startswith("custom.")]
        assert keys == ["custom.region"]


def test_what_is_offered_goes_with_the_catalog(rows: list[Company], admin: User) -> None:
    offered = bulk_of("crm.company").changes
    assert [way.how for way in offered["custom.area"].ways] == ["set", "percent", "clear"]
    assert [way.how for way in offered["custom.renewal"].ways] == ["set", "shift", "clear"]
    assert [way.how for way in offered["custom.code"].ways] == ["set"]
    custom_fields.archive_custom_field(CustomField.objects.get(key="region").pk, actor=admin)
    assert "custom.region" not in bulk_of("crm.company").changes


def test_the_whole_way_and_back(rows: list[Company], lena: User) -> None:
    before = everything()
    found = Company.objects.order_by("pk")
    changes = {"custom.region": set_to("south"), "custom.key_account": set_to(True)}
    edit = rehearse(found, changes, actor=lena)
    assert everything() == before
    assert {pk for pk, verdict in verdicts(edit).items() if verdict == CHANGED} == {
        row.pk for row in rows[:2]
    }
    lines = {line.label: (line.old, line.new) for line in rows_of(edit, CHANGED, actor=lena)[1].lines}
    assert lines == {"Region": ("North", "South"), "Key account": ("no", "yes")}
    said = {line.label: line.new for line in chosen_lines(edit, actor=lena)}
    assert said == {"Region": "South", "Key account": "yes"}
    edit = apply(edit, actor=lena)
    assert Company.objects.get(pk=rows[1].pk).custom["region"] == "south"
    # What was filled in since in another field is nobody's to take back.
    companies.change_company(rows[0].pk, actor=lena, custom={"area": 9})
    done = change_set_of(edit)
    assert isinstance(done, ChangeSet)
    undo(done, lena)
    assert [Company.objects.get(pk=row.pk).custom for row in rows[:2]] == [{"area": "9"}, rows[1].custom]
    assert undo_bulk_edit(edit.pk, actor=lena).change_set == done


def test_rows_changed_since_in_the_same_field_are_left_alone(rows: list[Company], lena: User) -> None:
    edit = rehearse(Company.objects.order_by("pk"), {"custom.region": set_to("south")}, actor=lena)
    companies.change_company(rows[0].pk, actor=lena, custom={"region": "north"})
    apply(edit, actor=lena)
    assert Company.objects.get(pk=rows[0].pk).custom["region"] == "north"
    assert Company.objects.get(pk=rows[1].pk).custom["region"] == "south"


def test_only_what_is_in_sight_is_referred_to(anna: User, team: Team, lena: User) -> None:
    make_field("Partner", Kind.REFERENCE, model="deal", target="crm.company")
    deal = factories.make_deal(owner=anna, team=team)
    seen, unseen = (
        factories.make_company("Seen", owner=anna, team=team),
        factories.make_company("Unseen", owner=factories.make_salesperson()),
    )
    with pytest.raises(ValidationError) as caught:
        rehearse(Deal.objects.all(), {"custom.partner": set_to(unseen)}, actor=lena)
    assert set(caught.value.error_dict) == {"custom.partner"}
    edit = apply(rehearse(Deal.objects.all(), {"custom.partner": set_to(seen)}, actor=lena), actor=lena)
    deal.refresh_from_db()
    assert deal.custom == {"partner": seen.pk}
    assert [line.new for line in rows_of(edit, CHANGED, actor=lena)[0].lines] == ["Seen"]
    assert [line.new for line in chosen_lines(edit, actor=lena)] == ["Seen"]


def test_a_thousand_rows_cost_as_many_questions_as_ten(anna: User, team: Team, lena: User) -> None:
    make_field("Region", Kind.CHOICE, model="person")
    make_field("Sister", Kind.REFERENCE, model="person", target="crm.company")
    partner = factories.make_company(owner=anna, team=team)

    def queries(count: int) -> int:
        keys = [factories.make_person(owner=anna, team=team).pk for _number in range(count)]
        choice = {"custom.region": Chosen("set", "north"), "custom.sister": Chosen("set", partner)}
        with CaptureQueriesContext(connection) as found:
            assert bulk.change_people(keys, choice, actor=lena, face="ADMIN") == {}
        return len(found)

    queries(1)
    assert queries(2) == queries(30)
    assert Person.objects.filter(custom__contains={"region": "north", "sister": partner.pk}).count() == 33


# Through the faces


def test_the_page_offers_them_and_says_what_is_wrong(rows: list[Company], lena: User) -> None:
    client = login(lena)
    chosen = {
        "action": "bulk_change",
        "select_across": "0",
        "_selected_action": [row.pk for row in rows[:2]],
    }
    shown = text_of(client.post(page("company", what="changelist"), chosen, follow=True))
    assert 'name="how-custom.region"' in shown
    assert '<option value="south">South</option>' in shown
    url = reverse("admin:lists_bulkedit_rehearse", args=[BulkEdit.objects.get().pk])
    wrong = client.post(url, {"how-custom.area": "set", "set-custom.area": "much"})
    refused = wrong.content.decode()
    assert wrong.status_code == 422
    assert 'id="error-custom.area"' in refused
    assert 'value="much"' in refused
    client.post(url, {"how-custom.key_account": "set", "set-custom.key_account": "False"})
    assert BulkEdit.objects.get().changes == {"custom.key_account": {"how": "set", "value": False}}


def test_over_rest(rows: list[Company], lena: User) -> None:
    client = client_of(lena)
    body = {
        "model": "crm.company",
        "ids": [row.pk for row in rows[:2]],
        "changes": {
            "custom.key_account": {"how": "set", "value": True},
            "custom.area": {"how": "set", "value": "3.5"},
        },
    }
    started = client.post(f"{ROOT.removesuffix('/crm')}/lists/bulk-edits/", body, format="json")
    assert started.status_code == 202, started.data
    assert started.json()["changes"] == {
        "custom.area": {"how": "set", "value": "3.5"},
        "custom.key_account": {"how": "set", "value": True},
    }
