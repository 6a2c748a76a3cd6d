"""One call to somebody else's machine, whatever that does."""

import datetime
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django.fixtures import Settings

from apps.notifications.webhooks import calling
from apps.notifications.webhooks.calling import call
from tests.fakes import receiver as fake
from tests.fakes.receiver import Answer, Receiver


def test_a_body_is_posted_as_it_is(receiver: Receiver) -> None:
    outcome = call(f"{receiver.url}?a=1", {"X-Own": "yes"}, b'{"a":"\xc3\xa4"}')
    assert (outcome.error, outcome.code) == ("", 204)
    (request,) = receiver.requests
    assert request.path == "/hook?a=1"
    assert request.body == b'{"a":"\xc3\xa4"}'
    assert request.headers["x-own"] == "yes"


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Answer(200, b"thanks"), "", 200),
        (Answer(500, b"oops"), "STATUS", 500),
        (Answer(410), "STATUS", 410),
        (Answer(is_dropped=True), "BROKEN", None),
        (Answer(200, endless=200_000_000), "", 200),
        (Answer(500, headers={"X-Large": "x" * 60_000, "X-More": "x" * 60_000}), "TOO_LARGE", None),
    ],
)
def test_how_it_ends_is_told(receiver: Receiver, answer: Answer, error: str, code: int | None) -> None:
    receiver.usual = answer
    outcome = call(receiver.url, {}, b"{}")
    assert (outcome.error, outcome.code) == (error, code)


def test_an_answer_is_kept_as_far_as_anybody_reads_it(receiver: Receiver) -> None:
    receiver.usual = Answer(500, b"\x00\xff" + b"long " * 10_000)
    outcome = call(receiver.url, {}, b"{}")
    assert len(outcome.response) == 2048
    assert outcome.response.startswith("␀\N{REPLACEMENT CHARACTER}long")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, code: int) -> None:
    receiver.usual = Answer(code, headers={"Location": receiver.url})
    outcome = call(receiver.url, {}, b"{}")
    assert (outcome.error, outcome.code) == ("REDIRECT", code)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("answer", [Answer(wait=threading.Event()), Answer(200, drips=0.1)])
def test_what_takes_too_long_is_left(receiver: Receiver, settings: Settings, answer: Answer) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 1.0
    receiver.usual = answer
    outcome = call(receiver.url, {}, b"{}")
    if answer.wait is not None:
        answer.wait.set()
        assert outcome.error == "TOO_SLOW"
    else:
        # It had said that it took it, and dripped on.
        assert (outcome.error, outcome.code) == ("", 200)
    assert outcome.duration_ms >= 900


def test_headers_that_drip_are_left(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the whole never."""
    settings.WEBHOOK_TIMEOUT_SECONDS = 1.0

    def drip(self: Any, answer: Answer) -> None:
        while not self.receiver.stopped.wait(0.1):
            self.wfile.write(b"H")

    monkeypatch.setattr(fake._Handler, "_answer", drip)
    assert call(receiver.url, {}, b"{}").error == "TOO_SLOW"


def test_nobody_there_is_told(to_this_machine: None) -> None:
    with fake.running() as gone:
        url = gone.url
    assert call(url, {}, b"{}").error == "NO_CONNECTION"


def test_proxies_of_the_environment_are_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake.running() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert call(receiver.url, {}, b"{}").error == ""
        assert proxy.requests == []
    assert len(receiver.requests) == 1


def _certificate(directory: Path, name: str) -> str:
    """Make a certificate for a name that signs itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(path)


@pytest.mark.parametrize(("host", "error"), [("hooks.example", ""), ("other.example", "NO_TRUST")])
def test_the_certificate_is_held_against_the_name(
    to_this_machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, error: str
) -> None:
    """The connection goes to an address; the certificate has to be that of the name all the same."""
    pem = _certificate(tmp_path, "hooks.example")
    monkeypatch.setenv("SSL_CERT_FILE", pem)
    calling._trust.cache_clear()
    monkeypatch.setattr(calling, "look_up", lambda host, port: ["127.0.0.1"])
    with fake.running(pem) as secure:
        assert call(f"https://{host}:{secure.port}/", {}, b"{}").error == error
        assert len(secure.requests) == (0 if error else 1)
    calling._trust.cache_clear()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    to_this_machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "look_up", lambda host, port: ["127.0.0.1"])
    with fake.running(_certificate(tmp_path, "hooks.example")) as secure:
        assert call(f"https://hooks.example:{secure.port}/", {}, b"{}").error == "NO_TRUST"
