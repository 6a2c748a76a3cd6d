"""Working on a document alone for a while."""

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import refusal, write
from apps.documents import events
from apps.documents.models import Document
from apps.documents.services.documents import require_not_checked_out


@transaction.atomic
def check_out_document(
    document_id: int, *, actor: User, hours: int | None = None, expected_version: int | None = None
) -> Document:
    """
    Keep others from adding versions to a document; whoever has it already has it for longer.

    :param hours: when that ends by itself; settings.DOCUMENT_CHECK_OUT_HOURS where nobody says
    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "stale", "document_final", "checked_out" (by somebody else), or it would be
        for too long ("hours")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(document)
    if document.is_final:
        raise ValidationError(_("A signed or void document is never changed."), code="document_final")
    require_not_checked_out(document, actor=actor)
    until = timezone.now() + _span(hours)
    write(document, {"checked_out_by": actor, "checked_out_until": until}, actor=actor)
    events.publish_document(
        events.DOCUMENT_CHECKED_OUT, document.pk, actor_id=actor.pk, by=_named(actor), until=until
    )
    return document


@transaction.atomic
def check_in_document(document_id: int, *, actor: User, expected_version: int | None = None) -> Document:
    """
    Let everybody work on a document again; what somebody else has is taken back by who may give documents away.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "stale", "not_checked_out", "checked_out" (by somebody else)
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    had = document.checked_out_by
    if had is None:
        raise ValidationError(_("Nobody has checked this document out."), code="not_checked_out")
    if not access.can(actor, "assign", document):
        require_not_checked_out(document, actor=actor)
    write(document, {"checked_out_by": None, "checked_out_until": None}, actor=actor)
    events.publish_document(events.DOCUMENT_CHECKED_IN, document.pk, actor_id=actor.pk, by=_named(had))
    return document


def _span(hours: int | None) -> timedelta:
    longest = settings.DOCUMENT_CHECK_OUT_MAX_HOURS
    wanted = min(settings.DOCUMENT_CHECK_OUT_HOURS, longest) if hours is None else hours
    if not 1 <= wanted <= longest:
        raise refusal(
            "hours",
            _("A document is checked out for 1 to %(longest)s hours."),
            code="hours",
            longest=longest,
        )
    return timedelta(hours=wanted)


def _named(user: User) -> dict[str, object]:
    return {"id": user.pk, "name": user.name}
