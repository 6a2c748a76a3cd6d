"""Applications that people log in to with their account here: registered and looked after by administrators."""

import secrets
from collections.abc import Iterable
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts import access, attempts, cuts, events, rows
from apps.accounts.auth_kinds import AuthKind, register
from apps.accounts.digests import digest, new_secret
from apps.accounts.models import Application, Team, User
from apps.accounts.models.oauth import is_loopback
from apps.accounts.scopes import OPENID_SCOPES, unknown
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.consents import ask_again
from apps.accounts.services.limits import require_over
from apps.accounts.services.memberships import grant_membership
from apps.accounts.services.token_families import revoke_families_of_application
from apps.common.origin import origin
from apps.events.services import publish

register(
    AuthKind(
        "application_registered",
        pgettext_lazy("event", "application registered"),
        _("%(user)s registered the application “%(application)s”"),
    ),
    AuthKind(
        "application_changed",
        pgettext_lazy("event", "application changed"),
        _("%(user)s changed the application “%(application)s”"),
    ),
    AuthKind(
        "application_secret_made",
        pgettext_lazy("event", "secret of application made"),
        _("%(user)s made another secret for the application “%(application)s”"),
    ),
    AuthKind(
        "application_turned_off",
        pgettext_lazy("event", "application turned off"),
        _("%(user)s turned the application “%(application)s” off"),
    ),
    AuthKind(
        "application_turned_on",
        pgettext_lazy("event", "application turned on"),
        _("%(user)s turned the application “%(application)s” on"),
    ),
)
_MARK = "artel_client_"
_LONGEST_URI = 2000
# What an application that does not exist is compared with, so that it takes as long.
_NOBODYS_DIGEST = digest("")


class ApplicationFields(TypedDict, total=False):
    """What may be said about an application, when it is registered and later."""

    name: str
    team_id: int | None
    redirect_uris: str
    post_logout_redirect_uris: str
    allowed_origins: str
    scopes: list[str]
    skip_authorization: bool


@transaction.atomic
def register_application(
    *,
    actor: User,
    grant: str = Application.Grant.CODE,
    kind: str = Application.Kind.CONFIDENTIAL,
    role_id: int | None = None,
    **fields: Unpack[ApplicationFields],
) -> tuple[Application, str]:
    """
    Register an application; return it with its secret, which nobody can tell again (empty, if it keeps none).

    One that acts for itself gets a user of its own, as whom it does; without a role in its team that one may do nothing.

    :param role_id: what that user is in the application's team
    :raises PermissionDenied: the actor may not, the role gives more than they hold, or people are not asked and the actor
        is no administrator of everything
    :raises ValidationError: an address or a scope is not allowed, or something is missing
    """
    access.require(actor, "add", Application)
    if fields.get("skip_authorization"):
        _require_everything(actor)
    application = Application(
        authorization_grant_type=grant,
        client_type=kind,
        **_checked(dict(fields), grant=grant, actor=actor),
    )
    secret = _new_secret(application)
    if grant == Application.Grant.PROGRAM:
        application.service_user = _service_user(application, role_id, actor=actor)
    rows.insert(application, actor=actor)
    access.require(actor, "add", application)
    _tell("application_registered", application, actor)
    return application, secret


@transaction.atomic
def change_application(
    application_id: int,
    *,
    actor: User,
    expected_version: int | None = None,
    **fields: Unpack[ApplicationFields],
) -> Application:
    """
    Change what is said about an application; tokens that it holds lose the scopes that it loses, when they are renewed.

    Where it may send people to somewhere new, they are asked again: they had agreed to what stood at the old addresses.

    :raises DoesNotExist: the actor does not see it
    :raises PermissionDenied: the actor may not, or people are not asked and the actor is no administrator of everything
    :raises ValidationError: an address or a scope is not allowed, or somebody else was faster (code "stale")
    """
    application = _locked(application_id, actor, expected_version)
    checked = _checked(dict(fields), grant=application.authorization_grant_type, actor=actor)
    values = rows.differing(application, checked)
    known = set(application.redirect_uris.split())
    if values:
        if checked.get("skip_authorization", application.skip_authorization):
            _require_everything(actor)
        rows.write(application, values, actor=actor)
        if not set(application.redirect_uris.split()) <= known:
            ask_again(application.pk, actor=actor)
        _tell("application_changed", application, actor)
    return application


