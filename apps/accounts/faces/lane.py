"""
A shorter way to the views that programs ask all day: hot rows, one by one and in lists, and new ones.

The views, the policy and the services are the same, and so are refusals. What is left out comes out alike each time: the
search for the address, the choice of a renderer, and what those of the middleware say that look at little of a request
(`REMEMBERED_MIDDLEWARE`). Whatever is unusual about a request goes the common way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, set_script_prefix
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.hot import HotReads
from apps.common.api.negotiation import ANY

_ACTIONS = {"GET": {"list", "retrieve"}, "POST": {"create"}}
_HEADERS = ("HTTP_", "CONTENT_")
_JSON = {"application/json", "application/json; charset=utf-8"}
# What the remembered middleware looks at. A request with cookies does not come here.
_COUNTED = (
    *("SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_HOST"),
    *("HTTP_X_FORWARDED_PORT", "HTTP_ACCEPT_LANGUAGE", "HTTP_USER_AGENT"),
)
# So many addresses and kinds of requests are remembered; programs repeat a few.
_MOST = 512
Start = Callable[..., Any]


@dataclass(frozen=True)
class _Place:
    """Where an address leads: an action of a viewset, with the headers that REST framework gives its answers."""

    view: Any
    options: dict[str, Any]
    actions: dict[str, str]
    action: str
    key_name: str
    headers: dict[str, str]

    def view_for(self, key: str) -> Any:
        view = self.view(**self.options)
        view.action_map, view.action, view.format_kwarg = self.actions, self.action, None
        view.args, view.kwargs = (), {self.key_name: key} if self.key_name else {}
        return view


@lru_cache(_MOST)
def _place_of(path: str, method: str) -> _Place | None:
    """Return where an address leads, in which keys are 0; None where that is nothing hot."""
    try:
        found = resolve(path)
    except Resolver404:
        return None
    kind, actions = getattr(found.func, "cls", None), dict(getattr(found.func, "actions", None) or {})
    action = actions.get(method.lower(), "")
    if (
        kind is None
        or not issubclass(kind, HotReads)
        or action not in _ACTIONS[method]
        or len(found.kwargs) > 1
    ):
        return None
    options = getattr(found.func, "initkwargs", {})
    view: Any = kind(**options)
    for name, handler in {**actions, "head": actions.get("get", "")}.items():
        if handler:
            setattr(view, name, getattr(view, handler))
    return _Place(kind, options, actions, action, next(iter(found.kwargs), ""), view.default_response_headers)


@dataclass(frozen=True)
class _Frame:
    """What the remembered middleware does to the answers of a kind of requests."""

    language: str
    headers: dict[str, str]

    def around(self, response: HttpResponseBase) -> list[tuple[str, str]]:
        """Return all headers of an answer."""
        if "Vary" in self.headers:
            _vary(response, self.headers["Vary"])
        said = response.headers
        return [*response.items(), *(item for item in self.headers.items() if item[0] not in said)]


def _vary(response: HttpResponseBase, value: str) -> None:
    response.headers["Vary"] = _varying(response.headers.get("Vary", ""), value)


@lru_cache(_MOST)
def _varying(before: str, more: str) -> str:
    """Return both values of the header as one, which takes longer to write than most answers."""
    response = HttpResponse(headers={"Vary": before} if before else None)
    patch_vary_headers(response, more.split(", "))
    return str(response.headers["Vary"])


class _Framing(WSGIHandler):
    """The remembered middleware around nothing."""

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"", content_type="application/json")

    @lru_cache(_MOST)  # noqa: B019 - there is one of it
    def frame_of(self, *counted: str | None) -> _Frame | None:
        """Return the frame of requests with these values in the environment; None where such are let no further."""
        said = {
            name: value for name, value in zip(counted_names(), counted, strict=True) if value is not None
        }
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/", "wsgi.input": BytesIO(), **said}
        request = WSGIRequest(environ)
        response = self.get_response(request)
        if response.status_code != 200:
            return None
        ours = {"Content-Type", "Content-Length"}
        headers = {name: value for name, value in response.items() if name not in ours}
        return _Frame(translation.get_language() or settings.LANGUAGE_CODE, headers)


def counted_names() -> tuple[str, ...]:
    """Return the names in the environment that decide what the remembered middleware says."""
    proxy = settings.SECURE_PROXY_SSL_HEADER
    return (*_COUNTED, proxy[0]) if proxy else _COUNTED


class _HotRequest(WSGIRequest):
    """A request whose headers are not made of the server's whole environment."""

    @cached_property
    def headers(self) -> HttpHeaders:
        return HttpHeaders({name: self.META[name] for name in self.META if name.startswith(_HEADERS)})


