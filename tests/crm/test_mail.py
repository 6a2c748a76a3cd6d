"""Letters: sent once, received once, matched to what they are about, and harmless whatever stands in them."""

import base64
import time
from email.message import EmailMessage
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail as outbox
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.crm.api.inbound import signature
from apps.crm.mailing.addresses import reply_address, target_in
from apps.crm.mailing.parsing import MOST_ATTACHMENTS, parse, text_of
from apps.crm.models import Activity, Deal, Mail, UnmatchedMail
from apps.crm.services import mail
from apps.crm.services.contacts import add_contact_point
from apps.crm.timeline import reading
from tests.crm import factories
from tests.fakes.imap import FakeImap

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.django_db
MOST = 25 * 2**20


@pytest.fixture(autouse=True)
def addresses(settings: Any) -> None:
    settings.MAIL_REPLY_ADDRESS = "sales@artel.example"
    settings.DEFAULT_FROM_EMAIL = "sales@artel.example"


def letter(sender: str = "Petr <petr@acme.example>", **how: Any) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = how.pop("to", "sales@artel.example")
    message["Subject"] = how.pop("subject", "About the desks")
    message["Message-ID"] = how.pop("message_id", "<one@acme.example>")
    for name, value in how.pop("headers", {}).items():
        message[name] = value
    message.set_content(how.pop("text", "We want forty of them."))
    return message


def sent(deal: Deal, who: "User", **how: Any) -> Activity:
    values: dict[str, Any] = {"to": ["petr@acme.example"], "subject": "Your offer", "body": "Here it is."}
    return mail.send_mail(about=("deal", deal.pk), actor=who, **(values | how))


def test_a_letter_goes_out_once_and_stands_in_the_timeline(anna: "User", deal: Deal) -> None:
    activity = sent(deal, anna)
    assert activity.mail.state == Mail.State.QUEUED
    assert outbox.outbox == []
    assert mail.deliver_mail(activity.pk)
    assert not mail.deliver_mail(activity.pk)
    (message,) = outbox.outbox
    assert message.to == ["petr@acme.example"]
    assert message.extra_headers["Message-ID"] == f"<{activity.mail.message_id}>"
    assert target_in(message.reply_to) == ("deal", deal.pk)
    activity.mail.refresh_from_db()
    assert activity.mail.state == Mail.State.SENT
    assert [entry.row.pk for entry in reading.read(deal, actor=anna, kinds=["EMAIL"]).entries] == [
        activity.pk
    ]


