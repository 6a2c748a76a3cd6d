"""How long documents are kept: legal hold, retention, void, and what is deleted for good."""

from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q, Value
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import owned_rows
from apps.accounts.models import User
from apps.accounts.rows import refusal, refusals, write
from apps.documents import events
from apps.documents.models import Document
from apps.documents.services import approvals, signing
from apps.documents.services.documents import require_not_checked_out
from apps.events.services import publish_many
from apps.jobs.kinds import Step
from apps.jobs.models import Job
from apps.jobs.services import start_job

PURGE = "documents.purge"
# Each takes its versions, links and texts along: about half a second's work.
_AT_ONCE = 100
# Lines of what could not be deleted: the first tell what is wrong.
_MOST_TOLD = 20


# Legal hold


@transaction.atomic
def hold_document(
    document_id: int, *, reason: str, actor: User, expected_version: int | None = None
) -> Document:
    """
    Put a document on legal hold: nobody moves it to the trash or deletes it until that ends.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not hold it
    :raises ValidationError: "stale", "on_hold" (already), or no reason is given ("required")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="hold", expected_version=expected_version
    )
    if document.has_legal_hold:
        raise ValidationError(_("This document is on legal hold already."), code="on_hold")
    said = _reason(reason)
    write(document, {"has_legal_hold": True, "hold_reason": said}, actor=actor)
    events.publish_document(events.DOCUMENT_HELD, document.pk, actor_id=actor.pk, reason=said)
    return document


@transaction.atomic
def release_document(document_id: int, *, actor: User, expected_version: int | None = None) -> Document:
    """
    End a document's legal hold.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not release it
    :raises ValidationError: "stale", "not_on_hold"
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="hold", expected_version=expected_version
    )
    if not document.has_legal_hold:
        raise ValidationError(_("This document is not on legal hold."), code="not_on_hold")
    write(document, {"has_legal_hold": False, "hold_reason": ""}, actor=actor)
    events.publish_document(events.DOCUMENT_RELEASED, document.pk, actor_id=actor.pk)
    return document


# The end of a document's life


@transaction.atomic
def void_document(
    document_id: int, *, reason: str, actor: User, expected_version: int | None = None
) -> Document:
    """
    Declare a document void: it stays as it is, and nothing leads out of it.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not declare it void
    :raises ValidationError: "archived", "stale", "checked_out" (by somebody else), "void" (already), "in_review",
        "out_to_sign", or no reason is given ("required")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="void", expected_version=expected_version
    )
    owned_rows.require_active(document)
    if document.status == Document.Status.VOID:
        raise ValidationError(_("This document is void already."), code="void")
    require_not_checked_out(document, actor=actor)
    approvals.require_not_in_review(document)
    signing.require_not_out(document)
    said = _reason(reason)
    ended = {"status": Document.Status.VOID, "void_reason": said}
    free = {"checked_out_by": None, "checked_out_until": None}
    write(document, {**ended, **free, **_retention(document)}, actor=actor)
    events.publish_document(events.DOCUMENT_VOIDED, document.pk, actor_id=actor.pk, reason=said)
    return document


def start_retention(document: Document, *, actor: User) -> None:
    """
    Let the time begin for which the type wants a document kept, which has just become final.

    For the services that make documents final: within their transaction, on a document that they have locked.
    A time that is longer already stays.
    """
    values = _retention(document)
    if values:
        write(document, values, actor=actor)


def _retention(document: Document) -> dict[str, date]:
    days = document.type.retention_days
    if days is None:
        return {}
    until = today() + timedelta(days=days)
    known = document.retain_until_date
    return {"retain_until_date": until} if known is None or known < until else {}


def today() -> date:
    """Return the day by which the database judges what is to be kept."""
    return timezone.now().date()


# Deletion


@transaction.atomic
def delete_document(document_id: int, *, actor: User, expected_version: int | None = None) -> None:
    """
    Delete a document that lies in the trash for good; contents that nothing holds any more go with the next check.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not delete it
    :raises ValidationError: "stale", "not_archived", "on_hold", "retained", or something still needs it ("in_use")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="delete", expected_version=expected_version
    )
    if document.archived_at is None:
        raise ValidationError(_("Move it to the trash first."), code="not_archived")
    if document.has_legal_hold:
        raise ValidationError(_("This document is on legal hold and stays where it is."), code="on_hold")
    kept_until = document.retain_until_date
    if kept_until is not None and kept_until >= today():
        raise ValidationError(
            _("This document is to be kept until %(day)s."), code="retained", params={"day": kept_until}
        )
    _delete(document, actor=actor)


def start_purge() -> Job | None:
    """Begin to delete what has lain in the trash for as long as its type says; None where there is nothing to do."""
    count = _overdue().count()
    if not count or Job.objects.unfinished().filter(kind=PURGE).exists():
        return None
    title = gettext("Deletion of documents whose time in the trash is over")
    return start_job(PURGE, actor=User.objects.system(), title=title, params={}, total=count)


def purge_step(job: Job) -> Step:
    """Delete the next documents of a purge; what something else still needs is left and told."""
    after = int(job.checkpoint.get("after", 0))
    gone, left = int(job.checkpoint.get("gone", 0)), int(job.checkpoint.get("left", 0))
    # Whoever is just at one of them keeps it until tomorrow.
    rows = _overdue().filter(pk__gt=after).order_by("pk").select_for_update(of=("self",), skip_locked=True)
    # By their keys, which a row loses with its deletion.
    found = {document.pk: document for document in rows[:_AT_ONCE]}
    log: list[str] = []
    for pk, document in found.items():
        try:
            with transaction.atomic():
                _delete(document, actor=job.owner)
            gone += 1
        except ValidationError as error:
            left += 1
            if left <= _MOST_TOLD:
                log.append(f"{pk}: {' '.join(error.messages)}")
    is_last = len(found) < _AT_ONCE
    return Step(
        checkpoint={"after": max(found, default=after), "gone": gone, "left": left},
        done=gone + left,
        total=max(job.total or 0, gone + left),
        log=log,
        result={"deleted": gone, "left": left} if is_last else None,
    )


def _overdue() -> models.QuerySet[Document]:
    """Return the documents whose time in the trash is over, and that nothing holds."""
    days = models.ExpressionWrapper(
        F("type__trash_days") * Value(timedelta(days=1)), output_field=models.DurationField()
    )
    ends = models.ExpressionWrapper(F("archived_at") + days, output_field=models.DateTimeField())
    is_kept = Q(has_legal_hold=True) | Q(retain_until_date__gte=today())
    return (
        Document.objects.filter(archived_at__isnull=False)
        .alias(ends=ends)
        .filter(ends__lt=timezone.now())
        .exclude(is_kept)
    )


def _delete(document: Document, *, actor: User) -> None:
    told = events.document_snapshots([document.pk])
    try:
        with refusals():
            document.delete()
    except (models.ProtectedError, models.RestrictedError) as error:
        raise ValidationError(
            _("Something else still needs this document, so it stays in the trash."), code="in_use"
        ) from error
    publish_many(events.DOCUMENT_DELETED, told, actor_id=actor.pk)


def _reason(given: str) -> str:
    said = given.strip()
    if not said:
        raise refusal("reason", _("Say why."), code="required")
    return said
