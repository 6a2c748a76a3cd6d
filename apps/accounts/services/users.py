"""Users: making, changing, and turning them off."""

from typing import TypedDict, Unpack

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, events, rows
from apps.accounts.cuts import cut_user
from apps.accounts.models import User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.impersonation import end_impersonations_of
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import require_over, tell_watchers
from apps.accounts.services.memberships import grant_membership
from apps.accounts.services.sessions import end_other_sessions
from apps.accounts.services.token_families import revoke_families
from apps.events.services import publish


class UserFields(TypedDict, total=False):
    """What may be changed about a user."""

    name: str
    email: str | None
    locale: str
    time_zone: str
    is_staff: bool


class OwnSettings(TypedDict, total=False):
    """What everybody may change about themselves."""

    name: str
    locale: str
    time_zone: str


@transaction.atomic
def create_user(
    name: str,
    *,
    email: str | None,
    team_id: int,
    role_id: int,
    actor: User,
    password: str | None = None,
    locale: str = "",
) -> User:
    """
    Make a user with a place in a team; without a password they set one by "Forgot your password?".

    :raises PermissionDenied: the actor may not add users there, or not with this role
    :raises ValidationError: the address is taken, or the password too weak
    """
    access.require(actor, "add", User)
    user = User(name=name, email=clean_email(email), locale=locale, is_staff=True)
    if password is None:
        user.set_unusable_password()
    else:
        give_password(user, password)
    rows.insert(user, actor=actor)
    _vouch_for_email(user)
    grant_membership(user.pk, team_id, role_id, actor=actor, is_new=True)
    access.require(actor, "add", user)
    publish(events.USER_CREATED, user.pk, events.user_data(user), actor_id=actor.pk)
    record_auth_event("user_created", user=user, actor=actor)
    return user


def clean_email(email: str | None) -> str | None:
    """Return an address as it is compared; none for an empty one."""
    return (email or "").strip().lower() or None


def _vouch_for_email(user: User) -> None:
    """Count the address that an administrator gave as confirmed, in place of what was known before."""
    EmailAddress.objects.filter(user=user).delete()
    if user.email is None:
        return
    # Somebody who had only claimed it has not confirmed it.
    EmailAddress.objects.filter(email=user.email).exclude(user__email=user.email).delete()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


@transaction.atomic
def vouch_for_unknown_email(user_id: int) -> None:
    """Do the same for somebody who was made past the services, as by `createsuperuser`, and has no address on record."""
    user = User.objects.select_for_update().get(pk=user_id)
    if not EmailAddress.objects.filter(user=user).exists():
        _vouch_for_email(user)


