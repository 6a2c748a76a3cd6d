"""Long answers under ASGI: piece by piece, whatever makes them."""

from collections.abc import Iterator
from typing import cast

from asgiref.sync import async_to_sync
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from apps.common.middleware import StreamMiddleware

PIECES = 1000


def streamed(request: object, taken: list[int]) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        for number in range(PIECES):
            taken.append(number)
            yield b"%1000d," % number

    answer = StreamMiddleware(lambda _request: cast(HttpResponse, StreamingHttpResponse(pieces())))
    return cast(StreamingHttpResponse, answer(request))  # type: ignore[arg-type]


def test_pieces_are_made_as_they_are_sent() -> None:
    taken: list[int] = []
    response = streamed(AsyncRequestFactory().get("/"), taken)
    assert response.is_async
    assert taken == []

    async def read() -> tuple[int, bytes]:
        sent = response.__aiter__()
        first = await anext(sent)
        taken_first = len(taken)
        return taken_first, first + b"".join([piece async for piece in sent])

    taken_first, content = async_to_sync(read)()
    assert 0 < taken_first < PIECES / 10
    assert content == b"".join(b"%1000d," % number for number in range(PIECES))


def test_a_server_that_cannot_await_gets_what_it_was_given() -> None:
    taken: list[int] = []
    response = streamed(RequestFactory().get("/"), taken)
    assert not response.is_async
    assert b"".join(response) == b"".join(b"%1000d," % number for number in range(PIECES))
