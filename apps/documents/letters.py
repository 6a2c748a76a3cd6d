"""What people outside are written about documents that they are to sign."""

from django.utils.translation import gettext_lazy as _

from apps.accounts.letters import Words, add_kinds

REQUEST = "documents/signature_request"
CODE = "documents/signature_code"
COMPLETED = "documents/signature_completed"
ENDED = "documents/signature_ended"
# So long a code works.
CODE_MINUTES = 10

_KINDS = {
    REQUEST: Words(
        _("%(sender)s asks you to accept “%(title)s”"),
        (
            _("Hello, %(name)s. %(sender)s has sent you “%(title)s” to read, and to accept or decline."),
            _("The link is for you alone and works until %(until)s. Do not pass it on."),
        ),
        button=_("Read and answer"),
        minutes=3 * 24 * 60,
    ),
    CODE: Words(
        _("Your code for “%(title)s”"),
        (
            _("With this code you answer to “%(title)s”. It works once."),
            _("If you have not asked for it, do not tell it to anybody: you need do nothing."),
        ),
        minutes=CODE_MINUTES,
    ),
    COMPLETED: Words(
        _("“%(title)s” is accepted by all"),
        (
            _("Everybody who was asked has accepted “%(title)s”."),
            _("By the link in our earlier letter you can download it until %(until)s."),
        ),
        minutes=3 * 24 * 60,
    ),
    ENDED: Words(
        _("“%(title)s” needs no answer any more"),
        (_("%(sender)s has taken “%(title)s” back. The link in our earlier letter has ended."),),
        minutes=3 * 24 * 60,
    ),
}


def declare() -> None:
    """Make these letters known."""
    add_kinds(_KINDS)