def give_password(user: User, password: str) -> None:
    """
    Set a password without saving it.

    :raises ValidationError: it is too weak
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.error_list}) from error
    user.set_password(password)


@transaction.atomic
def change_user(
    user_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[UserFields]
) -> User:
    """
    Change a user's particulars.

    :raises PermissionDenied: the actor may not, or the user holds more than they do
    :raises ValidationError: the address is taken, or somebody else was faster (code "stale")
    """
    user = rows.locked(User, user_id, actor=actor, action="change", expected_version=expected_version)
    require_over(actor, user)
    if "email" in fields:
        fields["email"] = clean_email(fields["email"])
    values = rows.differing(user, dict(fields))
    if not values:
        return user
    before = user.email
    if values.keys() & {"email", "is_staff"}:
        require_in_person(actor)
    rows.write(user, values, actor=actor)
    if "email" in values:
        # Whoever reads the old address must not be able to reset the password by it.
        _vouch_for_email(user)
        record_auth_event("email_changed", user=user, actor=actor, data={"from": before, "to": user.email})
    if "is_staff" in values:
        tell_watchers([user.pk])
        record_auth_event("staff_changed", user=user, actor=actor, data={"is_staff": user.is_staff})
    publish(events.USER_CHANGED, user.pk, events.user_data(user), actor_id=actor.pk)
    return user


@transaction.atomic
def change_own_settings(*, actor: User, **fields: Unpack[OwnSettings]) -> User:
    """
    Change one's own name, language or time zone, which nobody needs a permission for.

    :raises PermissionDenied: they came with a key that is for something else, or somebody acts as them
    :raises ValidationError: there is no such language or time zone
    """
    require_in_person(actor)
    if actor.key_scopes is not None:
        raise PermissionDenied
    user = User.objects.select_for_update().get(pk=actor.pk)
    values = rows.differing(user, dict(fields))
    if values:
        rows.write(user, values, actor=actor)
        publish(events.USER_CHANGED, user.pk, events.user_data(user), actor_id=actor.pk)
    return user


@transaction.atomic
def change_own_email(user_id: int, email: str) -> User:
    """
    Let somebody log in with another address from now on, which they have just shown to be theirs.

    :raises ValidationError: the address is taken
    """
    user = User.objects.select_for_update().get(pk=user_id)
    before = user.email
    values = rows.differing(user, {"email": clean_email(email)})
    if values:
        rows.write(user, values, actor=user)
        record_auth_event("email_changed", user=user, actor=user, data={"from": before, "to": user.email})
        publish(events.USER_CHANGED, user.pk, events.user_data(user), actor_id=user.pk)
    return user


@transaction.atomic
def set_password(user_id: int, password: str, *, actor: User) -> User:
    """
    Give a user a new password, which ends their sessions and access tokens.

    :raises PermissionDenied: the actor may not, the user holds more than they do, or somebody acts as the actor
    :raises ValidationError: the password is too weak
    """
    require_in_person(actor)
    user = rows.locked(User, user_id, actor=actor, action="change")
    require_over(actor, user)
    give_password(user, password)
    user.save(update_fields=["password"])
    end_other_sessions(user.pk)
    cut_user(user.pk)
    # Whoever knew the old one may have let an application in.
    revoke_families(user_id=user.pk)
    tell_watchers([user.pk])
    record_auth_event("password_changed", user=user, actor=actor)
    return user


@transaction.atomic
def deactivate_user(user_id: int, *, actor: User) -> User:
    """
    Turn a user off: they are logged out everywhere within a second; what they own stays.

    :raises PermissionDenied: the actor may not, or the user holds more than they do
    :raises ValidationError: it is the actor's own account (code "own_account"), or off already (code
        "inactive")
    """
    user = rows.locked(User, user_id, actor=actor, action="change")
    require_over(actor, user)
    if user.pk == actor.pk:
        raise ValidationError(_("You cannot turn off your own account."), code="own_account")
    if not user.is_active:
        raise ValidationError(_("This account is off already."), code="inactive")
    return _switch(user, actor=actor, is_active=False)


@transaction.atomic
def activate_user(user_id: int, *, actor: User) -> User:
    """
    Turn a user on again.

    :raises PermissionDenied: the actor may not, or the user would hold more than they do
    :raises ValidationError: they are on already (code "active")
    """
    user = rows.locked(User, user_id, actor=actor, action="change")
    require_over(actor, user)
    if user.is_active:
        raise ValidationError(_("This account is on already."), code="active")
    return _switch(user, actor=actor, is_active=True)


def _switch(user: User, *, actor: User, is_active: bool) -> User:
    rows.write(user, {"is_active": is_active}, actor=actor)
    if not is_active:
        end_other_sessions(user.pk)
        cut_user(user.pk)
        revoke_families(user_id=user.pk)
        end_impersonations_of(user.pk, actor_id=actor.pk)
    tell_watchers([user.pk])
    fact = events.USER_ACTIVATED if is_active else events.USER_DEACTIVATED
    publish(fact, user.pk, events.user_data(user), actor_id=actor.pk)
    record_auth_event("user_activated" if is_active else "user_deactivated", user=user, actor=actor)
    return user