def handler_with(kind: type[WSGIHandler], middleware: Iterable[str]) -> Any:
    """Return a handler with this middleware, which Django takes from the settings when it makes one."""
    everything, settings.MIDDLEWARE = settings.MIDDLEWARE, list(middleware)
    try:
        return kind()
    finally:
        settings.MIDDLEWARE = everything


class _HotHandler(WSGIHandler):
    """Calls hot views as REST framework would, within the middleware that looks at each request."""

    def _get_response(self, request: Any) -> HttpResponseBase:
        place, key = request.hot
        view = place.view_for(key)
        rest = view.request = Request(request, view.get_parsers(), view.get_authenticators())
        rest.parser_context |= {"view": view, "kwargs": view.kwargs}
        rest.version = rest.versioning_scheme = None
        try:
            view.perform_authentication(rest)
            view.check_permissions(rest)
            view.check_throttles(rest)
            response = getattr(view, place.action)(rest, **view.kwargs)
        except Exception as error:  # noqa: BLE001 - REST framework says which are refusals, and raises the others again
            response = view.handle_exception(error)
        if isinstance(response, Response):
            rest.accepted_renderer, rest.accepted_media_type = view.perform_content_negotiation(rest)
            view.headers = dict(place.headers)
            return view.finalize_response(rest, response).render()
        for name, value in place.headers.items():
            if name == "Vary":
                _vary(response, value)
            else:
                response.headers[name] = value
        return response


class Lane:
    """
    Serves the hot requests of programs by itself, and all others by a handler.

    :param others: the handler with all the middleware of programs
    """

    def __init__(self, others: WSGIHandler) -> None:
        self._others = others
        remembered = settings.REMEMBERED_MIDDLEWARE
        self._handler = handler_with(
            _HotHandler, (name for name in settings.PROGRAM_MIDDLEWARE if name not in remembered)
        )
        self._framing = handler_with(
            _Framing, (name for name in settings.PROGRAM_MIDDLEWARE if name in remembered)
        )
        self._counted = counted_names()

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        hot = _hot(environ)
        frame = None if hot is None else self._framing.frame_of(*map(environ.get, self._counted))
        if frame is None:
            return self._others(environ, start_response)
        # Instead of Django's two signals, each of which costs as much as reading a row: of those that listen to them,
        # only the connections have anything to do here.
        close_old_connections()
        translation.activate(frame.language)
        request: Any = _HotRequest(environ)
        set_script_prefix(request.META["SCRIPT_NAME"])
        request.hot = hot
        response = self._handler.get_response(request)
        content = response.content
        headers = frame.around(response)
        headers.append(("Content-Length", str(len(content))))
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        close_old_connections()
        return [content]


def _hot(environ: dict[str, Any]) -> tuple[_Place, str] | None:
    """Return where a request leads and the key in its address, if it is hot and usual."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    is_usual = (
        method in _ACTIONS
        and path.isascii()
        and path.endswith("/")
        and environ.get("HTTP_ACCEPT", "") in ANY
        and not environ.get("HTTP_COOKIE")
        and "format" not in unquote(environ.get("QUERY_STRING", ""))
        and (method == "GET" or environ.get("CONTENT_TYPE", "").lower() in _JSON)
    )
    if not is_usual:
        return None
    head, _slash, key = path[:-1].rpartition("/")
    has_key = key.isdecimal()
    place = _place_of(f"{head}/0/" if has_key else path, method)
    if place is None or bool(place.key_name) != has_key:
        return None
    return place, key if has_key else ""
