"""Letters reach a real mail server, in two languages, within seconds, and wait where there is none."""

import email
import email.policy
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.access import all_permissions
from apps.accounts.letters import KINDS, write_letter
from apps.accounts.models import Letter
from config.local.redis import free_port
from tests.accounts.factories import PASSWORD, make_member, make_superuser, make_team, make_user, member_with
from tests.accounts.letters import code_in, delivered

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"
# What any letter may name.
CONTEXT = {
    "actor": "Ada",
    "sender": "Ada",
    "title": "Lease of the office",
    "code": "ABCD-EFGH",
    "ip": "203.0.113.7",
    "user_agent": "Firefox",
    "timestamp": timezone.now(),
    "expires_at": timezone.now(),
    "from_email": "old@example.org",
    "to_email": "new@example.org",
    "deleted_email": "old@example.org",
    "inviter": "Anna",
    "name": "Vera",
    "team": "North",
    "number": "Q-2026-00001",
    "until": "1 December 2026",
    "due": "1 December 2026",
    "amount": "1,500 ₽",
    "url": "https://crm.example/hook/",
    "reason": "It answered nothing for five days.",
    "link": "https://artel.example/x/",
}


class Box:
    """What a mail server has taken."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refuses = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return "451 the secret of this letter is ABCD-EFGH"
        raw = email.message_from_bytes(envelope.content, _class=EmailMessage, policy=email.policy.default)
        self.letters.append(raw)
        return "250 OK"

    def wait(self, number: int = 1) -> list[EmailMessage]:
        deadline = time.monotonic() + 120
        while len(self.letters) < number:
            assert time.monotonic() < deadline, "no letter came"
        return self.letters


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Count from nothing."""


@pytest.fixture
def box() -> Iterator[Box]:
    """A real mail server on a free port."""
    box = Box()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    box.port = server.port  # type: ignore[attr-defined]
    yield box
    server.stop()


