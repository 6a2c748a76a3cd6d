"""A request that is too large is refused before it is taken, whether it says so or not."""

import socket
from collections.abc import Iterator

import pytest

from tests.gateway.settings import BODY_MAX_BYTES
from tests.gateway.sockets import Door


@pytest.fixture
def wire(door: Door) -> Iterator[socket.socket]:
    """A bare connection to the server."""
    with socket.create_connection(("127.0.0.1", door.server.port), timeout=10) as wire:
        yield wire


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: text/plain", *headers, "", ""]
    return "\r\n".join(lines).encode()


def answer(wire: socket.socket) -> str:
    """Read until the server closes."""
    found = b""
    while piece := wire.recv(65536):
        found += piece
    return found.decode()


def test_one_that_says_so_is_refused_without_reading_a_byte(wire: socket.socket) -> None:
    wire.sendall(head("/admin/", f"Content-Length: {BODY_MAX_BYTES + 1}"))
    said = answer(wire)
    assert said.startswith("HTTP/1.1 413")
    assert "text/html" in said


def test_the_api_refuses_with_a_problem_document(wire: socket.socket) -> None:
    wire.sendall(head("/api/v1/me/", f"Content-Length: {BODY_MAX_BYTES + 1}"))
    said = answer(wire)
    assert said.startswith("HTTP/1.1 413")
    assert "application/problem+json" in said
    assert '"code": "too_large"' in said


def test_the_refusal_is_in_the_callers_language(wire: socket.socket) -> None:
    wire.sendall(head("/admin/", f"Content-Length: {BODY_MAX_BYTES + 1}", "Accept-Language: ru"))
    assert 'lang="ru"' in answer(wire)


def test_one_that_does_not_say_so_is_counted(wire: socket.socket) -> None:
    wire.sendall(head("/admin/", "Transfer-Encoding: chunked"))
    piece = b"x" * 65536
    said = b""
    wire.settimeout(0.05)
    for _number in range(2 * BODY_MAX_BYTES // len(piece)):
        try:
            wire.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            said += wire.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if said:
            break
    assert said.startswith(b"HTTP/1.1 413")


def test_one_that_is_not_passes(wire: socket.socket) -> None:
    wire.sendall(head("/api/v1/me/", "Content-Length: 2", "Connection: close") + b"{}")
    assert not answer(wire).startswith("HTTP/1.1 413")
