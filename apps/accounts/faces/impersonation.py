"""How a session remembers as whom somebody acts: it stays theirs, and names the time beside."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from apps.accounts import services
from apps.accounts.faces.declared import own_only
from apps.accounts.models import ImpersonationSession, User

IMPERSONATION_SESSION_KEY = "impersonation"


def begin(request: HttpRequest, session: ImpersonationSession) -> None:
    """Let this browser act as somebody else from the next request on."""
    # What was open before ends: its pages show what the person themselves may see.
    request.session.cycle_key()
    request.session[IMPERSONATION_SESSION_KEY] = session.pk


def acting_as(request: HttpRequest, actor: User) -> User | None:
    """Return as whom the person who is logged in acts, None where that is nobody, or is over."""
    session_id = request.session.get(IMPERSONATION_SESSION_KEY)
    return None if session_id is None else services.who_acts(session_id, actor=actor)


def is_remembered(request: HttpRequest) -> bool:
    """Tell whether the session says that somebody acts as somebody else, be it over or not."""
    return IMPERSONATION_SESSION_KEY in request.session


def forget(request: HttpRequest, actor: User) -> None:
    """Let this browser be the person's own again, and write down that it ended."""
    session_id = request.session.pop(IMPERSONATION_SESSION_KEY)
    services.stop_impersonation(session_id, actor=actor)
    request.session.cycle_key()


@own_only("ends what the caller's own session has begun")
@never_cache
@login_required
def stop(request: HttpRequest) -> HttpResponse:
    """Stop acting as somebody else, and go back to the page of that person."""
    session = getattr(request.user, "impersonation", None)
    if request.method != "POST" or session is None:
        return redirect("admin:index")
    forget(request, session.actor)
    return redirect(reverse("admin:accounts_user_change", args=(session.target_id,)))
