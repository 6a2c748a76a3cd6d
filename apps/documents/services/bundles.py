"""
What may be done with a bundle: ask for it, download it, remove it.

The file is written by a job, whose step is in :mod:`apps.documents.services.bundle_steps`.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.documents.models import Bundle, BundledDocument, Document
from apps.documents.names import safe_file_name
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title, number_of

JOB_KIND = "documents.bundle"


def may_bundle(actor: User) -> bool:
    """Tell whether `actor` may take documents away together at all."""
    return access.can_any(actor, "add", Bundle) and access.can_any(actor, "export", Document)


def bundleable(rows: QuerySet[Document], actor: User) -> QuerySet[Document]:
    """Keep the documents with a content that `actor` sees and may take away."""
    return rows.filter(
        access.scope(actor, "view", Document),
        access.scope(actor, "export", Document),
        current_version__isnull=False,
    )


@transaction.atomic
def request_bundle(document_ids: Sequence[int], *, actor: User, name: str = "") -> Bundle:
    """
    Note which documents are meant, in the versions that they have now, and start writing them to one file.

    Those that the actor may not take away are left out. Whether they may is asked again when the file is written.

    :param name: of the file, without its ending
    :raises PermissionDenied: the actor may take no documents away
    :raises ValidationError: nothing is left ("no_documents"), it is too much ("bundle_too_large"), or too many bundles of
        the actor are under way ("too_many_bundles")
    """
    if not may_bundle(actor):
        raise PermissionDenied(_("You may not take documents away as a file."))
    chosen = bundleable(Document.objects.filter(pk__in=set(document_ids)), actor).order_by("pk")
    rows = list(chosen.values_list("pk", "current_version_id")[: settings.BUNDLE_MAX_DOCUMENTS + 1])
    _require_some(rows)
    _require_room(chosen, actor)
    now = timezone.now()
    title = name.strip() or _("Documents %(date)s") % {"date": f"{timezone.localdate():%Y-%m-%d}"}
    bundle = Bundle.objects.create(
        owner=actor,
        file_name=safe_file_name(f"{title}.zip"),
        chosen=len(rows),
        expires_at=now + timedelta(hours=settings.BUNDLE_KEPT_HOURS),
    )
    BundledDocument.objects.bulk_create(
        BundledDocument(bundle=bundle, position=position, document_id=pk, version_id=version)
        for position, (pk, version) in enumerate(rows, start=1)
    )
    bundle.job = start_job(
        JOB_KIND,
        actor=actor,
        title=Title(gettext_noop("Bundle of %(what)s"), {"what": number_of(Document, len(rows))}),
        params={"bundle": bundle.pk},
        total=len(rows),
    )
    bundle.save(update_fields=["job"])
    return bundle


@transaction.atomic
def take_bundle(bundle_id: int, *, actor: User) -> Bundle:
    """
    Return a bundle whose file its owner is about to be given, and count that.

    :raises Bundle.DoesNotExist: the actor cannot see such a bundle
    :raises PermissionDenied: it is somebody else's, or the actor may no longer take documents away
    :raises ValidationError: there is no file yet ("bundle_not_ready"), or its time is over ("bundle_expired")
    """
    bundle = _locked(bundle_id, actor)
    # Whoever sees the record may know whether there is a file.
    require_available(bundle)
    _require_own(bundle, actor)
    if not may_bundle(actor):
        raise PermissionDenied(_("You may no longer take documents away as a file."))
    Bundle.objects.filter(pk=bundle.pk).update(downloads=F("downloads") + 1)
    return bundle


@transaction.atomic
def remove_bundle(bundle_id: int, *, actor: User) -> Bundle:
    """
    Remove the file of a bundle before its time; the record of it stays, and its links lead nowhere.

    :raises Bundle.DoesNotExist: the actor cannot see such a bundle
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: it is being written ("bundle_not_ready")
    """
    bundle = _locked(bundle_id, actor)
    if bundle.finished_at is None:
        raise ValidationError(
            _("The file is still being written. Cancel that first."), code="bundle_not_ready"
        )
    _require_own(bundle, actor)
    if bundle.expired_at is None:
        _remove(bundle)
    return bundle


def expire_bundles() -> int:
    """Remove the files of bundles whose time is over. :return: how many"""
    old = Bundle.objects.filter(expires_at__lt=timezone.now(), expired_at=None)
    idle = old.exclude(job__state__in=[Job.State.QUEUED, Job.State.RUNNING])
    return sum(_expire(pk) for pk in list(idle.values_list("pk", flat=True)[:1000]))


def clear_bundles(bundle_ids: Sequence[int]) -> int:
    """Remove the files of bundles before their time, whoever's they are. :return: how many"""
    rows = Bundle.objects.select_for_update(of=("self",)).filter(pk__in=bundle_ids, expired_at=None)
    found = list(rows.order_by("pk"))
    for bundle in found:
        _remove(bundle)
    return len(found)


