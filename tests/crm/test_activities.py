"""Notes, calls and meetings: who may write and correct them, what is told, and what timelines show to whom."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import access
from apps.crm.models import Activity, ActivityLink, Deal, TimelineChange
from apps.crm.services import activities, deals, timelines
from apps.crm.timeline import reading
from apps.crm.timeline.stream import TimelineStream
from apps.events.models import Event
from tests.crm import factories
from tests.documents.factories import make_document

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.django_db


def note(row: Any, who: "User", body: str = "They like the desks", **fields: Any) -> Activity:
    about = [(row._meta.model_name, row.pk)]
    return activities.log_activity(
        about=about, kind=fields.pop("kind", "NOTE"), actor=who, body=body, **fields
    )


def bodies(row: Any, who: "User", **how: Any) -> list[str]:
    page = reading.read(row, actor=who, **how)
    return [entry.row.body for entry in page.entries if not entry.is_step]


def told(fact: str) -> list[Event]:
    return list(Event.objects.filter(type=f"crm.activity.{fact}.v1").order_by("pk"))


def test_a_note_stands_in_the_timeline_and_is_told(anna: "User", deal: Deal) -> None:
    written = note(deal, anna)
    assert bodies(deal, anna) == ["They like the desks"]
    (event,) = told("logged")
    assert event.data["id"] == written.pk
    assert event.data["deals"] == [{"id": deal.pk, "name": "Forty desks"}]
    assert event.data["author"]["name"] == "Anna Sell"


def test_only_who_may_change_a_row_writes_about_it(
    anna: "User", boris: "User", auditor: "User", deal: Deal
) -> None:
    with pytest.raises(ObjectDoesNotExist):
        note(deal, boris)
    with pytest.raises(PermissionDenied):
        note(deal, auditor)
    deals.archive_deal(deal.pk, actor=anna)
    with pytest.raises(ValidationError) as refused:
        note(deal, anna)
    assert refused.value.code == "archived"
    assert not Activity.objects.exists()


def test_a_company_shows_what_its_reader_sees_of_its_deals_and_people(
    anna: "User", boris: "User", lena: "User", team: Any
) -> None:
    company = factories.make_company("Acme")
    hers = factories.make_deal("Hers", owner=anna, company=company, team=team)
    his = factories.make_deal("His", owner=boris, company=company, team=team)
    person = factories.make_person("Petr", owner=anna, team=team)
    person.employments.create(company=company)
    note(hers, anna, "about her deal")
    note(his, boris, "about his deal")
    note(person, anna, "about Petr")
    assert bodies(company, anna) == ["about Petr", "about her deal"]
    assert bodies(company, boris) == ["about his deal"]
    assert bodies(company, lena) == ["about Petr", "about his deal", "about her deal"]
    page = reading.read(company, actor=lena)
    assert {str(entry.about) for entry in page.entries if not entry.is_step} == {"Hers", "His", "Petr"}


def test_who_sees_one_thing_that_it_is_about_sees_it(anna: "User", boris: "User", deal: Deal) -> None:
    company = factories.make_company("Shared", owner=boris)
    about = [("deal", deal.pk), ("company", company.pk)]
    admin = factories.make_admin()
    written = activities.log_activity(about=about, kind="NOTE", actor=admin, body="of both")
    for who in (anna, boris):
        assert list(Activity.objects.visible_to(who)) == [written]
    stranger = factories.make_salesperson("Stranger")
    assert not Activity.objects.visible_to(stranger).exists()
    # On several things, it is one row all the same.
    assert Activity.objects.visible_to(admin).count() == 1


def test_steps_stand_among_what_was_written_and_pages_miss_nothing(anna: "User", deal: Deal) -> None:
    for number in range(25):
        note(deal, anna, f"note {number}", occurred_at=timezone.now() - timedelta(minutes=number))
    seen: list[Any] = []
    key = None
    while True:
        page = reading.read(deal, actor=anna, after=key, limit=4)
        seen += [(entry.is_step, entry.row.pk) for entry in page.entries]
        if page.next_key is None:
            break
        key = reading.parse_key(page.next_key)
    assert len(seen) == len(set(seen)) == 26
    assert seen[-1] == (True, deal.transitions.get().pk)
    assert [row for is_step, row in seen if is_step] == [deal.transitions.get().pk]


@pytest.mark.parametrize(
    "text", ["", "x~1~2", "2026-01-01~1~2", "2026-01-01T00:00:00+00:00~1", "a~b~c", "~~"]
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        reading.parse_key(text)


def test_kinds_and_words_narrow_a_timeline(anna: "User", deal: Deal) -> None:
    note(deal, anna, "Price of the Desks is 100%_fine")
    note(deal, anna, "rang them", kind="CALL", outcome="REACHED", duration_minutes=5)
    assert bodies(deal, anna, kinds=["CALL"]) == ["rang them"]
    assert bodies(deal, anna, term="desks is") == ["Price of the Desks is 100%_fine"]
    assert bodies(deal, anna, term="100%_f") == ["Price of the Desks is 100%_fine"]
    assert bodies(deal, anna, term="1%f") == []
    assert reading.read(deal, actor=anna, kinds=["STEP"]).entries[0].is_step


def test_a_search_within_a_company_reaches_its_deals(anna: "User", boris: "User", team: Any) -> None:
    company = factories.make_company("Acme")
    note(factories.make_deal("Hers", owner=anna, company=company, team=team), anna, "a rare heliotrope")
    note(factories.make_deal("His", owner=boris, company=company, team=team), boris, "another heliotrope")
    assert bodies(company, anna, term="heliotrope") == ["a rare heliotrope"]


def test_an_edited_note_keeps_what_it_said(anna: "User", deal: Deal) -> None:
    written = note(deal, anna, "first")
    activities.change_activity(written.pk, actor=anna, body="second", expected_version=1)
    activities.change_activity(written.pk, actor=anna, body="second")
    written.refresh_from_db()
    assert (written.body, written.version) == ("second", 2)
    assert written.edited_at is not None
    assert list(written.former.values_list("number", "body")) == [(1, "first")]
    with pytest.raises(ValidationError) as refused:
        activities.change_activity(written.pk, actor=anna, body="third", expected_version=1)
    assert refused.value.code == "stale"


def test_a_note_is_corrected_by_who_wrote_it_or_leads(
    anna: "User", lena: "User", admin: "User", deal: Deal
) -> None:
    by_lead = note(deal, lena, "of the lead")
    # Anna may put the deal into the trash, and so also what others wrote about it.
    activities.archive_activity(by_lead.pk, actor=anna)
    assert bodies(deal, lena) == []
    activities.restore_activity(by_lead.pk, actor=lena)
    assert bodies(deal, lena) == ["of the lead"]
    grants = factories.salesperson_grants("TEAM")
    grants.pop("crm.archive_deal")
    other = factories.join(factories.make_user("Olga"), deal.team, factories.make_role(grants))  # type: ignore[arg-type]
    with pytest.raises(PermissionDenied):
        activities.change_activity(by_lead.pk, actor=other, body="not hers")
    with pytest.raises(PermissionDenied):
        activities.archive_activity(by_lead.pk, actor=other)


def test_records_never_change_whoever_writes(anna: "User", deal: Deal) -> None:
    recorded = activities.record_fact(
        "documents.document.signed.v1",
        about=[("deal", deal.pk)],
        details={"document": 1},
        at=timezone.now(),
        actor=anna,
    )
    assert recorded is not None
    for change in (activities.archive_activity, activities.change_activity):
        with pytest.raises(ValidationError) as refused:
            change(recorded.pk, actor=anna)
        assert refused.value.code == "activity_record"
    with pytest.raises(IntegrityError), transaction.atomic():
        Activity.objects.filter(pk=recorded.pk).update(details={})
    activities.pin_activity(recorded.pk, actor=anna, is_pinned=True)
    assert [entry.row.pk for entry in reading.pinned(deal, actor=anna)] == [recorded.pk]


def test_links_follow_their_activity(anna: "User", deal: Deal) -> None:
    written = note(deal, anna)
    activities.pin_activity(written.pk, actor=anna, is_pinned=True)
    earlier = timezone.now() - timedelta(days=2)
    activities.change_activity(written.pk, actor=anna, occurred_at=earlier)
    link = ActivityLink.objects.get(activity=written)
    assert (link.kind, link.at, link.is_pinned, link.is_live) == ("NOTE", earlier, True, True)
    activities.archive_activity(written.pk, actor=anna)
    link.refresh_from_db()
    assert not link.is_live
    assert reading.pinned(deal, actor=anna) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "EMAIL"}, "not_written"),
        ({"kind": "SYSTEM"}, "not_written"),
        ({"body": "  \x00 "}, "no_text"),
        ({"kind": "CALL", "outcome": "HELD"}, "invalid"),
        ({"kind": "MEETING", "outcome": "REACHED"}, "invalid"),
        ({"occurred_at": timezone.now() + timedelta(days=1)}, "time_order"),
        ({"body": "x" * 100_001}, "max_length"),
    ],
)
def test_what_makes_no_sense_is_refused(anna: "User", deal: Deal, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        note(deal, anna, **fields)
    assert [error.code for errors in refused.value.error_dict.values() for error in errors] == [code]


def test_a_call_sets_the_next_step_in_the_same_save(anna: "User", deal: Deal) -> None:
    on = timezone.localdate() + timedelta(days=3)
    note(deal, anna, kind="CALL", outcome="CALL_BACK", next_step="Ring again", next_step_date=on)
    deal.refresh_from_db()
    assert (deal.next_step, deal.next_step_date) == ("Ring again", on)
    deals.win_deal(deal.pk, actor=anna, face="SYSTEM")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        note(deal, anna, next_step="x" * 201)
    assert Activity.objects.count() == 1
    company = factories.make_company(owner=anna)
    with pytest.raises(ValidationError):
        note(company, anna, next_step="Ring")


def test_only_who_may_see_it_can_be_mentioned(anna: "User", boris: "User", lena: "User", deal: Deal) -> None:
    written = note(deal, anna, "@Lena Lead, look. mail@Boris is no name, nor is @Nobody")
    assert [each.user for each in written.mentions.all()] == [lena]
    (event,) = told("mentioned")
    assert event.data["mentioned"] == [{"id": lena.pk, "name": "Lena Lead"}]
    with pytest.raises(ValidationError) as refused:
        note(deal, anna, "ask @boris sell about it")
    assert refused.value.error_dict["body"][0].code == "mention_unseen"
    activities.change_activity(written.pk, actor=anna, body="@Lena Lead, look again")
    assert len(told("mentioned")) == 1
    activities.change_activity(written.pk, actor=anna, body="nobody")
    assert not written.mentions.exists()


def test_documents_come_with_a_note_and_are_named_to_who_sees_them(
    anna: "User", admin: "User", lena: "User", deal: Deal
) -> None:
    secret = make_document(admin, "Secret offer", b"x")
    with pytest.raises(ValidationError) as refused:
        note(deal, anna, document_ids=[secret.pk])
    assert refused.value.error_dict["documents"][0].code == "not_found"
    note(deal, admin, document_ids=[secret.pk])
    assert next(entry.documents for entry in reading.read(deal, actor=admin).entries) == [secret]
    assert next(entry.documents for entry in reading.read(deal, actor=lena).entries) == []


def test_streams_move_where_something_is_shown(anna: "User", team: Any) -> None:
    company = factories.make_company("Acme")
    deal = factories.make_deal(owner=anna, team=team, company=company)
    of_deal, of_company = TimelineStream(Deal), TimelineStream(type(company))
    before = of_deal.head(str(deal.pk))[1], of_company.head(str(company.pk))[1]
    note(deal, anna)
    note(deal, anna, "another")
    assert of_deal.head(str(deal.pk))[1] == before[0] + 1
    assert of_company.head(str(company.pk))[1] == before[1] + 1
    assert [event.seq for event in of_deal.read(str(deal.pk), before[0], 10)] == [before[0] + 1]
    deals.win_deal(deal.pk, actor=anna, face="SYSTEM")  # type: ignore[arg-type]
    assert timelines.number_unwatched() >= 1
    assert not TimelineChange.objects.exists()
    assert of_deal.head(str(deal.pk))[1] == before[0] + 2


def test_last_activity_follows(anna: "User", team: Any) -> None:
    company = factories.make_company("Acme")
    deal = factories.make_deal(owner=anna, team=team, company=company)
    at = timezone.now()
    timelines.touch_activity(at=at, deals=[deal.pk], companies=[], people=[])
    timelines.touch_activity(at=at - timedelta(days=1), deals=[deal.pk], companies=[], people=[])
    for row in (deal, company):
        row.refresh_from_db()
        assert row.last_activity_at == at
    assert (deal.version, company.version) == (1, 1)


def test_a_page_costs_the_same_questions_however_long(anna: "User", deal: Deal) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            reading.read(deal, actor=anna)
        return len(asked)

    note(deal, anna)
    few = questions()
    for number in range(15):
        note(deal, anna, f"note {number}")
    assert questions() == few <= 5


def test_the_policy_decides_about_links_of_many_rows_without_multiplying(anna: "User", deal: Deal) -> None:
    person = factories.make_person("Petr", owner=anna)
    about = [("deal", deal.pk), ("person", person.pk)]
    written = activities.log_activity(about=about, kind="NOTE", actor=anna, body="of both")
    assert Activity.objects.filter(access.scope(anna, "change", Activity)).count() == 1
    assert access.can(anna, "change", written)
