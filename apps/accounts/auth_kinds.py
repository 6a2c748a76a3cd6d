"""
What kinds of access events there are, and how each is told.

Apps above add their own with :func:`register`; a kind is a word in a column, so no migration is needed.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

Words = str | Promise


@dataclass(frozen=True)
class AuthKind:
    """
    One kind of events, and its sentences; `%(user)s`, `%(actor)s` and the texts of an event's data stand in them.

    :param title: what a filter calls it: "logged in"
    :param sentence: what happened, where the person did it themselves, or nobody knows who did
    :param by_other: what happened, where somebody else did it
    :param is_refusal: it is kept even if the transaction it happened in is rolled back, as that of a refusal is
    """

    name: str
    title: Words
    sentence: Words
    by_other: Words | None = None
    is_refusal: bool = False


_kinds: dict[str, AuthKind] = {}


def register(*kinds: AuthKind) -> None:
    """Make kinds known. :raises ValueError: there is another of this name"""
    for kind in kinds:
        if _kinds.setdefault(kind.name, kind) is not kind:
            raise ValueError(f"there is a kind of access events called {kind.name} already")


def kind_of(name: str) -> AuthKind:
    """Return a kind by its name. :raises KeyError: nobody has registered it"""
    return _kinds[name]


def known_kind(name: str) -> AuthKind | None:
    """Return the same; None for what an app has recorded that is not installed any more."""
    return _kinds.get(name)


def all_kinds() -> list[AuthKind]:
    """List every kind, as they were registered."""
    return list(_kinds.values())


register(
    AuthKind("login", pgettext_lazy("event", "logged in"), _("%(user)s logged in")),
    AuthKind(
        "login_failed",
        pgettext_lazy("event", "failed to log in"),
        _("Somebody failed to log in as %(user)s"),
        is_refusal=True,
    ),
    AuthKind("logout", pgettext_lazy("event", "logged out"), _("%(user)s logged out")),
    AuthKind(
        "locked",
        pgettext_lazy("event", "account locked"),
        _("The account of %(user)s was locked after too many attempts"),
        is_refusal=True,
    ),
    AuthKind(
        "unlocked",
        pgettext_lazy("event", "account unlocked"),
        _("The account of %(user)s was unlocked"),
        _("%(actor)s unlocked the account of %(user)s"),
    ),
    AuthKind(
        "password_changed",
        pgettext_lazy("event", "password changed"),
        _("%(user)s changed their password"),
        _("%(actor)s set a new password for %(user)s"),
    ),
    AuthKind(
        "password_reset",
        pgettext_lazy("event", "password reset"),
        _("%(user)s set a new password after having forgotten it"),
    ),
    AuthKind(
        "email_changed",
        pgettext_lazy("event", "e-mail changed"),
        _("%(user)s changed their e-mail address"),
        _("%(actor)s changed the e-mail address of %(user)s"),
    ),
    AuthKind(
        "mfa_added",
        pgettext_lazy("event", "second factor added"),
        _("%(user)s added a second factor"),
    ),
    AuthKind(
        "mfa_removed",
        pgettext_lazy("event", "second factor removed"),
        _("%(user)s removed a second factor"),
        _("%(actor)s removed a second factor of %(user)s"),
    ),
    AuthKind(
        "mfa_reset",
        pgettext_lazy("event", "second factors reset"),
        _("The second factors of %(user)s were reset"),
        _("%(actor)s reset the second factors of %(user)s"),
    ),
    AuthKind(
        "recovery_codes_made",
        pgettext_lazy("event", "recovery codes made"),
        _("%(user)s made new recovery codes"),
    ),
    AuthKind(
        "recovery_code_used",
        pgettext_lazy("event", "recovery code used"),
        _("%(user)s used a recovery code"),
    ),
    AuthKind("passkey_added", pgettext_lazy("event", "passkey added"), _("%(user)s added a passkey")),
    AuthKind(
        "passkey_removed",
        pgettext_lazy("event", "passkey removed"),
        _("%(user)s removed a passkey"),
        _("%(actor)s removed a passkey of %(user)s"),
    ),
    AuthKind(
        "session_ended",
        pgettext_lazy("event", "session ended"),
        _("%(user)s ended a session"),
        _("%(actor)s ended a session of %(user)s"),
    ),
    AuthKind("code_sent", pgettext_lazy("event", "code sent"), _("A code was sent to %(user)s")),
    AuthKind(
        "code_asked_in_vain",
        pgettext_lazy("event", "code asked for in vain"),
        _("Somebody asked for a code with an address that nobody has: %(user)s"),
    ),
    AuthKind(
        "code_refused",
        pgettext_lazy("event", "code refused"),
        _("A wrong code was given for %(user)s"),
        is_refusal=True,
    ),
    AuthKind(
        "invitation_made",
        pgettext_lazy("event", "invited"),
        _("%(user)s was invited"),
        _("%(actor)s invited %(user)s"),
    ),
    AuthKind(
        "invitation_accepted",
        pgettext_lazy("event", "invitation accepted"),
        _("%(user)s accepted an invitation"),
    ),
    AuthKind(
        "invitation_revoked",
        pgettext_lazy("event", "invitation revoked"),
        _("The invitation of %(user)s was revoked"),
        _("%(actor)s revoked the invitation of %(user)s"),
    ),
    AuthKind("signed_up", pgettext_lazy("event", "signed up"), _("%(user)s signed up")),
    AuthKind(
        "api_key_made",
        pgettext_lazy("event", "API key made"),
        _("%(user)s made the API key “%(name)s”"),
        _("%(actor)s made the API key “%(name)s” of %(user)s"),
    ),
    AuthKind(
        "api_key_rotated",
        pgettext_lazy("event", "API key rotated"),
        _("%(user)s rotated the API key “%(name)s”"),
        _("%(actor)s rotated the API key “%(name)s” of %(user)s"),
    ),
    AuthKind(
        "api_key_revoked",
        pgettext_lazy("event", "API key revoked"),
        _("%(user)s revoked the API key “%(name)s”"),
        _("%(actor)s revoked the API key “%(name)s” of %(user)s"),
    ),
    AuthKind(
        "consent_given",
        pgettext_lazy("event", "consent given"),
        _("%(user)s let an application act for them"),
    ),
    AuthKind(
        "consent_withdrawn",
        pgettext_lazy("event", "consent withdrawn"),
        _("%(user)s took an application's access back"),
        _("%(actor)s took an application's access to the account of %(user)s back"),
    ),
    AuthKind(
        "token_reused",
        pgettext_lazy("event", "token used twice"),
        _("A token of %(user)s was used a second time"),
        is_refusal=True,
    ),
    AuthKind(
        "family_revoked",
        pgettext_lazy("event", "tokens revoked"),
        _("All tokens that came of one login of %(user)s were revoked"),
        _("%(actor)s revoked all tokens that came of one login of %(user)s"),
        is_refusal=True,
    ),
    AuthKind(
        "client_refused",
        pgettext_lazy("event", "application refused"),
        _("An application was refused"),
        is_refusal=True,
    ),
    AuthKind(
        "signing_key_rotated",
        pgettext_lazy("event", "signing key rotated"),
        _("The signing key was rotated"),
        _("%(actor)s rotated the signing key"),
    ),
    AuthKind(
        "signing_key_leaked",
        pgettext_lazy("event", "signing key leaked"),
        _("A signing key was declared leaked"),
        _("%(actor)s declared a signing key leaked"),
    ),
    AuthKind(
        "impersonation_started",
        pgettext_lazy("event", "began to act as somebody"),
        _("Somebody began to act as %(user)s"),
        _("%(actor)s began to act as %(user)s"),
    ),
    AuthKind(
        "impersonation_ended",
        pgettext_lazy("event", "stopped acting as somebody"),
        _("Somebody stopped acting as %(user)s"),
        _("%(actor)s stopped acting as %(user)s"),
    ),
    AuthKind(
        "access_granted",
        pgettext_lazy("event", "access granted"),
        _("%(user)s was given access to a single row"),
        _("%(actor)s gave %(user)s access to a single row"),
    ),
    AuthKind(
        "access_extended",
        pgettext_lazy("event", "access ends at another time"),
        _("The access of %(user)s to a single row ends at another time"),
        _("%(actor)s let the access of %(user)s to a single row end at another time"),
    ),
    AuthKind(
        "access_revoked",
        pgettext_lazy("event", "access revoked"),
        _("%(user)s lost access to a single row"),
        _("%(actor)s took access to a single row from %(user)s"),
    ),
    AuthKind(
        "role_changed",
        pgettext_lazy("event", "role changed"),
        _("The role “%(role)s” was changed"),
        _("%(actor)s changed the role “%(role)s”"),
    ),
    AuthKind(
        "role_deleted",
        pgettext_lazy("event", "role deleted"),
        _("The role “%(role)s” was deleted"),
        _("%(actor)s deleted the role “%(role)s”"),
    ),
    AuthKind(
        "membership_granted",
        pgettext_lazy("event", "place in a team given"),
        _("%(user)s became “%(role)s” in the team “%(team)s”"),
        _("%(actor)s made %(user)s “%(role)s” in the team “%(team)s”"),
    ),
    AuthKind(
        "membership_revoked",
        pgettext_lazy("event", "place in a team taken"),
        _("%(user)s is no longer “%(role)s” in the team “%(team)s”"),
        _("%(actor)s made %(user)s no longer “%(role)s” in the team “%(team)s”"),
    ),
    AuthKind(
        "user_created",
        pgettext_lazy("event", "user made"),
        _("%(user)s was made a user"),
        _("%(actor)s made %(user)s a user"),
    ),
    AuthKind(
        "user_activated",
        pgettext_lazy("event", "account turned on"),
        _("The account of %(user)s was turned on"),
        _("%(actor)s turned the account of %(user)s on"),
    ),
    AuthKind(
        "user_deactivated",
        pgettext_lazy("event", "account turned off"),
        _("The account of %(user)s was turned off"),
        _("%(actor)s turned the account of %(user)s off"),
    ),
    AuthKind(
        "staff_changed",
        pgettext_lazy("event", "admin opened or closed"),
        _("Whether %(user)s may open the admin was changed"),
        _("%(actor)s changed whether %(user)s may open the admin"),
    ),
    AuthKind(
        "superuser_changed",
        pgettext_lazy("event", "administrator of everything changed"),
        _("Whether %(user)s is an administrator of everything was changed"),
        _("%(actor)s changed whether %(user)s is an administrator of everything"),
    ),
)
