"""A rehearsal says for each row what would happen, names every error, and leaves nothing behind."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from apps.accounts.models import Team, User
from apps.crm.imports.selectors import issue_groups, sample_rows
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    ImportBatch,
    ImportRow,
    Person,
    Product,
    StageTransition,
    Tag,
)
from apps.crm.services import imports
from apps.events.models import Event
from apps.jobs.kinds import JobRefused
from tests.crm import factories
from tests.crm.importing import (
    apply,
    bring_in,
    codes,
    counts,
    rehearse,
    take_steps,
    upload,
    verdicts,
    workbook,
)

PEOPLE = "First name,Last name,E-mail,Phone\n"
DEALS = "Opportunity ID,Deal,Sales agent,Product,Account,Deal stage,Engage date,Close date,Close value\n"


def test_every_error_of_a_row_is_named_with_its_cell(admin: User) -> None:
    batch = rehearse(
        upload(
            "people",
            PEOPLE + ",Berg,anna.example.org,12\nBoris,Berg,b@example.org,+74951234567\n",
            actor=admin,
        ),
        actor=admin,
    )
    assert verdicts(batch) == "EC"
    assert codes(batch) == [
        (2, "email", "bad_email"),
        (2, "phone", "bad_phone"),
        (2, "given_name", "required"),
    ]
    groups = {group.field: group for group in issue_groups(batch)}
    assert groups["email"].message == "“anna.example.org” is not an e-mail address."
    assert (groups["email"].column, groups["email"].count, groups["email"].lines) == ("E-mail", 1, [2])


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("Created", "31.02.2026", "no_such_date"),
        ("Created", "soon", "bad_date"),
        ("Created", "01.01.0026", "odd_year"),
        ("Value", "12 apples", "bad_number"),
        ("Value", "-5", "negative"),
        ("Value", "9" * 17, "too_large"),
        ("Currency", "roubles", "bad_currency"),
        ("Deal", "x" * 201, "too_long"),
    ],
)
def test_a_cell_that_cannot_be_taken_is_named(column: str, cell: str, code: str, admin: User) -> None:
    text = f"Opportunity ID,{column}\n1,15.01.2026\n2,{cell}\n"
    batch = upload("deals", text, actor=admin, dialect={"date_format": "%d.%m.%Y"})
    batch = rehearse(batch, actor=admin)
    field = {"Created": "opened_date", "Value": "amount", "Currency": "currency", "Deal": "title"}[column]
    assert (3, field, code) in codes(batch)


def test_rows_with_too_many_or_too_few_cells_are_errors(admin: User) -> None:
    batch = rehearse(upload("products", "Name,SKU\nA,1,2\nB\nC,3,\n", actor=admin), actor=admin)
    assert codes(batch) == [(2, "", "ragged"), (3, "", "ragged")]
    assert verdicts(batch) == "EEC"


def test_a_rehearsal_leaves_no_trace(admin: User) -> None:
    factories.make_company("Acme")
    factories.make_product("Chair", price=Decimal(5))
    tables = [Person, Company, ContactPoint, Deal, Product, StageTransition, Tag, Event]
    before = {model: list(model._base_manager.order_by("pk").values()) for model in tables}
    batch = upload(
        "deals",
        "ID,Deal,Company,Product,Stage,Close date,Tags\n"
        "1,A,ACME,chair,Won,2026-01-02,hot\n2,B,acme ,Chair,Prospecting,,\n",
        actor=admin,
        options={"create_missing": ["tags"]},
    )
    batch = rehearse(batch, actor=admin)
    assert counts(batch) == {"rows": 2, "create": 2}
    assert (batch.state, len(batch.plan_digest)) == ("REHEARSED", 64)
    assert {model: list(model._base_manager.order_by("pk").values()) for model in tables} == before


def test_references_are_found_regardless_of_case_and_spaces_and_doubts_are_errors(admin: User) -> None:
    for name in ["Acme", "Twin", "TWIN", "GTX Pro"]:
        factories.make_company(name)
    factories.make_company("In the trash", archived_at="2026-01-01T00:00Z")
    text = "ID,Company\n1, aCME \n2,twin\n3,GTXPro\n4,In the trash\n5,\n6,Nothing like it at all\n"
    batch = rehearse(upload("deals", text, actor=admin), actor=admin)
    assert codes(batch) == [
        (3, "company", "ambiguous"),
        (4, "company", "unknown"),
        (5, "company", "unknown"),
        (7, "company", "unknown"),
    ]
    found = {group.value: group for group in issue_groups(batch)}
    assert found["GTXPro"].suggestion == "GTX Pro"
    assert found["GTXPro"].message == "There is no “GTXPro”. Is “GTX Pro” meant?"
    assert found["Nothing like it at all"].suggestion == ""


def test_one_call_takes_a_suggestion_for_all_rows(admin: User) -> None:
    factories.make_product("GTX Pro")
    batch = rehearse(upload("deals", "ID,Product\n1,GTXPro\n2,gtxpro\n3,GTX Pro\n", actor=admin), actor=admin)
    (group,) = issue_groups(batch)
    assert (group.count, group.suggestion) == (2, "GTX Pro")
    assert imports.accept_suggestions(batch.pk, actor=admin, field="company") == 0
    assert imports.accept_suggestions(batch.pk, actor=admin) == 1
    batch.refresh_from_db()
    assert (batch.state, batch.counts, batch.values) == ("UPLOADED", {}, {"product": {"GTXPro": "GTX Pro"}})
    assert verdicts(rehearse(batch, actor=admin)) == "CCC"


def test_a_value_is_replaced_wherever_the_file_has_it(admin: User) -> None:
    batch = upload("companies", "Name,Sector\nA,technolgy\nB, Technolgy\nC,retail\n", actor=admin)
    imports.replace_value(batch.pk, actor=admin, field="industry", old="technolgy", new="technology")
    batch = rehearse(batch, actor=admin)
    assert [row.data["industry"] for row in sample_rows(batch)] == ["technology", "technology", "retail"]
    with pytest.raises(ValidationError) as refusal:
        imports.replace_value(batch.pk, actor=admin, field="nope", old="a", new="b")
    assert refusal.value.code == "unknown_field"


def test_rows_that_repeat_others_of_the_file_are_named_with_the_line(admin: User) -> None:
    text = (
        PEOPLE + "A,,a@example.org,\nB,,b@example.org,+74951234567\nC,,A@example.org,\nD,,,8 495 123-45-67\n"
    )
    batch = rehearse(upload("people", text, actor=admin), actor=admin)
    assert codes(batch) == [(4, "email", "duplicate_in_file"), (5, "phone", "duplicate_in_file")]
    assert [group.message for group in issue_groups(batch)] == [
        "“a@example.org” is in line 2 already.",
        "“+74951234567” is in line 3 already.",
    ]


def test_two_rows_that_meet_the_same_person_by_different_keys(admin: User) -> None:
    bring_in("people", PEOPLE + "Anna,,a@example.org,+74951234567\n", actor=admin)
    text = PEOPLE + "Anna,,a@example.org,\nAnna,,,+74951234567\n"
    batch = rehearse(upload("people", text, actor=admin), actor=admin)
    assert verdicts(batch) == "SE"
    assert codes(batch) == [(3, "", "same_target")]


def test_a_row_that_meets_two_people_is_an_error(admin: User) -> None:
    bring_in("people", PEOPLE + "Anna,,a@example.org,\nBoris,,,+74951234567\n", actor=admin)
    batch = rehearse(upload("people", PEOPLE + "Who,,a@example.org,+74951234567\n", actor=admin), actor=admin)
    assert codes(batch) == [(2, "", "ambiguous_row")]


def test_an_address_of_somebody_else_is_not_taken(admin: User) -> None:
    bring_in("people", PEOPLE + "Anna,,a@example.org,\n", actor=admin)
    batch = upload("people", PEOPLE + "Boris,,a@example.org,+74951234567\n", actor=admin, match_by=["phone"])
    batch = rehearse(batch, actor=admin)
    assert codes(batch) == [(2, "email", "taken")]


@pytest.mark.parametrize(("mode", "expected"), [("UPSERT", "UCS"), ("CREATE", "ECE"), ("UPDATE", "UES")])
def test_modes_say_which_rows_are_wanted(mode: str, expected: str, admin: User) -> None:
    factories.make_product("Known", price=Decimal(1))
    factories.make_product("Same", price=Decimal(3))
    batch = upload("products", "Name,Price\nknown,2\nNew,2\nSame,3\n", actor=admin, mode=mode)
    assert verdicts(rehearse(batch, actor=admin)) == expected


def test_what_only_the_database_refuses_becomes_an_error_of_that_row_alone(admin: User) -> None:
    factories.make_product("Chair", sku="X1")
    batch = upload("products", "Name,SKU\nA,a1\nTable,X1\nB,b1\nC,c1\n", actor=admin, match_by=["name"])
    batch = rehearse(batch, actor=admin)
    assert verdicts(batch) == "CECC"
    (group,) = issue_groups(batch)
    assert group.message == "The database refuses the row: There is a product with this SKU already."
    assert apply(batch, actor=admin, skip_errors=True).counts["create"] == 3
    assert set(Product.objects.values_list("name", flat=True)) == {"Chair", "A", "B", "C"}


@pytest.mark.parametrize(
    ("stage", "opened", "closed", "expected"),
    [
        ("Won", "2026-01-01", "2026-01-02", []),
        ("Won", "2026-01-01", "", [(2, "closed_date", "closed_date_missing")]),
        ("Lost", "2026-01-03", "2026-01-02", [(2, "closed_date", "closed_before_opened")]),
        ("Engaging", "2026-01-01", "2026-01-02", [(2, "closed_date", "closed_date_of_open")]),
        ("Engaging", "2026-01-01", "", []),
    ],
)
def test_a_deals_dates_agree_with_its_stage(
    stage: str, opened: str, closed: str, expected: list[Any], admin: User
) -> None:
    text = DEALS + f"1,A,,,,{stage},{opened},{closed},5\n"
    batch = rehearse(upload("deals", text, actor=admin), actor=admin)
    assert codes(batch) == expected


def test_parents_may_come_later_in_the_file_and_errors_spread_to_their_parts(admin: User) -> None:
    text = (
        "Name,Subsidiary of,Employees\nBluth,Acme,\nAcme,,10\nGrand,Bluth,\nPart,Broken,\nBroken,,many\nOf part,Part,\n"
        "Self,Self,\n"
    )
    batch = rehearse(upload("companies", text, actor=admin), actor=admin)
    assert codes(batch) == [
        (5, "parent", "unknown"),
        (6, "employee_count", "bad_number"),
        (7, "parent", "parent_refused"),
        (8, "parent", "parent_itself"),
    ]
    apply(batch, actor=admin, skip_errors=True)
    assert dict(Company.objects.values_list("name", "parent__name")) == {
        "Bluth": "Acme",
        "Acme": None,
        "Grand": "Bluth",
    }


def test_companies_that_would_be_part_of_each_other_are_refused(admin: User) -> None:
    batch = rehearse(upload("companies", "Name,Parent\nA,B\nB,A\nC,\n", actor=admin), actor=admin)
    assert verdicts(batch).count("E") >= 1
    assert verdicts(batch)[2] == "C"


def test_a_salesperson_meets_only_own_rows(team: Team) -> None:
    seller = _importing_seller(team)
    foreign = factories.make_company("Canary", owner=factories.make_salesperson("Other"))
    factories.make_company("Mine", owner=seller)
    text = "ID,Company\n1,Canary\n2,Mine\n"
    batch = rehearse(upload("deals", text, actor=seller), actor=seller)
    assert codes(batch) == [(2, "company", "unknown")]
    assert issue_groups(batch)[0].suggestion == ""
    batch = rehearse(upload("companies", "Name\nCanary\nMine\n", actor=seller), actor=seller)
    assert verdicts(batch) == "CS"
    apply(batch, actor=seller)
    foreign.refresh_from_db()
    assert foreign.version == 1
    assert Company.objects.filter(name="Canary", owner=seller).count() == 1


def test_a_salesperson_gives_rows_to_nobody_else(team: Team) -> None:
    seller = _importing_seller(team)
    other = factories.make_salesperson("Other Seller", team)
    text = f"ID,Owner\n1,{other.name}\n2,{seller.name}\n3,\n"
    batch = rehearse(upload("deals", text, actor=seller), actor=seller)
    assert codes(batch) == [(2, "owner", "unknown")]
    apply(batch, actor=seller, skip_errors=True)
    assert set(Deal.objects.values_list("owner", flat=True)) == {seller.pk}


def test_a_lead_gives_rows_to_the_team(team: Team) -> None:
    lead = factories.join(
        factories.make_lead("Lead", team),
        team,
        factories.make_role(
            {"crm.add_importbatch": "OWN", "crm.view_importbatch": "OWN", "crm.change_importbatch": "OWN"}
        ),
    )
    member = factories.make_salesperson("Member", team)
    stranger = factories.make_salesperson("Stranger")
    text = f"ID,Owner\n1,{member.name}\n2,{stranger.name}\n"
    batch = rehearse(upload("deals", text, actor=lead), actor=lead)
    assert codes(batch) == [(3, "owner", "unknown")]
    apply(batch, actor=lead, skip_errors=True)
    assert Deal.objects.get().team_id == team.pk


def test_somebody_elses_import_is_not_there(admin: User, team: Team) -> None:
    batch = upload("products", "Name\nA\n", actor=admin)
    seller = _importing_seller(team)
    calls: list[Callable[..., Any]] = [
        imports.rehearse_import,
        imports.apply_import,
        imports.discard_import,
        imports.accept_suggestions,
    ]
    for call in calls:
        with pytest.raises(ObjectDoesNotExist):
            call(batch.pk, actor=seller)
    with pytest.raises(ObjectDoesNotExist):
        imports.write_error_file(batch.pk, io.BytesIO(), actor=seller)


def test_a_broken_file_fails_the_rehearsal_with_the_line_and_can_be_corrected(admin: User) -> None:
    batch = upload("products", "Name\n" + "".join(f"P{n}\n" for n in range(6000)) + '"open\n', actor=admin)
    with pytest.raises(JobRefused, match="line 6002"):
        rehearse(batch, actor=admin)
    batch.refresh_from_db()
    assert batch.state == "FAILED"
    assert not ImportRow.objects.filter(batch=batch).exists()
    imports.discard_import(batch.pk, actor=admin)
    assert not ImportBatch.objects.exists()


def test_the_error_file_can_be_corrected_and_imported_again(admin: User) -> None:
    text = PEOPLE + '"=cmd()",Berg,bad,\nBoris,Berg,b@example.org,\nCarla,"O\'Hara, ""C""",worse,+1\n'
    batch = rehearse(upload("people", text, actor=admin), actor=admin)
    out = io.BytesIO()
    name = imports.write_error_file(batch.pk, out, actor=admin)
    assert name == "rows.errors.csv"
    assert out.getvalue().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(out.getvalue().decode("utf-8-sig"))))
    assert rows[0] == ["First name", "Last name", "E-mail", "Phone", "errors"]
    assert rows[1] == ["'=cmd()", "Berg", "bad", "", "E-mail: “bad” is not an e-mail address."]
    assert rows[2][:4] == ["Carla", 'O\'Hara, "C"', "worse", "+1"]
    assert len(rows) == 3
    apply(batch, actor=admin, skip_errors=True)
    fixed = out.getvalue().replace(b",bad,", b",a@example.org,").replace(b",worse,+1,", b",c@example.org,,")
    again = bring_in("people", fixed, actor=admin, name=name)
    assert counts(again) == {"rows": 2, "create": 2}
    assert set(Person.objects.values_list("given_name", flat=True)) == {"=cmd()", "Boris", "Carla"}