def test_one_that_a_server_does_not_take_goes_again_under_the_same_number(
    anna: "User", deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    activity = sent(deal, anna)
    numbers = []

    def fails(_self: Any, messages: Any) -> int:
        numbers.append(messages[0].extra_headers["Message-ID"])
        raise SMTPServerDisconnected("password hunter2")

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", fails)
        assert not mail.deliver_mail(activity.pk)
        # Not before its time.
        assert mail.deliver_due() == 0
    activity.mail.refresh_from_db()
    assert (activity.mail.state, activity.mail.error) == (Mail.State.QUEUED, "SMTPServerDisconnected")
    assert activity.mail.due_at > timezone.now()
    Mail.objects.update(due_at=timezone.now())
    assert mail.deliver_due() == 1
    assert [message.extra_headers["Message-ID"] for message in outbox.outbox] == numbers


def test_one_that_is_refused_for_good_is_not_sent_again(
    anna: "User", deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    activity = sent(deal, anna)

    def refuses(_self: Any, _messages: Any) -> int:
        raise SMTPRecipientsRefused({})

    monkeypatch.setattr(EmailBackend, "send_messages", refuses)
    assert not mail.deliver_mail(activity.pk)
    activity.mail.refresh_from_db()
    assert activity.mail.state == Mail.State.FAILED


@pytest.mark.parametrize(
    ("how", "field", "code"),
    [
        ({"to": []}, "to", "required"),
        ({"to": ["nobody"]}, "to", "mail_address"),
        ({"to": ["a@b.example\nBcc: c@d.example"]}, "to", "mail_address"),
        ({"to": [f"a{number}@b.example" for number in range(21)]}, "to", "too_many"),
        ({"subject": " "}, "subject", "required"),
        ({"body": ""}, "body", "no_text"),
        ({"reply_to_id": 1}, "reply_to", "not_found"),
    ],
)
def test_a_letter_that_cannot_be_sent_is_refused(
    anna: "User", deal: Deal, how: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        sent(deal, anna, **how)
    assert [error.code for error in refused.value.error_dict[field]] == [code]


def test_a_subject_is_one_line(anna: "User", deal: Deal) -> None:
    activity = sent(deal, anna, subject="Hello\r\nBcc: everybody@acme.example")
    assert activity.subject == "Hello Bcc: everybody@acme.example"
    assert mail.deliver_mail(activity.pk)


def test_only_who_may_change_a_row_writes_about_it(boris: "User", auditor: "User", deal: Deal) -> None:
    with pytest.raises(ObjectDoesNotExist):
        sent(deal, boris)
    with pytest.raises(PermissionDenied):
        sent(deal, auditor)


def test_an_answer_finds_what_it_answers(anna: "User", deal: Deal) -> None:
    first = sent(deal, anna)
    answer = letter(headers={"In-Reply-To": f"<{first.mail.message_id}>"})
    received = mail.receive_mail(answer.as_bytes())
    assert received.activity is not None
    assert received.activity.links.get().deal == deal
    assert received.activity.direction == "IN"
    back = sent(deal, anna, reply_to_id=received.activity.pk)
    assert back.mail.in_reply_to == "one@acme.example"
    assert back.mail.references[-1] == "one@acme.example"


def test_an_answer_finds_its_deal_by_the_address(deal: Deal) -> None:
    address = reply_address("deal", deal.pk)
    received = mail.receive_mail(letter(to=address).as_bytes())
    assert received.activity is not None
    assert received.activity.links.get().deal == deal
    forged = address.replace(f"d{deal.pk}-", f"d{deal.pk + 1}-")
    assert target_in([forged]) is None
    assert mail.receive_mail(letter(to=forged, message_id="<2@x>").as_bytes()).outcome == "unmatched"


def test_a_letter_finds_whoever_wrote_it_and_their_only_open_deal(anna: "User", team: Any) -> None:
    person = factories.make_person("Petr", owner=anna, team=team)
    add_contact_point(type(person), person.pk, actor=anna, kind="EMAIL", raw="Petr@Acme.example")
    deal = factories.make_deal(owner=anna, team=team, person=person)
    received = mail.receive_mail(letter().as_bytes())
    assert received.activity is not None
    assert {(link.deal_id, link.person_id) for link in received.activity.links.all()} == {
        (None, person.pk),
        (deal.pk, None),
    }


def test_the_same_letter_twice_is_one(deal: Deal) -> None:
    raw = letter(to=reply_address("deal", deal.pk)).as_bytes()
    outcomes = [mail.receive_mail(raw).outcome for _time in range(3)]
    assert outcomes == ["logged", "known", "known"]
    stranger = letter("who@else.example", message_id="<s@x>").as_bytes()
    assert [mail.receive_mail(stranger).outcome for _time in range(2)] == ["unmatched", "known"]
    assert Activity.objects.count() == UnmatchedMail.objects.count() == 1


def test_an_unmatched_letter_is_linked_once_by_a_person(admin: "User", anna: "User", deal: Deal) -> None:
    mail.receive_mail(letter("who@else.example").as_bytes())
    waiting = UnmatchedMail.objects.get()
    with pytest.raises(ObjectDoesNotExist):
        mail.link_mail(waiting.pk, about=("deal", deal.pk), actor=anna)
    activity = mail.link_mail(waiting.pk, about=("deal", deal.pk), actor=admin)
    assert activity.mail.sender == "who@else.example"
    waiting.refresh_from_db()
    assert (waiting.state, waiting.raw) == ("LINKED", None)
    for again in (
        lambda: mail.link_mail(waiting.pk, about=("deal", deal.pk), actor=admin),
        lambda: mail.dismiss_mail(waiting.pk, actor=admin),
    ):
        with pytest.raises(ValidationError) as refused:
            again()
        assert refused.value.code == "mail_settled"


def test_files_become_documents_of_the_deal_or_are_left_out_with_a_reason(admin: "User", deal: Deal) -> None:
    message = letter(to=reply_address("deal", deal.pk))
    message.add_attachment(b"plain words\n", maintype="text", subtype="plain", filename="../../notes.txt")
    message.add_attachment(b"MZ" + b"\0" * 200, maintype="image", subtype="png", filename="picture.png")
    received = mail.receive_mail(message.as_bytes())
    assert received.activity is not None
    (document,) = [each.document for each in received.activity.attachments.all()]
    assert document.title == "notes.txt"
    assert document.owner_id == deal.owner_id
    assert document.links.get().target_id == deal.pk
    assert [each["name"] for each in received.activity.mail.left_out] == ["picture.png"]
    assert all(each["reason"] for each in received.activity.mail.left_out)


# Whatever comes


HOSTILE: dict[str, bytes] = {
    "nothing but a sender": b"From: a@b.example\n\n",
    "no headers that are any": b"From: a@b.example\n\xff\xfe: \x00\x00\nSubject\n\nhello",
    "a charset of nobody": b"From: a@b.example\nContent-Type: text/plain; charset=klingon-8\n\nnuqneH \xff\xfe",
    "a broken word": b"From: =?utf-8?B?////?= <a@b.example>\nSubject: =?x-y?Q?=FF?= =?utf-8?B?abc\n\nhi",
    "zeros": b"From: a@b.example\nSubject: a\x00b\n\nc\x00d",
    "halves of characters": b"From: a@b.example\nContent-Type: text/plain; charset=utf-7\n\n+2AA- +3AA-",
    "a date of nobody": b"From: a@b.example\nDate: Thu, 99 Foo 99999999 25:61:61 +9999\n\nhi",
    "a date to come": b"From: a@b.example\nDate: Fri, 01 Jan 2100 00:00:00 +0000\n\nhi",
    "a boundary that never comes": b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--y\n\nhi",
    "a boundary without a name": b"From: a@b.example\nContent-Type: multipart/mixed\n\nhi",
    "base64 that is none": b"From: a@b.example\nContent-Transfer-Encoding: base64\n\n%%%%%",
    "an endless header": b"From: a@b.example\nSubject: " + b"x" * 500_000 + b"\n\nhi",
    "many recipients": b"From: a@b.example\nTo: "
    + b", ".join(b"r%d@x.example" % n for n in range(5000))
    + b"\n\nhi",
    "endless references": b"From: a@b.example\nReferences: " + b"<a@b> " * 5000 + b"\n\nhi",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_whatever_comes_is_stored_harmless(admin: "User", deal: Deal, raw: bytes) -> None:
    received = mail.receive_mail(raw)
    assert received.outcome == "unmatched"
    waiting = UnmatchedMail.objects.get()
    assert waiting.received_at <= timezone.now()
    activity = mail.link_mail(waiting.pk, about=("deal", deal.pk), actor=admin)
    assert activity.occurred_at <= timezone.now()
    assert len(activity.mail.to) <= 100
    assert len(activity.mail.references) <= 50


def nested(depth: int) -> bytes:
    head = b"From: a@b.example\n"
    for number in range(depth):
        head += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)
    return head + b"\nhi"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"Subject: from nobody\n\nhi", "mail_no_sender"),
        (b"From: not an address\n\nhi", "mail_no_sender"),
        (nested(60), "mail_too_deep"),
        (nested(5_000), "mail_too_deep"),
        (b"", "mail_no_sender"),
    ],
)
def test_what_is_no_letter_is_refused_with_a_reason(raw: bytes, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        mail.receive_mail(raw)
    assert refused.value.code == code
    assert refused.value.messages[0]


def test_too_large_is_refused(settings: Any) -> None:
    settings.MAIL_MAX_BYTES = 1000
    with pytest.raises(ValidationError) as refused:
        mail.receive_mail(b"From: a@b.example\n\n" + b"x" * 1000)
    assert refused.value.code == "mail_too_large"


def test_html_keeps_its_words_and_nothing_that_acts() -> None:
    message = letter()
    message.clear_content()
    message.set_content(
        '<style>b{}</style><p onclick="x()">Hello <b>you</b></p><script>steal()</script>'
        '<img src="https://spy.example/1.gif"><a href="javascript:steal()">click</a>'
        '<iframe src="https://x.example"></iframe><form action="/x"><input></form>',
        subtype="html",
    )
    found = parse(message.as_bytes(), most_bytes=MOST)
    for bad in ("script", "onclick", "img", "javascript", "iframe", "form", "style", "steal"):
        assert bad not in found.html
    assert "<b>you</b>" in found.html
    assert found.text.startswith("Hello you")
    assert "steal" not in found.text
    assert text_of("<p>a &lt;b&gt;</p><p>c</p>") == "a <b>\nc"


def test_a_thousand_files_are_no_thousand_documents() -> None:
    message = letter()
    for number in range(1000):
        message.add_attachment(b"x", maintype="text", subtype="plain", filename=f"{number}.txt")
    found = parse(message.as_bytes(), most_bytes=MOST)
    assert len(found.attachments) == MOST_ATTACHMENTS
    assert 0 < len(found.left_out) <= MOST_ATTACHMENTS


# The doors


def post(raw: bytes, secret: str = "s3cret", at: int | None = None, signed: bytes | None = None) -> Any:
    moment = str(int(time.time()) if at is None else at)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": moment,
        "Webhook-Signature": f"v1,old {signature(secret, 'msg_1', moment, signed or raw)}",
    }
    return Client().post("/api/v1/crm/mail/inbound/", raw, content_type="message/rfc822", headers=headers)


