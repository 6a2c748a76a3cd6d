"""What people are shown of themselves."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.accounts.models import User


def live_sessions(user: User) -> list[UserSession]:
    """Return where somebody is logged in, the last used first; what they logged out of is not among it."""
    stored = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now())
    return list(UserSession.objects.filter(Exists(stored), user_id=user.pk).order_by("-last_seen_at", "-pk"))