def test_a_spreadsheets_errors_come_as_a_spreadsheet_and_go_in_again(admin: User) -> None:
    content = workbook(
        ["First name", "Last name", "E-mail", "Phone"],
        ["@SUM(A1)", "Berg", "bad", None],
        ["Boris", "Berg", "b@example.org", None],
        ["Carla", None, "worse", "+74951234567"],
    )
    batch = rehearse(upload("people", content, actor=admin, name="rows.xlsx"), actor=admin)
    out = io.BytesIO()
    assert imports.write_error_file(batch.pk, out, actor=admin) == "rows.errors.xlsx"
    apply(batch, actor=admin, skip_errors=True)
    cells = list(load_workbook(out).active.iter_rows())  # type: ignore[union-attr]
    rows = [[cell.value for cell in row] for row in cells]
    assert rows == [
        ["First name", "Last name", "E-mail", "Phone", "errors"],
        ["@SUM(A1)", "Berg", "bad", None, "E-mail: “bad” is not an e-mail address."],
        ["Carla", None, "worse", "+74951234567", "E-mail: “worse” is not an e-mail address."],
    ]
    assert {cell.data_type for row in cells for cell in row if cell.value} == {"s"}
    rows[1][2], rows[2][2] = "a@example.org", "c@example.org"
    again = bring_in("people", workbook(*rows), actor=admin, name="rows.errors.xlsx")
    assert counts(again) == {"rows": 2, "create": 2}
    assert set(again.mapping) == {"First name", "Last name", "E-mail", "Phone"}
    assert set(Person.objects.values_list("given_name", flat=True)) == {"@SUM(A1)", "Boris", "Carla"}


