"""Each channel against the real thing on the other side: what arrives, and what is made of each answer."""

import base64
import json
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook as Verifier

from apps.notifications.channels import Deed, Message, sender_of
from apps.notifications.channels.vapid import new_key, public_key
from apps.notifications.webhooks.signing import new_secret
from tests.fakes.mailbox import Mailbox, text_of
from tests.fakes.receiver import Answer, Receiver
from tests.fakes.telegram import Telegram

KEY = "7d1c2c0e-0000-4000-8000-1234567890ab"


def message(address: str, **fields: Any) -> Message:
    usual: dict[str, Any] = {
        "key": KEY,
        "kind": "task.due",
        "secret": "",
        "subject": "Due now: <b>Счёт</b>",
        "text": "Due now: <b>Счёт</b>\n\nWhy you read this.",
        "language": "en",
        "url": "https://artel.example/admin/inbox/1/",
        "button": "Look at it",
        "deeds": (Deed("Done", "https://artel.example/messages/do/x/"),),
        "unsubscribe": "https://artel.example/messages/stop/y/",
    }
    return Message(address=address, **usual | fields)


class TestMail:
    """Through a real mail server."""

    def test_a_letter_has_both_bodies_a_lasting_id_and_a_way_out(self, mailbox: Mailbox) -> None:
        for _twice in range(2):
            outcome = sender_of("EMAIL").send(message("dora@example.org"))
            assert (outcome.error, outcome.provider_id) == ("", f"<{KEY}@127.0.0.1>")
        first, second = mailbox.letters
        assert first["Message-ID"] == second["Message-ID"] == f"<{KEY}@127.0.0.1>"
        assert first["List-Unsubscribe"] == "<https://artel.example/messages/stop/y/>"
        assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert first["Auto-Submitted"] == "auto-generated"
        assert first["Subject"] == "Due now: <b>Счёт</b>"
        text, page = text_of(first), text_of(first, "html")
        for body in (text, page):
            assert "https://artel.example/messages/do/x/" in body
            assert "https://artel.example/admin/inbox/1/" in body
        # What people write is no HTML.
        assert "<b>" in text
        assert "<b>Счёт" not in page

    def test_an_address_that_is_not_there_is_turned_off_and_one_that_is_full_is_not(
        self, mailbox: Mailbox
    ) -> None:
        mailbox.recipients = {
            "gone@example.org": "550 5.1.1 no such user",
            "full@example.org": "452 4.2.2 mailbox full",
        }
        gone = sender_of("EMAIL").send(message("gone@example.org"))
        assert (gone.error, gone.code, gone.is_final, gone.disables) == ("REJECTED", 550, True, "BOUNCED")
        full = sender_of("EMAIL").send(message("full@example.org"))
        assert (full.error, full.code, full.is_final, full.disables) == ("REFUSED", 452, False, "")

    def test_a_letter_that_is_refused_says_nothing_about_the_address(self, mailbox: Mailbox) -> None:
        mailbox.script.extend(["554 5.7.1 spam", "451 try later"])
        spam = sender_of("EMAIL").send(message("dora@example.org"))
        assert (spam.error, spam.is_final, spam.disables) == ("REJECTED", True, "")
        later = sender_of("EMAIL").send(message("dora@example.org"))
        assert (later.error, later.is_final) == ("REFUSED", False)

    def test_a_server_that_is_away_is_asked_again(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        assert sender_of("EMAIL").send(message("dora@example.org")).error == "UNREACHABLE"


class TestTelegram:
    """Through the Bot API."""

    def test_a_message_has_its_buttons(self, telegram: Telegram) -> None:
        outcome = sender_of("TELEGRAM").send(message("-10012345678901"))
        assert (outcome.error, outcome.provider_id) == ("", "1")
        ((_at, chat, said),) = telegram.taken
        assert chat == -10012345678901
        assert said["text"].startswith("Due now: <b>Счёт</b>")
        rows = said["reply_markup"]["inline_keyboard"]
        assert [row[0]["text"] for row in rows] == ["Done", "Look at it"]
        # Nothing that people write is taken for markup.
        assert "parse_mode" not in said

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ((403, "Forbidden: bot was blocked by the user", {}), ("REJECTED", True, "BLOCKED", None, False)),
            ((400, "Bad Request: chat not found", {}), ("REJECTED", True, "BLOCKED", None, False)),
            ((400, "Bad Request: message text is empty", {}), ("REJECTED", True, "", None, False)),
            ((401, "Unauthorized", {}), ("REJECTED", False, "", None, False)),
            ((429, "Too Many Requests", {"retry_after": 7}), ("LIMITED", False, "", 7.0, False)),
            ((500, "Internal", {}), ("REFUSED", False, "", None, True)),
        ],
    )
    def test_what_is_made_of_an_answer(
        self, telegram: Telegram, answer: Any, expected: tuple[str, bool, str, float | None, bool]
    ) -> None:
        telegram.script.append(answer)
        got = sender_of("TELEGRAM").send(message("7"))
        assert (got.error, got.is_final, got.disables, got.retry_after, got.is_uncertain) == expected

    def test_an_answer_that_was_lost_leaves_it_open_whether_it_has_arrived(self, telegram: Telegram) -> None:
        telegram.script.append(None)
        got = sender_of("TELEGRAM").send(message("7"))
        assert (got.error, got.is_uncertain) == ("UNREACHABLE", True)
        assert len(telegram.taken) == 1

    def test_a_server_that_is_not_there_has_taken_nothing(self, settings: Settings) -> None:
        settings.TELEGRAM_API_URL, settings.TELEGRAM_BOT_TOKEN = "http://127.0.0.1:1", "42:x"
        got = sender_of("TELEGRAM").send(message("7"))
        assert (got.error, got.is_uncertain) == ("UNREACHABLE", False)


