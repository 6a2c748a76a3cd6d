"""Sessions: where somebody is logged in, and ending that at once."""

from collections.abc import Iterable
from functools import partial
from importlib import import_module

from allauth.core.internal.httpkit import HTTP_USER_AGENT_MAX_LENGTH
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.digests import digest
from apps.accounts.models import User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import tell_watchers
from apps.accounts.services.token_families import end_browser_session


@transaction.atomic
def end_session(session_id: int, *, actor: User) -> None:
    """
    End one of the actor's own sessions: its next request asks to log in, and its open pages say so within a second.

    :raises DoesNotExist: the actor has no such session
    :raises PermissionDenied: they came with a key or a token, or somebody acts as them
    """
    _require_person(actor)
    sessions = UserSession.objects.select_for_update(of=("self",)).select_related("user")
    end_sessions([sessions.get(pk=session_id, user_id=actor.pk)], actor=actor)


@transaction.atomic
def end_other_sessions(user_id: int, *, kept: str = "", actor: User | None = None) -> int:
    """
    End all sessions of a user but one, and return how many that were.

    :param kept: the key of the session that goes on; without it all of them end
    :param actor: who wanted just that; None where it follows from something else that is on record
    :raises PermissionDenied: the actor came with a key or a token, or somebody acts as them
    """
    if actor is not None:
        _require_person(actor)
    sessions = UserSession.objects.select_for_update(of=("self",)).select_related("user")
    return end_sessions(sessions.filter(user_id=user_id).exclude(session_key=kept), actor=actor)


def end_sessions(sessions: Iterable[UserSession], *, actor: User | None = None) -> int:
    """End sessions, and let the pages they have open find out as soon as that is committed."""
    ended = list(sessions)
    with transaction.atomic():
        for session in ended:
            _forget(session.session_key)
            # Who reads it before the commit puts it into the cache once more.
            transaction.on_commit(partial(_forget, session.session_key))
            end_browser_session(digest(session.session_key))
            session.delete()
            if actor is not None:
                data = {"address": session.ip, "agent": session.user_agent}
                record_auth_event("session_ended", user=session.user, actor=actor, data=data)
        tell_watchers({session.user_id for session in ended})
    return len(ended)


def _require_person(actor: User) -> None:
    """Neither a stolen key nor an hour of acting as somebody must be able to throw people out."""
    require_in_person(actor)
    if actor.key_id is not None or actor.claims is not None:
        raise PermissionDenied(_("People end their sessions in person."))


def _forget(session_key: str) -> None:
    import_module(settings.SESSION_ENGINE).SessionStore().delete(session_key)


def note_use(session_key: str, user: User, *, address: str, agent: str) -> None:
    """
    Write down when, and from where, a session was last used.

    :param address: the client's address, empty where nobody knows it
    """
    seen = {"last_seen_at": timezone.now(), "user_agent": agent[:HTTP_USER_AGENT_MAX_LENGTH]}
    if address:
        seen["ip"] = address
    sessions = UserSession.objects.filter(session_key=session_key)
    if not sessions.update(**seen):
        # It began before sessions were listed, or past the login page.
        made = {"user": user, "ip": address or "0.0.0.0", **seen}  # noqa: S104 - no address that anybody has
        UserSession.objects.get_or_create(session_key=session_key, defaults=made)