@transaction.atomic
def rotate_application_secret(application_id: int, *, actor: User) -> tuple[Application, str]:
    """
    Give an application another secret, which nobody can tell again; the old one ends at once.

    :raises DoesNotExist: the actor does not see it
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it keeps no secret (code "public"), or is turned off (code "not_live")
    """
    application = _locked(application_id, actor)
    if application.client_type == Application.Kind.PUBLIC:
        raise ValidationError(_("An application that cannot keep a secret has none."), code="public")
    if application.disabled_at is not None:
        raise ValidationError(_("This application is turned off."), code="not_live")
    if application.service_user is not None:
        # Who learns the secret can do what that user may.
        require_over(actor, application.service_user)
    secret = _new_secret(application)
    values = {"secret_digest": application.secret_digest, "secret_made_at": application.secret_made_at}
    rows.write(application, values, actor=actor)
    _tell("application_secret_made", application, actor)
    return application, secret


@transaction.atomic
def disable_application(application_id: int, *, actor: User) -> Application:
    """
    Turn an application off: nobody logs in to it any more, and what it was given is refused within a second.

    :raises DoesNotExist: the actor does not see it
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is off already (code "not_live")
    """
    application = _locked(application_id, actor)
    if application.disabled_at is not None:
        raise ValidationError(_("This application is turned off."), code="not_live")
    rows.write(application, {"disabled_at": timezone.now()}, actor=actor)
    _tell("application_turned_off", application, actor)
    revoke_families_of_application(application.pk)
    cuts.cut_client(application.client_id)
    return application


@transaction.atomic
def enable_application(application_id: int, *, actor: User) -> Application:
    """
    Turn an application on again.

    :raises DoesNotExist: the actor does not see it
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is on already (code "live")
    """
    application = _locked(application_id, actor)
    if application.disabled_at is None:
        raise ValidationError(_("This application is on already."), code="live")
    rows.write(application, {"disabled_at": None}, actor=actor)
    _tell("application_turned_on", application, actor)
    return application


def authenticate_application(client_id: str, secret: str) -> Application | None:
    """
    Return the application that shows this secret; None where it is not the right one, or none is kept.

    Every address at which applications show a secret comes through here. After too many wrong ones the right one is
    refused as well, as passwords are.
    """
    subject, address = attempts.client(client_id), origin.get().address or ""
    if attempts.is_refused(subject, address):
        return None
    application = _shown_by(client_id, secret)
    attempts.settle(subject, address, was_right=application is not None)
    return application


def _shown_by(client_id: str, secret: str) -> Application | None:
    application = find_application(client_id)
    kept = application.secret_digest if application is not None else ""
    # Compared in any case: nobody learns from the time it takes whether there is such an application.
    is_right = secrets.compare_digest(digest(secret), kept or _NOBODYS_DIGEST)
    if application is None or not kept or not is_right:
        about = {"client_id": client_id[:100]}
        record_auth_event("client_refused", user=application and application.service_user, data=about)
        return None
    return application


def find_application(client_id: str) -> Application | None:
    """Return an application that is in use, by its public name."""
    # No text of PostgreSQL's holds a NUL.
    if not client_id or "\x00" in client_id:
        return None
    in_use = Application.objects.select_related("service_user").filter(disabled_at=None)
    found: Application | None = in_use.filter(client_id=client_id).first()
    return found


def _locked(application_id: int, actor: User, expected_version: int | None = None) -> Application:
    return rows.locked(
        Application, application_id, actor=actor, action="change", expected_version=expected_version
    )


def _new_secret(application: Application) -> str:
    """Make a secret for an application that keeps one; return it, or nothing."""
    if application.client_type == Application.Kind.PUBLIC:
        return ""
    secret = new_secret(_MARK)
    application.secret_digest, application.secret_made_at = digest(secret), timezone.now()
    return secret


