"""
Google's library, tamed: each request is sent once, by connections that no two threads share, and only to one address.

What the library does by itself is not wanted here. Its retries send a POST again and so make duplicates; httplib2 does
that too when a connection drops, and then with a stream that is used up; one connection under two threads mixes their
answers.
"""

import http.client
import json
import os
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httplib2
from google.auth import exceptions as auth
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError

from apps.documents.drive.account import GOOGLE, Account, Meter, Pace, Patience, Usage
from apps.documents.drive.answers import error_of
from apps.documents.drive.costs import Cost
from apps.documents.drive.errors import (
    DailyLimit,
    DriveError,
    Invalid,
    Later,
    LoginRefused,
    Transient,
)
from apps.documents.drive.sums import BLOCK, Sink

T = TypeVar("T")

SCOPES = ("https://www.googleapis.com/auth/drive",)
GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
# No list is longer, and nobody fills our memory with one.
LARGEST_ANSWER = 64 << 20


class OnceHttp(httplib2.Http):  # type: ignore[misc]
    """
    Sends a request once, whatever happens, and streams the good answer to a GET into `sink` when there is one.

    A login on the way is a POST.
    """

    def __init__(self, timeout: float, *, follows: bool) -> None:
        super().__init__(timeout=timeout)
        # 308 is a step of an upload and no redirection.
        self.redirect_codes: frozenset[int] = frozenset(httplib2.REDIRECT_CODES) - {308}
        self.follow_redirects = follows
        self.sink: Sink | None = None

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, *more: Any, **options: Any
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request; on a connection that is there already without what httplib2 does for browsers."""
        scheme, _, rest = uri.partition("://")
        authority, _, path = rest.partition("/")
        connection = self.connections.get(f"{scheme}:{authority}")
        if connection is not None:
            found = self._conn_request(connection, f"/{path}", method, body, headers)
            if not (self.follow_redirects and found[0].status in self.redirect_codes):
                return found
        response, content = super().request(uri, method, body, headers, *more, **options)
        return response, content

    def _conn_request(
        self, conn: Any, request_uri: str, method: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        try:
            if conn.sock is None:
                conn.connect()
            conn.request(method, request_uri, body, headers)
            answer = conn.getresponse()
            content = self._content(answer, self.sink if method == "GET" else None)
        except BaseException:
            # What is left on the connection would be taken for the answer to the next request.
            conn.close()
            raise
        response = httplib2.Response(answer)
        return response, _unpacked(response, content)

    def _content(self, answer: http.client.HTTPResponse, sink: Sink | None) -> bytes:
        if sink is None or answer.status not in {200, 206}:
            content = answer.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise Transient("the answer is too long")
            if not answer.isclosed() and answer.length:
                raise http.client.IncompleteRead(content)
            return content
        first = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
        sink.begin(int(first) if answer.status == 206 else 0, answer.length)
        while block := answer.read(BLOCK):
            sink.take(block)
        return b""


def _unpacked(response: httplib2.Response, content: bytes) -> bytes:
    if response.get("content-encoding", "identity") not in {"gzip", "deflate"} or not content:
        return content
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacker.decompress(content, LARGEST_ANSWER)
    except zlib.error as error:
        raise Transient("the answer cannot be unpacked") from error
    if unpacker.unconsumed_tail:
        raise Transient("the answer is too long")
    return unpacked


@lru_cache(maxsize=8)
def _service(api_root: str) -> Any:
    """Return Drive's description as methods, for one address; requests and uploads go there and nowhere else."""
    document = json.loads(get_static_doc("drive", "v3"))
    document["rootUrl"] = api_root
    document.pop("mtlsRootUrl", None)
    # Each request is given the connection of its thread; this one is never opened.
    return build_from_document(document, http=httplib2.Http())


