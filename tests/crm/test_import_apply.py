"""Apply does exactly what was rehearsed: in chunks, resumable, each row once, and nothing over others' changes."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.crm.imports import effects, steps
from apps.crm.imports.inline import Silent
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    Employment,
    ImportRow,
    Person,
    Product,
    StageTransition,
)
from apps.crm.services import imports
from apps.events.models import Event
from apps.events.schemas import check_data
from apps.jobs.kinds import JobRefused
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.importing import apply, bring_in, codes, counts, rehearse, take_steps, upload, verdicts

PEOPLE = "First name,Last name,E-mail,Phone,Company,Position,Tags\n"


def test_people_come_with_contacts_employment_and_tags(admin: User) -> None:
    acme = factories.make_company("Acme")
    text = PEOPLE + 'Anna,Berg,Anna@Example.org,8 (495) 123-45-67,acme,Buyer,"hot, vip"\n'
    batch = rehearse(upload("people", text, actor=admin, options={"create_missing": ["tags"]}), actor=admin)
    apply(batch, actor=admin)
    anna = Person.objects.get()
    assert (anna.full_name, anna.created_by, anna.owner) == ("Anna Berg", admin, None)
    assert set(anna.contact_points.values_list("kind", "raw", "value", "is_primary")) == {
        ("EMAIL", "Anna@Example.org", "anna@example.org", True),
        ("PHONE", "8 (495) 123-45-67", "+74951234567", True),
    }
    assert Employment.objects.get(person=anna, company=acme).title == "Buyer"
    assert set(anna.tags.values_list("name", flat=True)) == {"hot", "vip"}
    assert not Event.objects.filter(type__startswith="crm.person").exists()


def test_a_known_person_gets_what_is_new_and_keeps_the_rest(admin: User) -> None:
    bring_in("people", "First name,E-mail,Position\nAnna,a@example.org,Buyer\n", actor=admin)
    text = "First name,E-mail,Phone,Position\nAnna,A@example.org,+74951234567,\n"
    batch = bring_in("people", text, actor=admin)
    assert counts(batch) == {"rows": 1, "update": 1}
    anna = Person.objects.get()
    assert (anna.job_title, anna.version) == ("Buyer", 2)
    assert ContactPoint.objects.filter(person=anna).count() == 2
    assert counts(bring_in("people", text, actor=admin)) == {"rows": 1, "unchanged": 1}


def test_deals_come_with_their_line_history_and_facts(admin: User) -> None:
    factories.make_product("Chair", price=7)
    text = (
        "ID,Product,Stage,Engage date,Close date,Close value\n"
        "1,chair,Won,2026-01-10,2026-02-01,100\n"
        "2,,lost,2026-01-10,2026-02-02,0\n"
        "3,chair,Engaging,2026-01-11,,\n"
    )
    bring_in("deals", text, actor=admin, source="legacy")
    won, lost, open_one = Deal.objects.order_by("external_id")
    assert (won.title, won.status, won.currency, won.probability) == ("Chair", "WON", "RUB", 100)
    assert (won.external_source, won.number[:2]) == ("legacy", "D-")
    assert won.closed_at is not None
    assert (won.closed_at.date().isoformat(), won.opened_date.isoformat()) == ("2026-02-01", "2026-01-10")
    assert won.lines.get().unit_price == 7
    assert lost.lost_reason is not None
    assert lost.lost_reason.is_unknown
    assert (open_one.status, open_one.closed_at) == ("OPEN", None)
    steps_taken = StageTransition.objects.order_by("deal__external_id")
    assert [(step.face, step.to_stage.name, step.at.date().isoformat()) for step in steps_taken] == [
        ("IMPORT", "Won", "2026-02-01"),
        ("IMPORT", "Lost", "2026-02-02"),
        ("IMPORT", "Engaging", "2026-01-11"),
    ]
    facts = Event.objects.filter(type="crm.deal.created.v1")
    assert {fact.data["id"] for fact in facts} == {won.pk, lost.pk, open_one.pk}
    assert facts.get(subject=f"deal/{won.pk}").data["amount"] == {"amount": "100.00", "currency": "RUB"}
    applied = Event.objects.get(type="crm.import.applied.v1")
    check_data(applied.type, applied.data)
    check_data(facts[0].type, facts[0].data)


def test_a_known_deal_moves_with_a_step_in_its_history(admin: User) -> None:
    bring_in("deals", "ID,Stage,Engage date\n1,Engaging,2026-01-10\n", actor=admin)
    text = "ID,Stage,Engage date,Close date,Value\n1,Won,2026-01-10,2026-02-01,50\n"
    assert counts(bring_in("deals", text, actor=admin)) == {"rows": 1, "update": 1}
    deal = Deal.objects.get()
    assert (deal.status, deal.amount, deal.version) == ("WON", Decimal(50), 2)
    last = deal.transitions.order_by("-pk").first()
    assert last is not None
    assert last.from_stage is not None
    assert (last.from_stage.name, last.to_stage.name, last.seconds_in_stage) == (
        "Engaging",
        "Won",
        22 * 86400,
    )
    assert Event.objects.filter(type="crm.deal.changed.v1").count() == 1
    assert counts(bring_in("deals", text, actor=admin)) == {"rows": 1, "unchanged": 1}


def test_errors_have_to_be_left_out_knowingly(admin: User) -> None:
    batch = rehearse(upload("products", "Name,Price\nA,1\nB,x\n", actor=admin), actor=admin)
    with pytest.raises(ValidationError) as refusal:
        imports.apply_import(batch.pk, actor=admin)
    assert refusal.value.code == "has_errors"
    assert counts(apply(batch, actor=admin, skip_errors=True)) == {"rows": 2, "create": 1, "error": 1}
    assert Product.objects.get().name == "A"


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_applied_unrehearsed_or_twice(when: str, admin: User) -> None:
    batch = upload("products", "Name\nA\n", actor=admin)
    if when == "after":
        apply(rehearse(batch, actor=admin), actor=admin)
    with pytest.raises(ValidationError) as refusal:
        imports.apply_import(batch.pk, actor=admin)
    assert refusal.value.code == "not_rehearsed"
    assert Product.objects.count() == (1 if when == "after" else 0)


def test_what_changed_since_the_rehearsal_is_set_aside(admin: User) -> None:
    factories.make_product("Edited", price=1)
    factories.make_product("Quiet", price=1)
    batch = rehearse(
        upload("products", "Name,Price\nEdited,2\nQuiet,2\nNew,2\nFresh,2\n", actor=admin), actor=admin
    )
    assert verdicts(batch) == "UUCC"
    Product.objects.filter(name="Edited").update(price=9, version=2)
    factories.make_product("Fresh", price=8)
    batch = apply(batch, actor=admin)
    assert verdicts(batch) == "XUCX"
    assert codes(batch) == [(2, "", "changed_meanwhile"), (5, "", "created_meanwhile")]
    assert dict(Product.objects.values_list("name", "price")) == {
        "Edited": 9,
        "Quiet": 2,
        "New": 2,
        "Fresh": 8,
    }


def test_rows_that_are_not_as_rehearsed_stop_the_import(admin: User) -> None:
    batch = rehearse(upload("products", "Name\nA\nB\n", actor=admin), actor=admin)
    row = ImportRow.objects.get(batch=batch, line=2)
    ImportRow.objects.filter(batch=batch, line=2).update(data={**row.data, "name": "Changed"})
    with pytest.raises(JobRefused):
        apply(batch, actor=admin)
    batch.refresh_from_db()
    assert batch.state == "FAILED"
    assert not Product.objects.exists()


def test_rights_that_are_gone_stop_the_import(admin: User) -> None:
    batch = rehearse(upload("products", "Name\nA\n", actor=admin), actor=admin)
    job = imports.apply_import(batch.pk, actor=admin)
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    with pytest.raises(JobRefused):
        take_steps(job)
    assert not Product.objects.exists()


def test_an_import_goes_on_where_it_ended(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "APPLY_CHUNK", 10)
    text = "Name,Parent\n" + "".join(f"C{n},C{n + 1}\n" for n in range(34)) + "C34,\n"
    batch = rehearse(upload("companies", text, actor=admin), actor=admin)
    job = imports.apply_import(batch.pk, actor=admin)
    take_steps(job, most=2)
    assert Company.objects.count() == 20
    crashed = _crash_in_chunk(job, monkeypatch)
    assert crashed
    assert Company.objects.count() == 20

    job.state = Job.State.FAILED
    steps.ended(job)
    again = imports.apply_import(batch.pk, actor=admin)
    take_steps(again)
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("APPLIED", {"rows": 35, "create": 35})
    assert Company.objects.count() == 35
    assert Company.objects.get(name="C7").parent == Company.objects.get(name="C8")
    assert Event.objects.filter(type="crm.import.applied.v1").count() == 1


def _crash_in_chunk(job: Job, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Take a chunk that breaks off after its rows were written; tells whether it did."""
    with monkeypatch.context() as patch:

        def crash(name: str) -> None:
            raise KeyboardInterrupt

        patch.setattr(steps, "failpoint", crash)
        try:
            with transaction.atomic():
                steps.apply_step(job, Silent())
        except KeyboardInterrupt:
            return True
    return False


