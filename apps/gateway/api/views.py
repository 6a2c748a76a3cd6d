"""Streams over HTTP, for who cannot or need not open a socket, and the ticket for who can."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import redis
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views import View
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.exceptions import APIException
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.faces.api import actor_of
from apps.accounts.faces.keys import bearer_of
from apps.accounts.faces.sockets import may_watch, user_of_session
from apps.accounts.models import User
from apps.accounts.services import authenticate_bearer
from apps.common.api.problems import problem, problem_response
from apps.events.streams import source_of
from apps.gateway.consumers import MAX_SOCKETS_PER_USER
from apps.gateway.hub import MAX_BEHIND, Since, hub
from apps.gateway.tickets import TICKET_SECONDS, issue_ticket
from apps.gateway.watchers import Gone, Watcher


class NoTickets(APIException):
    """Redis, which holds the tickets, does not answer."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"


class TicketView(APIView):
    """Tickets for the socket."""

    own_only = "A ticket opens a socket for the one who asked for it and nobody else."
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        summary="Get a ticket that opens one socket: /ws/?ticket=…",
        request=None,
        responses={
            201: inline_serializer(
                "Ticket", {"ticket": serializers.CharField(), "expires_in": serializers.IntegerField()}
            )
        },
    )
    def post(self, request: Request) -> Response:
        try:
            ticket = issue_ticket(actor_of(request), session_key=_session_key_of(request))
        except redis.RedisError as error:
            raise NoTickets(_("Sockets cannot be opened just now. Try again in a moment.")) from error
        body = {"ticket": ticket, "expires_in": TICKET_SECONDS}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


def _session_key_of(request: Request) -> str:
    session = getattr(request, "session", None)
    return (session.session_key if session is not None else None) or ""


class StreamView(View):
    """
    One stream: as server-sent events for who accepts them, from `Last-Event-ID` on; as plain JSON after
    `?after=` otherwise.
    """

    own_only = "Each stream asks the policy whether the caller may watch it."
    http_method_names = ("get", "head", "options")

    async def get(self, request: HttpRequest, name: str) -> HttpResponseBase:
        who = _asker_of(request)
        actor = await sync_to_async(who)()
        if actor is None:
            return _problem(401, "not_authenticated", _("Log in first."))
        if not await sync_to_async(may_watch)(actor, name):
            return _problem(404, "not_found", _("There is no such stream."))
        since = _since(request)
        if since is None:
            return _problem(400, "bad_position", _("The last number is not one of ours."))
        if isinstance(request, ASGIRequest) and "text/event-stream" in request.headers.get("Accept", ""):
            return _tell(who, actor, name, since)
        return JsonResponse(await sync_to_async(_read)(name, since))


def _asker_of(request: HttpRequest) -> Callable[[], User | None]:
    """Return how to find out, now and again, who asks: by the key or token they show, or else by their session."""
    token = bearer_of(request)
    if token is not None:
        return partial(authenticate_bearer, token)
    return partial(user_of_session, {"cookies": request.COOKIES})


def _since(request: HttpRequest) -> Since | None:
    """Read where somebody stopped: "epoch,number" from the header that browsers send, or the parameters."""
    given = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    if not given:
        return Since()
    epoch, _comma, seq = given.rpartition(",")
    if not seq.isdecimal() or len(seq) > 19 or int(seq) >= 2**63:
        return None
    return Since(epoch or request.GET.get("epoch", ""), int(seq))


def _read(name: str, since: Since) -> dict[str, Any]:
    """Return what came after a number, or the whole state when that is too much or too long ago."""
    source, key = source_of(name)
    epoch, head = source.head(key)
    shown: dict[str, Any] = {"stream": name, "epoch": epoch, "head": head}
    if since.epoch == epoch and 0 <= head - since.seq <= MAX_BEHIND:
        events = source.read(key, since.seq, MAX_BEHIND)
        if (events[0].seq if events else head + 1) == since.seq + 1:
            return shown | {"events": [{"seq": event.seq, "data": event.data} for event in events]}
    seq, state = source.state(key)
    return shown | {"reset": {"seq": seq, "state": state}, "events": []}


def _tell(who: Callable[[], User | None], actor: User, name: str, since: Since) -> HttpResponseBase:
    if hub().count_of(actor) >= MAX_SOCKETS_PER_USER:
        return _problem(429, "too_many_connections", _("Too many connections are open already."))
    response = StreamingHttpResponse(
        _events(Watcher(who, actor), name, since), content_type="text/event-stream"
    )
    # Nginx would hold the events back.
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(watcher: Watcher, name: str, since: Since) -> AsyncIterator[str]:
    """Tell a stream's messages, each under the number with which a browser comes back."""
    hub().join(watcher)
    try:
        await hub().watch(watcher, {name: since})
        while name in watcher.positions:
            text, place = await watcher.next()
            yield f"id: {place}\ndata: {text}\n\n" if place else f"data: {text}\n\n"
    except Gone:
        return
    finally:
        hub().leave(watcher)


def _problem(http_status: int, code: str, title: str) -> JsonResponse:
    return problem_response(problem(http_status, code, title))