def test_retention_removes_file_and_rows_and_keeps_the_record(admin: User, settings: Any) -> None:
    batch = rehearse(upload("products", "Name\nA\n", actor=admin), actor=admin)
    fresh = upload("products", "Name\nB\n", actor=admin)
    settings.IMPORT_RETENTION_DAYS = 1
    ImportBatch.objects.filter(pk=batch.pk).update(created_at="2026-01-01T00:00Z")
    assert imports.expire_imports() == 1
    assert imports.expire_imports() == 0
    batch.refresh_from_db()
    assert (batch.storage_name, batch.sample, batch.filename) == ("", [], "rows.csv")
    assert not ImportRow.objects.filter(batch=batch).exists()
    with pytest.raises(ValidationError) as refusal:
        imports.rehearse_import(batch.pk, actor=admin)
    assert refusal.value.code == "import_expired"
    assert ImportBatch.objects.get(pk=fresh.pk).storage_name


def test_known_rows_are_read_again_without_writing_any(admin: User) -> None:
    text = DEALS + "".join(f"{n},Deal {n},,,,Engaging,2026-01-10,,{n}\n" for n in range(60))
    bring_in("deals", text, actor=admin, source="s")
    for wanted, again in [
        ({"unchanged": 60}, text),
        ({"unchanged": 59, "update": 1}, text.replace(",7\n", ",8\n")),
    ]:
        batch = upload("deals", again, actor=admin, source="s")
        with CaptureQueriesContext(connection) as caught:
            batch = rehearse(batch, actor=admin)
        assert counts(batch) == {"rows": 60} | wanted
        written = [each["sql"] for each in caught if re.search("(insert into|update) crm_deal", each["sql"])]
        assert len([sql for sql in written if "update crm_deal" in sql]) == batch.counts["update"]
        assert not [sql for sql in written if sql.startswith("insert into crm_deal (")]


def test_statements_do_not_grow_with_the_rows(admin: User) -> None:
    def statements(rows: int) -> int:
        batch = upload("people", PEOPLE + "".join(f"A{n},,a{n}@x.org,\n" for n in range(rows)), actor=admin)
        job = imports.rehearse_import(batch.pk, actor=admin)
        connection.force_debug_cursor = True
        before = len(connection.queries_log)
        take_steps(job)
        connection.force_debug_cursor = False
        return len(connection.queries_log) - before

    assert statements(3) == statements(900)


def _importing_seller(team: Team) -> User:
    grants = {f"crm.{action}_importbatch": "OWN" for action in ["add", "view", "change"]}
    return factories.join(factories.make_salesperson("Seller", team), team, factories.make_role(grants))