class Transport:
    """Sends requests for one account; threads may share it, their connections they do not."""

    def __init__(self, account: Account, meter: Meter, pace: Pace, patience: Patience) -> None:
        check_address(account.api_root)
        self.account = account
        self.patience = patience
        self._meter = meter
        self._pace = pace
        self._credentials = _credentials(account)
        self._local = threading.local()
        service = _service(account.api_root)
        # To make one takes a hundred times as long as to ask it for a request.
        self.about, self.changes, self.channels = service.about(), service.changes(), service.channels()
        self.drives, self.files, self.revisions = service.drives(), service.files(), service.revisions()

    def http(self) -> Any:
        """Return the connection of this thread."""
        # A forked process must not speak on the connections of its parent.
        if getattr(self._local, "process", None) != os.getpid():
            follows = self.account.api_root == GOOGLE
            self._local.http = AuthorizedHttp(
                self._credentials, http=OnceHttp(self.account.timeout, follows=follows)
            )
            self._local.process = os.getpid()
        return self._local.http

    def close(self) -> None:
        if getattr(self._local, "process", None) == os.getpid():
            self._local.http.close()
            self._local.process = None

    def ask(self, cost: Cost, request: Any, read: Callable[[Any], T]) -> T:
        """
        Send a request of the library until it is answered; return the answer as `read` reads it.

        :raises DriveError: it is not answered, or with a refusal
        """
        return self.insist(cost, lambda: read(request.execute(http=self.http(), num_retries=0)))

    def fetch(self, cost: Cost, request: Any, sink: Sink, *, mime: str | None = None) -> None:
        """
        Let the content that a request of the library answers with stream into a sink, going on where it broke.

        :param mime: its type where nothing else tells it from a page of some proxy
        :raises DriveError: it does not arrive
        """

        def go_on() -> None:
            headers = {"accept-encoding": "identity", "user-agent": "artel"}
            if sink.size and sink.size != sink.expected:
                headers["range"] = f"bytes={sink.size}-"
            response, content = self._streamed(request, headers, sink)
            if response.status not in {200, 206}:
                raise error_of(response.status, content, response)
            if mime is not None and not response.get("content-type", "").startswith(mime):
                raise Transient("something else than the content is answered")
            sink.check_end()

        self.insist(cost, go_on)

    def _streamed(self, request: Any, headers: dict[str, str], sink: Sink) -> tuple[Any, bytes]:
        authorized = self.http()
        authorized.http.sink = sink
        try:
            response, content = authorized.request(request.uri, "GET", headers=headers)
        finally:
            authorized.http.sink = None
        return response, content

    def send(self, uri: str, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[Any, bytes]:
        """Send what the library has no method for, once; `insist` goes around it."""
        response, content = self.http().request(uri, method, body=body, headers=dict(headers))
        return response, content

    def insist(self, cost: Cost, attempt: Callable[[], T]) -> T:
        """
        Try until it works, as long as the patience lasts, and count every try.

        :raises DriveError: it does not work
        """
        tries = 0
        while True:
            tries += 1
            try:
                return self.once(cost, attempt)
            except Later as error:
                self.wait(error, tries)

    def once(self, cost: Cost, attempt: Callable[[], T]) -> T:
        """
        Try and count it.

        :raises DriveError: it does not work
        """
        if cost.writes:
            self._pace()
        try:
            with translated():
                found = attempt()
        except DriveError as error:
            self._count(cost, error.reason or type(error).__name__)
            raise
        self._count(cost, "")
        return found

    def _count(self, cost: Cost, refusal: str) -> None:
        self._meter(Usage(cost.name, cost.units, 1, cost.writes, refusal))

    def wait(self, error: Later, tries: int) -> None:
        """
        Wait as long as an error asks for, at least as long as after so many tries.

        :raises Later: it is that error, when there is no patience for it
        """
        patience = self.patience
        # The first time it may be a connection that Google closed for being idle.
        is_stale = tries == 1 and isinstance(error.__cause__, ConnectionError | http.client.BadStatusLine)
        back_off = min(patience.first_wait * 2 ** (tries - 1), patience.longest_wait)
        error.wait = max(error.wait, 0.0 if is_stale else back_off)
        if tries >= patience.attempts or error.wait > patience.longest_wait or isinstance(error, DailyLimit):
            raise error
        # The clients of one account do not all come back at once.
        time.sleep(error.wait + random.random() * min(error.wait, 1.0))  # noqa: S311


def _credentials(account: Account) -> Any:
    """
    Return what the account shows Google.

    :raises LoginRefused: its key is none
    """
    # Whoever enters a key does not choose where its proof is sent.
    tokens = GOOGLE_TOKENS if account.api_root == GOOGLE else f"{account.api_root}token"
    info = {**account.info, "token_uri": tokens}
    try:
        return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            info, scopes=SCOPES, subject=account.subject or None
        )
    except (ValueError, TypeError, AttributeError, auth.GoogleAuthError) as error:
        raise LoginRefused("the key of the account cannot be read") from error


def check_address(api_root: str) -> None:
    """
    See that an address can be Drive's.

    :raises Invalid: it is no address, without the slash at its end, or would send the key in clear text through a network
    """
    where = urlsplit(api_root)
    is_near = where.hostname in {"127.0.0.1", "localhost", "::1"}
    if not api_root.endswith("/") or not where.hostname or where.scheme not in {"https", "http"}:
        raise Invalid(f"{api_root} is no address of Google Drive; it looks like {GOOGLE}")
    if where.scheme == "http" and not is_near:
        raise Invalid(f"{api_root} would be spoken with unencrypted")


@contextmanager
def translated() -> Iterator[None]:
    """
    Say what goes wrong within as one of our kinds.

    :raises DriveError: something went wrong
    """
    try:
        yield
    except HttpError as error:
        raise error_of(error.resp.status, error.content, error.resp) from error
    except auth.RefreshError as error:
        raise _login_error(error) from error
    except auth.TransportError as error:
        raise Transient("the login does not answer") from error
    except (OSError, http.client.HTTPException, httplib2.HttpLib2Error) as error:
        raise Transient(f"the connection failed: {type(error).__name__}") from error
    except (ValueError, KeyError, TypeError) as error:
        # A page of some proxy with status 200, or an answer without what was asked for.
        raise Transient("the answer is not Drive's", reason="notDrive") from error


def _login_error(error: auth.RefreshError) -> DriveError:
    if error.retryable:
        return Transient("the login does not answer")
    return LoginRefused(str(error.args[0]) if error.args else "", reason="invalid_grant", status=401)