def test_the_webhook_takes_what_is_signed_and_nothing_else(settings: Any, deal: Deal) -> None:
    raw = letter(to=reply_address("deal", deal.pk)).as_bytes()
    assert post(raw).status_code == 404
    settings.MAIL_INBOUND_SECRET = "s3cret"
    assert post(raw, secret="other").status_code == 401
    assert post(raw, at=int(time.time()) - 3600).status_code == 401
    assert post(raw, signed=b"something else").status_code == 401
    assert not Activity.objects.exists()
    answer = post(raw)
    assert answer.status_code == 200
    assert answer.json() == {"outcome": "logged", "activity": Activity.objects.get().pk}
    assert post(raw).json()["outcome"] == "known"
    refused = post(b"Subject: nobody\n\nx")
    assert (refused.status_code, refused.json()["code"]) == (422, "mail_no_sender")
    settings.MAIL_INBOUND_SECRET = f"whsec_{base64.b64encode(b'key').decode()}"
    assert post(raw, secret=settings.MAIL_INBOUND_SECRET).status_code == 200


def test_letters_are_fetched_from_a_mailbox_once(settings: Any, deal: Deal, capsys: Any) -> None:
    with FakeImap() as server:
        settings.MAIL_IMAP_URL = server.url
        server.box.add(letter(to=reply_address("deal", deal.pk)).as_bytes())
        server.box.add(b"Subject: nobody\n\nx")
        server.box.add(letter("who@else.example", message_id="<b@x>", text="y" * 4000).as_bytes())
        settings.MAIL_MAX_BYTES = 3000
        call_command("fetch_mail")
        assert capsys.readouterr().out.strip() == "logged: 1, refused: 2"
        assert server.box.seen == {1, 2, 3}
        call_command("fetch_mail")
        assert capsys.readouterr().out.strip() == "nothing new"
        server.box.password = "changed"
        with pytest.raises(CommandError) as refused:
            call_command("fetch_mail")
    assert "secret" not in str(refused.value)
    settings.MAIL_IMAP_URL = ""
    with pytest.raises(CommandError, match="names no mailbox"):
        call_command("fetch_mail")
