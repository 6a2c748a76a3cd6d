"""What is only done in person, and never by somebody who acts as somebody else."""

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from apps.accounts.models import User


def require_in_person(actor: User) -> None:
    """
    Insist that nobody acts as `actor` just now.

    :raises PermissionDenied: somebody does
    """
    if actor.impersonation is not None:
        raise PermissionDenied(
            _("You act as %(name)s. This is only done in person: stop acting as them first.")
            % {"name": actor}
        )
