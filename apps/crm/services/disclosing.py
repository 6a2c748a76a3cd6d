"""
What may be done with a disclosure: ask for it, download it, remove it.

The file is written by a job, whose steps are in :mod:`apps.crm.services.disclosure_steps`.
"""

from typing import IO

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Disclosure, Person
from apps.crm.services import rows
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title
from apps.lists.services.export_files import kept_for

JOB_KIND = "crm.disclose_person"


@transaction.atomic
def request_disclosure(person_id: int, *, actor: User) -> Disclosure:
    """
    Start writing all that is kept about a person to one file, whoever it belongs to.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not take that away
    :raises ValidationError: the person was merged into another ("merged") or erased ("erased"), or as much as this is
        under way for the actor ("too_many_exports")
    """
    person = rows.locked(Person, person_id, actor=actor, action="disclose")
    rows.require_unmerged(person)
    rows.require_unerased(person)
    under_way = Disclosure.objects.filter(owner=actor, finished_at=None, expired_at=None).count()
    if under_way >= settings.EXPORT_MAX_AT_ONCE:
        text = _("%(count)d exports of yours are being written. Wait for one to end, or cancel it.")
        raise ValidationError(text, code="too_many_exports", params={"count": under_way})
    disclosure = Disclosure.objects.create(person=person, owner=actor, expires_at=timezone.now() + kept_for())
    # The title names nobody: it stays when the person is erased.
    title = Title(gettext_noop("All that is kept about person %(id)d"), {"id": person.pk})
    params = {"disclosure": disclosure.pk}
    disclosure.job = start_job(JOB_KIND, actor=actor, title=title, params=params)
    disclosure.save(update_fields=["job"])
    return disclosure


def open_disclosure(disclosure_id: int, *, actor: User) -> tuple[Disclosure, IO[bytes]]:
    """
    Open the file of a disclosure for its owner, and count that.

    :raises Disclosure.DoesNotExist: the actor cannot see such a disclosure
    :raises PermissionDenied: it is somebody else's, or the actor may no longer take such things away
    :raises ValidationError: there is no file yet (code "export_not_ready"), its time is over ("export_expired"), or it is
        lost ("export_missing")
    """
    with transaction.atomic():
        disclosure = _locked(disclosure_id, actor)
        # Whoever sees the record may know whether there is a file.
        _require_available(disclosure)
        _require_own(disclosure, actor)
        access.require(actor, "disclose", disclosure.person)
        try:
            file = default_storage.open(disclosure.storage_name, "rb")
        except OSError as error:
            text = _("The file is not where it was put. Ask for it again.")
            raise ValidationError(text, code="export_missing") from error
        Disclosure.objects.filter(pk=disclosure.pk).update(downloads=F("downloads") + 1)
    return disclosure, file


@transaction.atomic
def remove_disclosure(disclosure_id: int, *, actor: User) -> Disclosure:
    """
    Remove the file of a disclosure before its time; the record of it stays.

    :raises Disclosure.DoesNotExist: the actor cannot see such a disclosure
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: it is being written (code "export_not_ready")
    """
    disclosure = _locked(disclosure_id, actor)
    if disclosure.finished_at is None:
        raise ValidationError(
            _("The file is still being written. Cancel that first."), code="export_not_ready"
        )
    _require_own(disclosure, actor)
    if disclosure.expired_at is None:
        _remove(disclosure)
    return disclosure


def expire_disclosures() -> int:
    """Remove the files of disclosures whose time is over. :return: how many"""
    old = Disclosure.objects.filter(expires_at__lt=timezone.now(), expired_at=None)
    idle = old.exclude(job__state__in=[Job.State.QUEUED, Job.State.RUNNING])
    return sum(clear(pk) for pk in list(idle.values_list("pk", flat=True)[:1000]))


@transaction.atomic
def clear(disclosure_id: int) -> int:
    """Remove the file of a disclosure, whoever's it is; returns 1 unless that has been done."""
    rows_ = Disclosure.objects.select_for_update(of=("self",))
    disclosure = rows_.filter(pk=disclosure_id, expired_at=None).first()
    if disclosure is None:
        return 0
    _remove(disclosure)
    return 1


def file_of(disclosure: Disclosure) -> str:
    """Return where the file lies in the storage: the same place in each attempt to write it."""
    return f"disclosures/{disclosure.created_at:%Y/%m}/{disclosure.uid}/person.zip"


def _remove(disclosure: Disclosure) -> None:
    """Remove the file of a locked disclosure: the file first, so that none outlives the record of it."""
    default_storage.delete(disclosure.storage_name or file_of(disclosure))
    disclosure.storage_name, disclosure.sha256, disclosure.expired_at = "", "", timezone.now()
    disclosure.save(update_fields=["storage_name", "sha256", "expired_at"])


def _locked(disclosure_id: int, actor: User) -> Disclosure:
    return Disclosure.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=disclosure_id)


def _require_available(disclosure: Disclosure) -> None:
    if disclosure.finished_at is None or (not disclosure.storage_name and disclosure.expired_at is None):
        raise ValidationError(_("There is no file yet."), code="export_not_ready")
    if not disclosure.is_available():
        raise ValidationError(_("The file has been removed: its time is over."), code="export_expired")


def _require_own(disclosure: Disclosure, actor: User) -> None:
    if disclosure.owner_id != actor.pk:
        raise PermissionDenied(_("Only whoever asked for a file gets it."))
