"""The pages of a bulk change: the list's action, the form that keeps what was typed, verdicts, and who sees what."""

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from apps.accounts.models import RoleGrant, Team, User
from apps.crm.models import Deal
from apps.jobs.models import Job
from apps.lists.models import BulkEdit
from tests.crm.factories import make_auditor, make_deal, make_salesperson, make_team, stage
from tests.lists.bulk import apply, finish, rehearse, reread, set_to

pytestmark = pytest.mark.django_db
LIST = "/admin/crm/deal/"


@pytest.fixture
def deals(anna: User, team: Team) -> list[Deal]:
    return [make_deal(f"Deal {n}", owner=anna, team=team) for n in range(3)]


@pytest.fixture
def client_of_lena(lena: User) -> Client:
    client = Client()
    client.force_login(lena)
    return client


def select(client: Client, rows: list[Deal], across: bool = False, query: str = "") -> Any:
    data = {
        "action": "bulk_change",
        "select_across": "1" if across else "0",
        ACTION_CHECKBOX_NAME: [row.pk for row in rows],
    }
    return client.post(LIST + query, data)


def page_of(edit: BulkEdit, query: str = "") -> str:
    return reverse("admin:lists_bulkedit_change", args=[edit.pk]) + query


def do_of(edit: BulkEdit, name: str) -> str:
    return reverse(f"admin:lists_bulkedit_{name}", args=[edit.pk])


def test_from_the_list_to_the_end(deals: list[Deal], client_of_lena: Client, boris: User) -> None:
    response = select(client_of_lena, deals[:2])
    edit = BulkEdit.objects.get()
    assert response.headers["Location"] == page_of(edit)
    assert edit.count == 2
    text = client_of_lena.get(page_of(edit)).content.decode()
    assert "What to change of 2 deals" in text
    sent = {"how-owner": "set", "set-owner": str(boris.pk), "how-amount": "percent", "percent-amount": "10"}
    response = client_of_lena.post(do_of(edit, "rehearse"), sent)
    assert response.headers["Location"] == page_of(edit)
    edit = reread(edit)
    assert edit.changes["owner"] == {"how": "set", "value": boris.pk}
    assert edit.rehearse_job is not None
    assert f'data-job="{edit.rehearse_job.pk}"' in client_of_lena.get(page_of(edit)).content.decode()
    finish(edit.rehearse_job)
    text = client_of_lena.get(page_of(edit)).content.decode()
    assert "What would become of 2 deals" in text
    assert "Change 2 deals" in text
    assert "Anna Sell" in text
    assert "1,100.00" in text
    for _click in range(2):
        assert client_of_lena.post(do_of(edit, "apply")).status_code == 302
    assert Job.objects.count() == 2
    edit = reread(edit)
    assert edit.apply_job is not None
    finish(edit.apply_job)
    text = client_of_lena.get(page_of(edit)).content.decode()
    assert "2 deals changed" in text
    assert "/undo/" in text
    assert {deal.owner for deal in Deal.objects.filter(pk__in=[d.pk for d in deals[:2]])} == {boris}


def test_all_that_match_are_chosen_and_no_others(
    deals: list[Deal], client_of_lena: Client, anna: User, team: Team
) -> None:
    make_deal("another thing", owner=anna, team=team)
    select(client_of_lena, deals[:1], across=True, query="?q=Deal")
    edit = BulkEdit.objects.get()
    assert edit.selection is not None
    assert set(edit.selection.rows.values_list("row_id", flat=True)) == {deal.pk for deal in deals}


def test_how_many_are_out_of_reach_is_said(deals: list[Deal], lena: User, client_of_lena: Client) -> None:
    foreign = make_deal("canary", owner=make_salesperson("far", make_team("South")))
    RoleGrant.objects.filter(role__memberships__user=lena, permission="crm.view_deal").update(reach="ALL")
    select(client_of_lena, [*deals, foreign])
    edit = BulkEdit.objects.get()
    assert (edit.count, edit.out_of_reach) == (3, 1)
    text = client_of_lena.get(page_of(edit)).content.decode()
    assert "1 selected row is not among them" in text
    assert "canary" not in text


def test_what_was_typed_stays_where_it_was_refused(deals: list[Deal], client_of_lena: Client) -> None:
    select(client_of_lena, deals)
    edit = BulkEdit.objects.get()
    sent = {
        "how-amount": "set",
        "set-amount": "a lot",
        "how-next_step": "set",
        "set-next_step": "call <b>them</b>",
        "deed": "move",
        "do-move": str(stage("Engaging").pk),
    }
    response = client_of_lena.post(do_of(edit, "rehearse"), sent)
    assert response.status_code == 422
    text = response.content.decode()
    assert 'value="a lot"' in text
    assert "call &lt;b&gt;them" in text
    assert "Enter a number." in text
    assert f'<option value="{stage("Engaging").pk}" selected>' in text
    assert reread(edit).state == "CHOOSING"
    assert "Choose what to change" in client_of_lena.post(do_of(edit, "rehearse"), {}).content.decode()


def test_numbers_are_read_as_people_write_them(deals: list[Deal], lena: User, client_of_lena: Client) -> None:
    select(client_of_lena, deals)
    edit = BulkEdit.objects.get()
    sent = {
        "how-amount": "set",
        "set-amount": "1 200,50",
        "how-next_step_date": "shift",
        "shift-next_step_date": "−7",
    }
    client_of_lena.cookies["django_language"] = "ru"
    User.objects.filter(pk=lena.pk).update(locale="ru")
    assert client_of_lena.post(do_of(edit, "rehearse"), sent).status_code == 302
    assert reread(edit).changes == {
        "amount": {"how": "set", "value": "1200.50"},
        "next_step_date": {"how": "shift", "value": -7},
    }