@pytest.fixture
def smtp(box: Box, settings: Any) -> Box:
    """Let this process send there."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", box.port  # type: ignore[attr-defined]
    return box


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_letter_stands_in_both_languages_as_text_and_html(kind: str, language: str) -> None:
    letter = write_letter(kind, CONTEXT, language=language)
    assert letter.subject.strip() == letter.subject != ""
    assert "%(" not in letter.subject + letter.text + letter.html
    assert f'<html lang="{language}">' in letter.html
    for text in (letter.text, letter.html):
        assert "ABCD-EFGH" in text
        assert "https://artel.example/x/" in text


def test_what_a_person_calls_themselves_is_no_html_and_no_header() -> None:
    hostile = CONTEXT | {"inviter": "Eve\r\nBcc: all@example.org <script>alert(1)</script>"}
    letter = write_letter("accounts/invitation", hostile, language="en")
    assert "\n" not in letter.subject
    assert "<script>" not in letter.html


def test_a_letter_reaches_a_real_server_with_text_and_html(smtp: Box) -> None:
    user = make_user(locale="ru")
    Client(headers={"accept-language": "en"}).post("/accounts/login/code/", {"email": user.email})
    assert services.deliver_letters() == 1
    letter = smtp.letters[0]
    assert letter["To"] == user.email
    assert 'lang="ru"' in text_of(letter, "html")
    assert code_in(text_of(letter)) in text_of(letter, "html")
    assert not Letter.objects.exists()


def test_a_letter_that_waits_can_be_read_by_nobody() -> None:
    Client().post("/accounts/login/code/", {"email": make_user().email})
    letter = Letter.objects.get()
    code = code_in(delivered()[-1])
    assert code.encode() not in bytes(letter.sealed)
    assert code not in str(letter.__dict__)


def test_a_server_that_is_away_costs_nobody_a_page_and_the_letter_comes_later(
    box: Box, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", free_port()
    user, client = make_user(), Client()
    place = client.post("/accounts/login/code/", {"email": user.email})["Location"]
    assert services.deliver_letters() == 0
    letter = Letter.objects.get()
    assert (letter.attempts, letter.error) == (1, "ConnectionRefusedError 111")
    # Not before its time, and then again.
    assert services.deliver_letters() == 0
    settings.EMAIL_PORT = box.port  # type: ignore[attr-defined]
    Letter.objects.update(due_at=timezone.now())
    assert services.deliver_letters() == 1
    client.post(place, {"code": code_in(text_of(box.letters[0]))})
    assert client.session["_auth_user_id"] == str(user.pk)


def test_what_a_server_says_when_it_refuses_is_not_kept(smtp: Box, caplog: pytest.LogCaptureFixture) -> None:
    smtp.refuses = True
    Client().post("/accounts/login/code/", {"email": make_user().email})
    assert services.deliver_letters() == 0
    assert Letter.objects.get().error == "SMTPDataError 451"
    assert "ABCD-EFGH" not in caplog.text


def test_a_letter_that_nobody_needs_any_more_is_not_sent(smtp: Box) -> None:
    Client().post("/accounts/login/code/", {"email": make_user().email})
    Letter.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.deliver_letters() == 0
    assert not Letter.objects.exists()
    assert smtp.letters == []


def test_a_letter_of_another_secret_key_is_thrown_away(smtp: Box, settings: Any) -> None:
    Client().post("/accounts/login/code/", {"email": make_user().email})
    settings.SECRET_KEY = "another one"
    services.deliver_letters()
    assert not Letter.objects.exists()
    assert smtp.letters == []


def test_a_letter_that_another_worker_sends_is_left_to_it(smtp: Box) -> None:
    Client().post("/accounts/login/code/", {"email": make_user().email})
    letter = Letter.objects.get()
    Letter.objects.update(due_at=timezone.now() + timedelta(seconds=60))
    assert not services.deliver_letter(letter.pk)
    assert smtp.letters == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_sends_a_code_right_after_it_was_asked_for(artel_processes: Any, box: Box) -> None:
    user = make_user()
    server = {"EMAIL_URL": f"smtp://127.0.0.1:{box.port}", "DJANGO_SETTINGS_MODULE": "config.settings.base"}  # type: ignore[attr-defined]
    artel_processes.worker(is_awaited=False, **server)
    client = Client()
    place = client.post("/accounts/login/code/", {"email": user.email})["Location"]
    client.post(place, {"code": code_in(text_of(box.wait()[0]))})
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_first_device_is_welcome_and_a_new_one_is_told_of() -> None:
    user = make_user(password=PASSWORD)
    for agent in ("Firefox", "Firefox", "Chrome"):
        Client(headers={"user-agent": agent}).post(
            "/accounts/login/", {"login": user.email, "password": PASSWORD}
        )
    said = delivered()
    assert len(said) == 1
    assert "Chrome" in said[0]
    assert mail.outbox[0].subject == "A new device has logged in"


def test_a_new_password_is_told_of() -> None:
    user, client = make_user(password=PASSWORD), Client()
    client.force_login(user)
    new = {"oldpassword": PASSWORD, "password1": "another good one", "password2": "another good one"}
    client.post("/accounts/password/change/", new)
    assert "Your password was changed." in delivered()[-1]


class TestMailbox:
    """The page that shows letters of a local installation."""

    @pytest.fixture
    def files(self, settings: Any, tmp_path: Path) -> Path:
        settings.EMAIL_BACKEND = "apps.common.mail.EmailBackend"
        settings.EMAIL_FILE_PATH = str(tmp_path)
        return tmp_path

    def logged_in(self, user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def test_administrators_read_what_was_sent(self, files: Path) -> None:
        root = self.logged_in(make_superuser())
        assert "No letter yet" in root.get("/accounts/mailbox/").content.decode()
        user = make_user()
        Client().post("/accounts/login/code/", {"email": user.email})
        services.deliver_letters()
        page = root.get("/accounts/mailbox/").content.decode()
        assert "Your code to log in" in page
        assert str(user.email) in page
        assert "It works once" in page

    def test_who_may_do_everything_reads_all_but_letters_to_administrators_of_everything(
        self, files: Path
    ) -> None:
        root, user = make_superuser(), make_user()
        for each in (root, user):
            Client().post("/accounts/login/code/", {"email": each.email})
        assert services.deliver_letters() == 2
        assert len(list(files.iterdir())) == 2  # each in a file of its own, however fast they follow
        page = (
            self.logged_in(make_member(make_team(), "administrator"))
            .get("/accounts/mailbox/")
            .content.decode()
        )
        assert str(user.email) in page
        assert str(root.email) not in page

    def test_nobody_else_does(self, files: Path) -> None:
        most = dict.fromkeys(sorted(all_permissions())[1:], "ALL")
        for user in (make_user(), make_member(make_team(), "auditor"), member_with(most)):
            assert self.logged_in(user).get("/accounts/mailbox/").status_code == 403
        assert Client().get("/accounts/mailbox/").status_code == 302

    def test_where_letters_are_sent_there_is_no_mailbox(self) -> None:
        assert self.logged_in(make_superuser()).get("/accounts/mailbox/").status_code == 404
