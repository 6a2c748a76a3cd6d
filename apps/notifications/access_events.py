"""What the record of access says of webhooks: they carry what happens here out of the house."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.auth_kinds import AuthKind, register

MADE = "webhook_made"
CHANGED = "webhook_changed"
ROTATED = "webhook_rotated"
_KINDS = (
    AuthKind(
        MADE,
        pgettext_lazy("event", "webhook made"),
        _("%(user)s has facts sent to %(url)s"),
        _("%(actor)s has facts sent to %(url)s for %(user)s"),
    ),
    AuthKind(
        CHANGED,
        pgettext_lazy("event", "webhook changed"),
        _("%(user)s changed the webhook to %(url)s"),
        _("%(actor)s changed the webhook of %(user)s to %(url)s"),
    ),
    AuthKind(
        ROTATED,
        pgettext_lazy("event", "secret of a webhook changed"),
        _("%(user)s made a new secret for the webhook to %(url)s"),
        _("%(actor)s made a new secret for the webhook of %(user)s to %(url)s"),
    ),
)


def declare() -> None:
    """Make these kinds known."""
    register(*_KINDS)
