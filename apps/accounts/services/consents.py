"""What people agree that applications may do for them, and how they take it back."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import events
from apps.accounts.models import Application, ConsentGrant, User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.token_families import revoke_families
from apps.events.services import publish


@transaction.atomic
def give_consent(application_id: int, scopes: Iterable[str], *, actor: User) -> ConsentGrant:
    """
    Keep on record that `actor` lets an application do this for them, with what they have agreed to before.

    :raises PermissionDenied: they came with a key or a token themselves, or somebody acts as them
    """
    _require_person(actor)
    # Two windows that agree at once do so one after the other.
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    before = ConsentGrant.objects.filter(user=actor, application=application_id, revoked_at=None).first()
    wanted = set(scopes) | set(before.scopes if before is not None else ())
    if before is not None:
        if wanted == set(before.scopes):
            return before
        before.revoked_at = timezone.now()
        before.save(update_fields=["revoked_at"])
    application = Application.objects.get(pk=application_id)
    consent = ConsentGrant.objects.create(user=actor, application=application, scopes=sorted(wanted))
    publish(events.CONSENT_GIVEN, consent.pk, events.consent_data(consent), actor_id=actor.pk)
    _record("consent_given", consent)
    return consent


@transaction.atomic
def withdraw_consent(consent_id: int, *, actor: User) -> ConsentGrant:
    """
    Take back what one has agreed to: all that the application holds for `actor` is refused within a second.

    :raises DoesNotExist: they have agreed to no such thing, or have taken it back before
    :raises PermissionDenied: they came with a key or a token themselves
    """
    _require_person(actor)
    consent = (
        ConsentGrant.objects.select_for_update(of=("self",))
        .select_related("application")
        .get(pk=consent_id, user=actor, revoked_at=None)
    )
    consent.revoked_at = timezone.now()
    consent.save(update_fields=["revoked_at"])
    revoke_families(user_id=actor.pk, application_id=consent.application_id)
    publish(events.CONSENT_WITHDRAWN, consent.pk, events.consent_data(consent), actor_id=actor.pk)
    _record("consent_withdrawn", consent)
    return consent


@transaction.atomic
def ask_again(application_id: int, *, actor: User) -> None:
    """
    End what people have agreed to for an application: it is asked once more when they next log in to it.

    That `actor` may change the application is the caller's to check. What it holds goes on until it expires or is ended.
    """
    agreed = ConsentGrant.objects.select_for_update(of=("self",)).select_related("application", "user")
    for consent in agreed.filter(application=application_id, revoked_at=None).order_by("pk"):
        consent.revoked_at = timezone.now()
        consent.save(update_fields=["revoked_at"])
        publish(events.CONSENT_WITHDRAWN, consent.pk, events.consent_data(consent), actor_id=actor.pk)
        _record("consent_withdrawn", consent, actor)


def has_consent(user: User, application: Application, scopes: Iterable[str]) -> bool:
    """Tell whether somebody has agreed to all of this before."""
    consent = ConsentGrant.objects.filter(user=user, application=application, revoked_at=None).first()
    return consent is not None and set(scopes) <= set(consent.scopes)


def own_consents(user: User) -> list[ConsentGrant]:
    """List what somebody has agreed to and not taken back, the latest first."""
    live = ConsentGrant.objects.filter(user=user, revoked_at=None).select_related("application")
    return list(live.order_by("-pk"))


def _record(kind: str, consent: ConsentGrant, actor: User | None = None) -> None:
    about = {"application": consent.application.name, "scopes": consent.scopes}
    record_auth_event(kind, user=consent.user, actor=actor or consent.user, data=about)


def _require_person(actor: User) -> None:
    """Neither a stolen key nor an hour of acting as somebody must be able to let applications in for longer."""
    require_in_person(actor)
    if actor.key_id is not None or actor.claims is not None:
        raise PermissionDenied(_("People agree to this in person."))
