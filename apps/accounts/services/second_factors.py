"""Second factors that somebody has lost: taken off by who answers for their account, so that they can add new ones."""

from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import rows
from apps.accounts.models import User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.letters import send_letter
from apps.accounts.services.limits import require_over, tell_watchers
from apps.accounts.services.sessions import end_other_sessions


@transaction.atomic
def reset_second_factors(user_id: int, *, actor: User) -> User:
    """
    Take all second factors off an account, recovery codes too; its sessions end, and its person is told by letter.

    Where a role requires a factor, they add a new one at their next login before anything else opens.

    :raises DoesNotExist: the actor does not see such a user
    :raises PermissionDenied: the actor may not, the user holds more than they do, or somebody acts as the actor
    :raises ValidationError: it is the actor's own account ("own_account"), or there is none ("no_second_factor")
    """
    require_in_person(actor)
    user = rows.locked(User, user_id, actor=actor, action="change")
    require_over(actor, user)
    if user.pk == actor.pk:
        raise ValidationError(_("Your own second factors are on the page “Security”."), code="own_account")
    count, _by_model = Authenticator.objects.filter(user=user.pk).delete()
    if not count:
        raise ValidationError(_("This account has no second factor."), code="no_second_factor")
    end_other_sessions(user.pk)
    tell_watchers([user.pk])
    record_auth_event("mfa_reset", user=user, actor=actor)
    if user.email:
        send_letter("accounts/second_factors_reset", user.email, {"actor": str(actor)})
    return user
