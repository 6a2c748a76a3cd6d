"""Timelines, activities, participants and letters over REST."""

from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail as outbox
from django.test import Client

from apps.crm import tasks
from apps.crm.models import Activity, Deal, DealParticipant, UnmatchedMail
from apps.crm.services import mail
from tests.crm import factories

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/crm"


def asked(who: "User", method: str, path: str, body: Any = None, **headers: str) -> Any:
    client = Client()
    client.force_login(who)
    extra = {} if method == "get" else {"content_type": "application/json"}
    return getattr(client, method)(f"{ROOT}/{path}", body or {}, headers=headers, **extra)


def test_a_note_is_written_corrected_pinned_and_removed(anna: "User", boris: "User", deal: Deal) -> None:
    made = asked(anna, "post", "activities/", {"kind": "NOTE", "deal": deal.pk, "body": "first"})
    assert made.status_code == 201
    assert made.json()["deals"] == [deal.pk]
    place = f"activities/{made.json()['id']}/"
    assert asked(boris, "get", place).status_code == 404
    stale = asked(anna, "patch", place, {"body": "second"}, **{"If-Match": '"9"'})
    assert stale.status_code == 412
    assert asked(anna, "patch", place, {"body": "second"}, **{"If-Match": '"1"'}).json()["body"] == "second"
    former = asked(anna, "get", f"{place}former/").json()
    assert [each["body"] for each in former] == ["first"]
    assert asked(anna, "post", f"{place}pin/").json()["is_pinned"]
    assert not asked(anna, "post", f"{place}unpin/").json()["is_pinned"]
    assert asked(anna, "delete", place).status_code == 204
    assert asked(anna, "get", place).status_code == 404


def test_a_timeline_is_read_page_by_page(anna: "User", boris: "User", deal: Deal) -> None:
    for number in range(25):
        asked(anna, "post", "activities/", {"kind": "NOTE", "deal": deal.pk, "body": f"note {number}"})
    first = asked(anna, "get", f"deals/{deal.pk}/timeline/").json()
    rest = asked(anna, "get", f"deals/{deal.pk}/timeline/", {"after": first["next"]}).json()
    assert [len(first["entries"]), len(rest["entries"])] == [20, 6]
    assert rest["next"] is None
    assert rest["entries"][-1]["step"]["deal"] == deal.pk
    assert asked(anna, "get", f"deals/{deal.pk}/timeline/", {"kind": "CALL"}).json()["entries"] == []
    assert asked(anna, "get", f"deals/{deal.pk}/timeline/", {"after": "x"}).status_code == 400
    assert asked(boris, "get", f"deals/{deal.pk}/timeline/").status_code == 404


def test_what_an_activity_is_about_is_told_as_far_as_it_is_seen(
    anna: "User", admin: "User", deal: Deal
) -> None:
    company = factories.make_company("Hidden", owner=admin)
    body = {"kind": "NOTE", "deal": deal.pk, "company": company.pk, "body": "of both"}
    pk = asked(admin, "post", "activities/", body).json()["id"]
    seen = asked(anna, "get", f"activities/{pk}/").json()
    assert (seen["deals"], seen["companies"]) == ([deal.pk], [])
    assert asked(anna, "get", "activities/", {"company": company.pk}).status_code == 400
    assert len(asked(anna, "get", "activities/", {"deal": deal.pk}).json()["results"]) == 1


def test_participants(anna: "User", team: Any, deal: Deal) -> None:
    petr = factories.make_person("Petr", owner=anna, team=team)
    olga = factories.make_person("Olga", owner=anna, team=team)
    body = {"deal": deal.pk, "person": petr.pk, "role": "CHAMPION", "is_primary": True}
    first = asked(anna, "post", "participants/", body)
    assert first.status_code == 201
    twice = asked(anna, "post", "participants/", body)
    assert (twice.status_code, twice.json()["errors"][0]["code"]) == (400, "deal_participant_unique")
    second = asked(
        anna, "post", "participants/", {"deal": deal.pk, "person": olga.pk, "role": "BILLING"}
    ).json()
    assert asked(anna, "patch", f"participants/{second['id']}/", {"is_primary": True}).json()["is_primary"]
    assert list(deal.participants.filter(is_primary=True).values_list("person_id", flat=True)) == [olga.pk]
    assert asked(anna, "delete", f"participants/{second['id']}/").status_code == 204
    stranger = factories.make_person("Hidden", owner=factories.make_admin())
    refused = asked(anna, "post", "participants/", {"deal": deal.pk, "person": stranger.pk, "role": "USER"})
    assert refused.status_code == 400
    assert DealParticipant.objects.count() == 1


def test_a_letter_is_sent_once_its_transaction_is_over(
    anna: "User", deal: Deal, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"deal": deal.pk, "to": ["petr@acme.example"], "subject": "Offer", "body": "Here it is."}
    handed: list[int] = []
    monkeypatch.setattr(tasks.deliver_mail, "delay", handed.append)
    with django_capture_on_commit_callbacks(execute=True):
        sent = asked(anna, "post", "activities/send/", body)
        assert handed == []
    assert sent.status_code == 201
    assert handed == [sent.json()["id"]]
    assert mail.deliver_mail(handed[0])
    assert outbox.outbox[0].subject == "Offer"
    wrong = asked(anna, "post", "activities/send/", body | {"to": ["nobody"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "mail_address")


def test_unmatched_mail_is_linked_by_who_may(anna: "User", admin: "User", deal: Deal) -> None:
    mail.receive_mail(b"From: who@else.example\nSubject: Hello\n\nhi")
    waiting = UnmatchedMail.objects.get()
    place = f"unmatched-mail/{waiting.pk}/"
    assert asked(anna, "get", place).status_code == 403
    assert asked(admin, "get", place).json()["subject"] == "Hello"
    assert asked(admin, "post", f"{place}link/", {}).status_code == 400
    linked = asked(admin, "post", f"{place}link/", {"deal": deal.pk})
    assert linked.json()["state"] == "LINKED"
    assert Activity.objects.get().links.get().deal == deal
    again = asked(admin, "post", f"{place}dismiss/")
    assert (again.status_code, again.json()["code"]) == (400, "mail_settled")