def test_a_cancelled_rehearsal_frees_the_import(admin: User) -> None:
    batch = upload("products", "Name\nA\n", actor=admin)
    job = imports.rehearse_import(batch.pk, actor=admin)
    with pytest.raises(ValidationError):
        imports.correct_import(batch.pk, actor=admin, mode="CREATE")
    job.state = Job.State.CANCELLED
    steps.ended(job)
    batch.refresh_from_db()
    assert batch.state == "CANCELLED"
    assert verdicts(rehearse(batch, actor=admin)) == "C"


def test_a_rehearsal_that_ends_late_leaves_the_import_alone(admin: User) -> None:
    batch = upload("products", "Name\nA\n", actor=admin)
    late = imports.rehearse_import(batch.pk, actor=admin)
    take_steps(late)
    imports.apply_import(batch.pk, actor=admin)
    late.state = Job.State.FAILED
    steps.ended(late)
    batch.refresh_from_db()
    assert batch.state == "APPLYING"
    with pytest.raises(ValidationError):
        steps.resumed(late)


def test_a_bad_row_among_many_is_found_by_halving(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.make_product("Chair", sku="S77")
    calls: list[Any] = []
    original = effects._write

    def counted(*args: Any) -> None:
        calls.append(args)
        original(*args)

    monkeypatch.setattr(effects, "_write", counted)
    text = "Name,SKU\n" + "".join(f"P{n},S{n}\n" for n in range(128))
    batch = rehearse(upload("products", text, actor=admin, match_by=["name"]), actor=admin)
    assert (batch.counts["create"], batch.counts["error"]) == (127, 1)
    assert codes(batch) == [(79, "", "refused")]
    assert len(calls) < 20


NAMES = st.sampled_from(
    ["Anna", "Boris", "Жанна", "O'Hara", 'Q"uote', "back\\slash", "tab\there", "=1+1", "", " "]
)
EMAILS = st.sampled_from(["a@example.org", "A@EXAMPLE.org", "b@example.org", "c@example.org", "broken", ""])
PHONES = st.sampled_from(["+74951234567", "8 495 123-45-67", "+4915112345678", "12", ""])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(NAMES, EMAILS, PHONES), min_size=1, max_size=8))
def test_importing_a_file_again_changes_nothing(rows: list[tuple[str, str, str]], admin: User) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("First name", "E-mail", "Phone"), *rows, ("Last", "last@example.org", "")])
    with transaction.atomic():
        first = apply(
            rehearse(upload("people", out.getvalue(), actor=admin), actor=admin),
            actor=admin,
            skip_errors=True,
        )
        made = list(Person.objects.order_by("pk").values("pk", "full_name", "version", "updated_at"))
        points = list(ContactPoint.objects.order_by("pk").values())
        again = rehearse(upload("people", out.getvalue(), actor=admin), actor=admin)
        known = {
            row.line: row.verdict
            for row in ImportRow.objects.filter(batch=again)
            if "email" in row.data or "phone" in row.data
        }
        before = {row.line: row.verdict for row in ImportRow.objects.filter(batch=first)}
        for line, verdict in known.items():
            assert verdict == ("S" if before[line] == "C" else "E")
        imports.correct_import(again.pk, actor=admin, mode="UPDATE")
        apply(rehearse(again, actor=admin), actor=admin, skip_errors=True)
        assert list(Person.objects.order_by("pk").values("pk", "full_name", "version", "updated_at")) == made
        assert list(ContactPoint.objects.order_by("pk").values()) == points
        transaction.set_rollback(True)


def test_moving_by_import_asks_for_the_same_rights(admin: User) -> None:
    team = factories.make_team()
    grants = {f"crm.{action}_importbatch": "OWN" for action in ["add", "view", "change"]}
    grants |= {f"crm.{action}_deal": "OWN" for action in ["add", "view", "change"]} | {
        "crm.view_pipeline": "ALL"
    }
    clerk = factories.join(factories.make_user("Clerk"), team, factories.make_role(grants))
    batch = rehearse(
        upload("deals", "ID,Stage,Close date\n1,Won,2026-01-01\n2,Engaging,\n", actor=clerk), actor=clerk
    )
    assert codes(batch) == [(2, "stage", "stage_not_allowed")]
    apply(batch, actor=clerk, skip_errors=True)
    assert Deal.objects.get().owner == clerk