def test_rows_by_verdict_with_reasons_and_links(
    deals: list[Deal], client_of_lena: Client, lena: User, anna: User, team: Team
) -> None:
    won = make_deal("Won long ago", owner=anna, team=team, status="WON")
    edit = rehearse(Deal.objects.all(), {"probability": set_to(40)}, actor=lena)
    text = client_of_lena.get(page_of(edit, "?step=rehearsal&rows=R")).content.decode()
    assert "This deal is closed" in text
    assert reverse("admin:crm_deal_change", args=[won.pk]) in text
    assert client_of_lena.get(page_of(edit, "?step=rehearsal&rows=%3C&after=-1")).status_code == 200
    assert client_of_lena.get(page_of(edit, "?step=change")).status_code == 200


def test_many_rows_are_shown_page_by_page(
    client_of_lena: Client, lena: User, anna: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.lists.admin.bulk.ROWS_SHOWN", 2)
    rows = [make_deal(f"No. {n}", owner=anna, team=team) for n in range(5)]
    edit = rehearse(Deal.objects.order_by("pk"), {"probability": set_to(40)}, actor=lena)
    seen = []
    query = "?step=rehearsal&rows=C"
    while query:
        response = client_of_lena.get(page_of(edit, query))
        seen += [each["row"].key for each in response.context["rows"]]
        after = response.context["next"]
        query = f"?step=rehearsal&rows=C&after={after}" if after else ""
    assert seen == [row.pk for row in rows]


def test_rows_that_went_out_of_reach_are_not_named(
    deals: list[Deal], client_of_lena: Client, lena: User
) -> None:
    edit = rehearse(Deal.objects.all(), {"probability": set_to(40)}, actor=lena)
    away = make_salesperson("far", make_team("South"))
    canary = Deal.objects.filter(pk=deals[0].pk)
    canary.update(title="canary", owner=away, team=away.memberships.get().team)
    text = client_of_lena.get(page_of(edit)).content.decode()
    assert "canary" not in text
    assert "not yours to see" in text


def test_more_than_a_hundred_rows_are_never_changed_without_a_rehearsal(
    client_of_lena: Client, anna: User, team: Team
) -> None:
    rows = [make_deal(owner=anna, team=team) for _n in range(101)]
    data = {"action": "archive_selected", "select_across": "1", ACTION_CHECKBOX_NAME: [rows[0].pk]}
    response = client_of_lena.post(LIST, data)
    edit = BulkEdit.objects.get()
    assert response.headers["Location"] == page_of(edit)
    assert not Deal.objects.exclude(archived_at=None).exists()
    assert '<option value="archive" selected>' in client_of_lena.get(page_of(edit)).content.decode()
    data = {"action": "archive_selected", ACTION_CHECKBOX_NAME: [row.pk for row in rows[:100]]}
    client_of_lena.post(LIST, data)
    assert Deal.objects.exclude(archived_at=None).count() == 100


def test_the_action_is_offered_to_whom_it_is_for(deals: list[Deal], client_of_lena: Client) -> None:
    assert 'value="bulk_change"' in client_of_lena.get(LIST).content.decode()
    # Nothing is declared for tags.
    assert 'value="bulk_change"' not in client_of_lena.get("/admin/crm/tag/").content.decode()
    reader = Client()
    reader.force_login(make_auditor())
    assert 'value="bulk_change"' not in reader.get(LIST).content.decode()
    select(reader, deals)
    assert not BulkEdit.objects.exists()


def test_nobody_opens_what_is_somebody_elses(deals: list[Deal], lena: User, boris: User) -> None:
    edit = rehearse(Deal.objects.all(), {"probability": set_to(40)}, actor=lena)
    client = Client()
    client.force_login(boris)
    assert client.get(page_of(edit)).status_code == 404
    for name in ("rehearse", "apply", "discard"):
        assert client.post(do_of(edit, name)).status_code == 404
    assert reread(edit).state == "REHEARSED"


def test_a_change_that_came_to_nothing_is_thrown_away(deals: list[Deal], client_of_lena: Client) -> None:
    select(client_of_lena, deals)
    edit = BulkEdit.objects.get()
    assert client_of_lena.get(do_of(edit, "discard")).status_code == 405
    response = client_of_lena.post(do_of(edit, "discard"))
    assert response.headers["Location"] == LIST
    assert not BulkEdit.objects.exists()


def test_the_list_of_changes_and_what_is_done_is_done(
    deals: list[Deal], client_of_lena: Client, lena: User
) -> None:
    edit = apply(rehearse(Deal.objects.all(), {"probability": set_to(40)}, actor=lena), actor=lena)
    text = client_of_lena.get("/admin/lists/bulkedit/").content.decode()
    assert "3 deals" in text
    assert "Probability" in text or "probability" in text
    response = client_of_lena.post(do_of(edit, "rehearse"), {"how-amount": "clear"})
    assert response.status_code == 422
    assert "cannot be changed now" in response.content.decode()
    assert client_of_lena.get(do_of(edit, "state")).json() == {"state": "APPLIED"}


def test_a_kind_that_is_gone_still_has_its_page(
    deals: list[Deal], client_of_lena: Client, lena: User
) -> None:
    edit = rehearse(Deal.objects.all(), {"probability": set_to(40)}, actor=lena)
    BulkEdit.objects.update(model_label="long.gone")
    for step in ("change", "rehearsal"):
        assert client_of_lena.get(page_of(edit, f"?step={step}")).status_code == 200
    assert client_of_lena.get("/admin/lists/bulkedit/").status_code == 200
    assert client_of_lena.post(do_of(edit, "rehearse"), {}).status_code == 422
