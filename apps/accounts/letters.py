"""
What letters say, in the words of whoever gets them, and in one look.

Each kind is a subject, a few paragraphs, and a code or a link. Texts may name what the letter is written with
("%(name)s").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

Text = str | Promise


@dataclass(frozen=True)
class Words:
    """
    One kind of letter.

    :param button: what the link is called that it carries
    :param minutes: after how many minutes it is of no use any more
    """

    subject: Text
    paragraphs: tuple[Text, ...]
    button: Text = ""
    minutes: int = 24 * 60


@dataclass(frozen=True)
class Written:
    """A letter in somebody's language."""

    subject: str
    text: str
    html: str


_NOT_YOU = _(
    "If this was not you, set a new password at once by “Forgot your password?”, and tell an administrator."
)
_NOT_ASKED = _(
    "If you have not asked for it, somebody has typed your address by mistake: you need do nothing."
)
_WHERE = _("Time: %(when)s. Address: %(ip)s. Device: %(user_agent)s.")
_FACTOR = _("How you prove who you are has changed")


def _told(subject: Text, what: Text) -> Words:
    """Return the words of a letter that tells what was changed about an account."""
    return Words(subject, (what, _WHERE, _NOT_YOU))


NOBODY = "account/email/unknown_account"
KINDS: dict[str, Words] = {
    "account/email/login_code": Words(
        _("Your code to log in"), (_("With this code you log in. It works once."), _NOT_ASKED), minutes=10
    ),
    "account/email/email_confirmation": Words(
        _("Confirm your e-mail address"),
        (_("With this code you confirm that this address is yours. It works once."), _NOT_ASKED),
        minutes=15,
    ),
    "account/email/email_confirmation_signup": Words(
        _("Confirm your e-mail address"),
        (_("Welcome. With this code you confirm that this address is yours. It works once."), _NOT_ASKED),
        minutes=15,
    ),
    "account/email/password_reset_code": Words(
        _("Your code for a new password"),
        (_("With this code you set a new password. It works once."), _NOT_ASKED),
        minutes=15,
    ),
    # To an address that nobody has: written as any other, so that it takes as long, and of no use from the beginning.
    NOBODY: Words(
        _("Your code to log in"), (_("With this code you log in. It works once."), _NOT_ASKED), minutes=0
    ),
    "account/email/account_already_exists": Words(
        _("You have an account already"),
        (
            _("Somebody wanted to sign up with your address. You have an account already: log in with it."),
            _("If you have forgotten your password, set a new one:"),
        ),
        button=_("Forgot your password?"),
    ),
    "account/email/password_changed": _told(_("Your password was changed"), _("Your password was changed.")),
    "account/email/password_set": _told(
        _("Your password was set"), _("A password was set for your account.")
    ),
    "account/email/password_reset": _told(
        _("Your password was changed"), _("A new password was set with a code from a letter.")
    ),
    "account/email/email_changed": _told(
        _("Your e-mail address was changed"),
        _("From now on you log in with %(to_email)s, in place of %(from_email)s."),
    ),
    "account/email/email_deleted": _told(
        _("An e-mail address was removed"), _("%(deleted_email)s no longer belongs to your account.")
    ),
    "account/email/new_device": _told(
        _("A new device has logged in"),
        _("Somebody has logged in to your account from a device that is new to us."),
    ),
    "mfa/email/totp_activated": _told(_FACTOR, _("An authenticator app was added to your account.")),
    "mfa/email/totp_deactivated": _told(_FACTOR, _("The authenticator app was removed from your account.")),
    "mfa/email/recovery_codes_generated": _told(
        _FACTOR, _("New recovery codes were made for your account. The earlier ones work no longer.")
    ),
    "mfa/email/webauthn_added": _told(_FACTOR, _("A passkey was added to your account.")),
    "mfa/email/webauthn_removed": _told(_FACTOR, _("A passkey was removed from your account.")),
    "accounts/second_factors_reset": Words(
        _FACTOR,
        (
            _(
                "%(actor)s has taken all second factors off your account, because you have lost them. Add a new one "
                "when you log in."
            ),
            _("If you did not ask for this, tell another administrator at once."),
        ),
    ),
    "accounts/invitation": Words(
        _("%(inviter)s invites you to Artel"),
        (
            _("Hello, %(name)s. %(inviter)s has invited you to work in the team “%(team)s”."),
            _("The link works once, until %(until)s."),
        ),
        button=_("Accept the invitation"),
        minutes=3 * 24 * 60,
    ),
}


def add_kinds(kinds: Mapping[str, Words]) -> None:
    """Make kinds of letters known that an app above writes; called from its `ready()`."""
    KINDS.update(kinds)


# A person's text may say anything; a device's name is cut where it stops to tell anything.
_LONGEST = 200


def write_letter(kind: str, context: Mapping[str, Any], *, language: str) -> Written:
    """
    Write a letter in somebody's language.

    :param context: what its texts name, and "code" or "link" where it carries one
    :raises KeyError: there is no such kind, or its texts name what is not there
    """
    words = KINDS[kind]
    with override(language):
        named = _named(context)
        shown = {
            "language": language,
            "subject": _one_line(str(words.subject) % named),
            "paragraphs": [str(text) % named for text in words.paragraphs],
            "code": context.get("code", ""),
            "button": words.button,
            "link": context.get("link", ""),
            "minutes": words.minutes if context.get("code") else 0,
        }
        text = render_to_string("letters/letter.txt", shown)
        return Written(shown["subject"], text, render_to_string("letters/letter.html", shown))


def _named(context: Mapping[str, Any]) -> dict[str, str]:
    named = {name: str(value)[:_LONGEST] for name, value in context.items()}
    for name, at in (("when", context.get("timestamp")), ("until", context.get("expires_at"))):
        if at is not None:
            named[name] = date_format(localtime(at), "DATETIME_FORMAT")
    return named


def _one_line(text: str) -> str:
    return " ".join(text.split())