def require_available(bundle: Bundle) -> None:
    """
    Insist that there is a file to be had.

    :raises ValidationError: not yet ("bundle_not_ready"), or not any more ("bundle_expired")
    """
    if bundle.finished_at is None or (not bundle.storage_name and bundle.expired_at is None):
        raise ValidationError(_("There is no file yet."), code="bundle_not_ready")
    if not bundle.is_available():
        raise ValidationError(_("The file has been removed: its time is over."), code="bundle_expired")


@transaction.atomic
def _expire(pk: int) -> int:
    """Clear one bundle; returns 1 unless somebody else does."""
    bundle = Bundle.objects.select_for_update(skip_locked=True).filter(pk=pk, expired_at=None).first()
    if bundle is None:
        return 0
    _remove(bundle)
    return 1


def _remove(bundle: Bundle) -> None:
    """Remove the file of a locked bundle: the file first, so that none outlives the record of it."""
    if bundle.storage_name:
        default_storage.delete(bundle.storage_name)
    bundle.storage_name, bundle.expired_at = "", timezone.now()
    bundle.save(update_fields=["storage_name", "expired_at"])
    bundle.parts.all().delete()


def _locked(bundle_id: int, actor: User) -> Bundle:
    return Bundle.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=bundle_id)


def _require_own(bundle: Bundle, actor: User) -> None:
    if bundle.owner_id != actor.pk:
        raise PermissionDenied(_("Only whoever asked for a file gets it."))


def _require_some(rows: Sequence[object]) -> None:
    if not rows:
        text = _("There is nothing to bundle: no document with a content that you may take away.")
        raise ValidationError(text, code="no_documents")
    if len(rows) > settings.BUNDLE_MAX_DOCUMENTS:
        text = ngettext(
            "A bundle holds at most %(count)d document.",
            "A bundle holds at most %(count)d documents.",
            settings.BUNDLE_MAX_DOCUMENTS,
        )
        params = {"count": settings.BUNDLE_MAX_DOCUMENTS}
        raise ValidationError(text, code="bundle_too_large", params=params)


def _require_room(chosen: QuerySet[Document], actor: User) -> None:
    size = chosen.aggregate(size=Sum("current_version__blob__size"))["size"] or 0
    if size > settings.BUNDLE_MAX_BYTES:
        text = _("A bundle holds at most %(size)d MB. Choose fewer documents.")
        params = {"size": settings.BUNDLE_MAX_BYTES // 1024**2}
        raise ValidationError(text, code="bundle_too_large", params=params)
    under_way = Bundle.objects.filter(owner=actor, finished_at=None, expired_at=None).count()
    if under_way >= settings.BUNDLE_MAX_AT_ONCE:
        text = _("%(count)d bundles of yours are being written. Wait for one to end, or cancel it.")
        raise ValidationError(text, code="too_many_bundles", params={"count": under_way})
