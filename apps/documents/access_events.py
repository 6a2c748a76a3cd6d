"""What the record of access says of documents: that people without an account were let in, and how that ended."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.auth_kinds import AuthKind, register

SENT = "signature_sent"
# Carries where the chain of the request ends, so that this record proves that one.
ENDED = "signature_ended"
_KINDS = (
    AuthKind(
        SENT,
        pgettext_lazy("event", "document sent out to be signed"),
        _("%(user)s sent a document out to be signed"),
    ),
    AuthKind(
        ENDED,
        pgettext_lazy("event", "signature request ended"),
        _("A signature request of %(user)s has ended: %(state)s"),
        _("%(actor)s ended a signature request of %(user)s: %(state)s"),
    ),
)


def declare() -> None:
    """Make these kinds known."""
    register(*_KINDS)