def _service_user(application: Application, role_id: int | None, *, actor: User) -> User:
    user = User(name=application.name, kind=User.Kind.SERVICE)
    user.set_unusable_password()
    rows.insert(user, actor=actor)
    if role_id is not None:
        if application.team_id is None:
            raise rows.refusal("team", _("A role is played in a team: say in which."), code="required")
        grant_membership(user.pk, application.team_id, role_id, actor=actor, is_new=True)
    publish(events.USER_CREATED, user.pk, events.user_data(user), actor_id=actor.pk)
    return user


def _tell(kind: str, application: Application, actor: User) -> None:
    """Publish what was done with an application, and record who did it."""
    is_new = kind == "application_registered"
    fact = events.APPLICATION_REGISTERED if is_new else events.APPLICATION_CHANGED
    publish(fact, application.pk, events.application_data(application), actor_id=actor.pk)
    record_auth_event(kind, user=actor, actor=actor, data={"application": application.name})


# What is checked


def _require_everything(actor: User) -> None:
    """
    Insist that whoever decides about an application that asks nobody may do everything themselves.

    It is lent all that whoever opens its link may, who need not know of it.

    :raises PermissionDenied: they may not
    """
    if not access.is_everything(actor):
        text = _("Only an administrator of everything decides about an application that asks nobody.")
        raise PermissionDenied(text)


def _checked(fields: dict[str, Any], *, grant: str, actor: User) -> dict[str, Any]:
    """Return fields as they are kept, or refuse them."""
    if fields.get("team_id") is not None:
        fields["team_id"] = Team.objects.visible_to(actor).active().get(pk=fields["team_id"]).pk
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        if name in fields:
            fields[name] = _lines(name, fields[name], _is_address)
    if "allowed_origins" in fields:
        fields["allowed_origins"] = _lines("allowed_origins", fields["allowed_origins"], _is_origin)
    if grant == Application.Grant.CODE and not fields.get("redirect_uris", "x"):
        text = _("People have to be sent back somewhere: give an address.")
        raise rows.refusal("redirect_uris", text, code="required")
    if "scopes" in fields:
        fields["scopes"] = _checked_scopes(fields["scopes"], grant)
    return fields


def _checked_scopes(scopes: Iterable[str], grant: str) -> list[str]:
    chosen = sorted(set(scopes))
    strange = unknown(chosen, [*OPENID_SCOPES, *access.all_permissions()])
    if strange:
        text = _("There is no such scope: %(name)s.")
        raise rows.refusal("scopes", text, code="unknown_scope", name=", ".join(strange))
    if not chosen:
        raise rows.refusal("scopes", _("Say what the application is for."), code="required")
    if grant == Application.Grant.PROGRAM and set(chosen) & OPENID_SCOPES:
        text = _("A program that acts for itself tells of nobody.")
        raise rows.refusal("scopes", text, code="openid_of_program")
    return chosen


def _lines(field: str, text: str, is_right: Any) -> str:
    """Return addresses one a line, as they are compared; refuse one that is not allowed."""
    found = text.split()
    for uri in found:
        if not is_right(uri):
            words = _("This address is not allowed: %(uri)s. It has to be whole, without * and #, and https.")
            raise rows.refusal(field, words, code="uri", uri=uri)
    return "\n".join(dict.fromkeys(found))


def _is_address(uri: str) -> bool:
    """Tell whether people may be sent to an address: whole, as it stands, and where nobody reads along."""
    try:
        parts = urlsplit(uri)
        is_whole = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        return False
    is_plain = uri.isascii() and uri.isprintable() and not set(uri) & set("*#\\<>\"'`{}|^ ")
    is_safe = parts.scheme == "https" or is_loopback(uri)
    return (
        is_whole
        and is_plain
        and is_safe
        and len(uri) <= _LONGEST_URI
        and uri.startswith(parts.scheme + "://")
    )


def _is_origin(uri: str) -> bool:
    parts = urlsplit(uri)
    return _is_address(uri) and f"{parts.scheme}://{parts.netloc}" == uri