class TestWebhook:
    """Through the network that webhooks go by."""

    def test_another_program_verifies_what_it_gets(self, receiver: Receiver) -> None:
        secret = new_secret()
        assert sender_of("WEBHOOK").send(message(receiver.url, secret=secret)).error == ""
        (request,) = receiver.requests
        told = Verifier(secret).verify(request.body, request.headers)
        assert (told["id"], told["kind"], told["title"]) == (KEY, "task.due", "Due now: <b>Счёт</b>")
        assert receiver.ids() == [KEY]

    def test_what_is_gone_is_turned_off_and_what_is_busy_is_asked_again(self, receiver: Receiver) -> None:
        receiver.script.extend([Answer(410), Answer(503), Answer(429)])
        found = [
            sender_of("WEBHOOK").send(message(receiver.url, secret=new_secret())) for _number in range(3)
        ]
        assert [(got.error, got.is_final, got.disables) for got in found] == [
            ("REJECTED", True, "GONE"),
            ("REFUSED", False, ""),
            ("LIMITED", False, ""),
        ]

    def test_our_own_machines_are_not_called(self, receiver: Receiver, settings: Settings) -> None:
        settings.WEBHOOK_ALLOWED_NETWORKS = []
        got = sender_of("WEBHOOK").send(message(receiver.url, secret=new_secret()))
        assert got.error == "UNREACHABLE"
        assert receiver.requests == []


class TestPush:
    """Through a push service, and opened as a browser does."""

    @pytest.fixture
    def browser(self, settings: Settings) -> tuple[ec.EllipticCurvePrivateKey, bytes, str]:
        settings.VAPID_PRIVATE_KEY = new_key()
        settings.VAPID_SUBJECT = "mailto:admin@example.org"
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        auth = b"0123456789abcdef"
        keys = {"p256dh": _text(point), "auth": _text(auth)}
        return private, auth, json.dumps(keys)

    def test_a_browser_opens_it_and_its_maker_knows_who_sends(
        self, receiver: Receiver, browser: tuple[Any, bytes, str]
    ) -> None:
        private, auth, secret = browser
        assert sender_of("PUSH").send(message(receiver.url, secret=secret)).error == ""
        (request,) = receiver.requests
        opened = http_ece.decrypt(request.body, private_key=private, auth_secret=auth, version="aes128gcm")
        told = json.loads(opened)
        assert (told["title"], told["tag"]) == ("Due now: <b>Счёт</b>", KEY)
        assert request.headers["topic"] == KEY.replace("-", "")
        scheme, _space, said = request.headers["authorization"].partition(" ")
        token, key = (part.partition("=")[2] for part in said.split(","))
        assert (scheme, key) == ("vapid", public_key())
        point = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        known = ECKey.import_key(
            {"kty": "EC", "crv": "P-256", "x": _text(point[1:33]), "y": _text(point[33:])}
        )
        claims = jwt.decode(token, known, algorithms=["ES256"]).claims
        assert claims["aud"] == f"http://127.0.0.1:{receiver.port}"
        assert claims["sub"] == "mailto:admin@example.org"

    def test_a_browser_that_has_unsubscribed_is_turned_off(
        self, receiver: Receiver, browser: tuple[Any, bytes, str]
    ) -> None:
        receiver.script.extend([Answer(404), Answer(410)])
        for _twice in range(2):
            got = sender_of("PUSH").send(message(receiver.url, secret=browser[2]))
            assert (got.error, got.disables) == ("REJECTED", "GONE")

    def test_keys_that_are_none_are_the_end_of_an_address(
        self, receiver: Receiver, browser: tuple[Any, bytes, str]
    ) -> None:
        got = sender_of("PUSH").send(message(receiver.url, secret='{"p256dh": "AAAA", "auth": "AAAA"}'))
        assert (got.is_final, got.disables) == (True, "GONE")
        assert receiver.requests == []


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
