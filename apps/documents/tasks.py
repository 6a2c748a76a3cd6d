"""What workers do for documents: each task calls one service."""

import logging

from celery import shared_task
from django.conf import settings
from django.utils.translation import override

from apps.documents.models import Blob, UploadSession
from apps.documents.services import (
    approvals,
    bundles,
    evidence,
    integrity,
    keeping,
    renditions,
    sharing,
    signing,
    texts,
    uploads,
)
from apps.documents.services.drive import channels, queue, roots, working
from apps.documents.services.drive.usage import expire_usage
from apps.documents.services.verifying_signatures import BrokenSignature, missing_guards, verify_signatures
from apps.events.enqueue import enqueue_on_commit
from apps.history.context import Face, Work, change_set

logger = logging.getLogger(__name__)

# So much that no worker was told of is done at once; the next turn goes on.
_BATCH = 25


def ask_for_renditions(blob: Blob) -> None:
    """Have a content made visible by a worker, unless it is."""
    if renditions.request_renditions(blob):
        enqueue_on_commit(make_renditions, blob_id=blob.pk)


def ask_for_text(document_id: int) -> None:
    """Have the words of a document read by a worker, unless they are."""
    if texts.request_text(document_id):
        enqueue_on_commit(read_text, document_id=document_id)


@shared_task
def make_renditions(*, blob_id: int) -> None:
    """Make what is to be made of a content, so that people can look at it."""
    renditions.make_renditions(blob_id)


@shared_task
def read_text(*, document_id: int) -> None:
    """Read the words of a document, so that the search finds it by them."""
    texts.read_text(document_id)


@shared_task
def prepare_waiting() -> None:
    """Do what no worker was told of: a lost message, a worker that died."""
    for blob_id in renditions.pending_renditions(_BATCH):
        renditions.make_renditions(blob_id)
    for document_id in texts.unread_documents(_BATCH):
        texts.read_text(document_id)


@shared_task
def expire_bundles() -> int:
    """Remove the files of bundles whose time is over."""
    return bundles.expire_bundles()


@shared_task
def expire_share_visits() -> int:
    """Forget who used share links long ago."""
    return sharing.expire_visits()


@shared_task
def purge_documents() -> None:
    """Begin to delete what has lain in the trash for long enough."""
    keeping.start_purge()


@shared_task
def check_upload(session_id: int, attempt: int) -> None:
    """Check a file that has come whole, keep it, and write it down in its sender's name and language."""
    session = UploadSession.objects.select_related("owner").filter(pk=session_id).first()
    if session is None:
        # Forgotten before its turn came.
        return
    work = Work(Face.SYSTEM, session.owner_id, label=session.file_name)
    with change_set(work), override(session.owner.locale or settings.LANGUAGE_CODE):
        uploads.check_upload(session_id, attempt)


@shared_task
def sweep_uploads() -> int:
    """Give up what nobody finishes, send again what no worker has checked, forget what ended long ago."""
    return uploads.sweep_uploads()


@shared_task
def verify_documents(run_id: int) -> None:
    """Make a check of what is kept that somebody has asked for."""
    integrity.carry_out(run_id)


@shared_task
def verify_documents_nightly() -> int:
    """Hold the storage against the database; return how much is wrong."""
    return integrity.verify_nightly()


@shared_task
def check_approvals() -> int:
    """Tell of decisions that are late, and let those see what they decide about who came into a role meanwhile."""
    approvals.share_with_deciders()
    return approvals.tell_overdue()


@shared_task
def expire_signature_requests() -> int:
    """End the signature requests whose time is over."""
    return signing.expire_requests()


@shared_task
def write_evidence(*, request_id: int) -> None:
    """Write the evidence of a signature."""
    evidence.write_evidence(request_id)


@shared_task
def write_missing_evidence() -> int:
    """Write the evidence of signatures that no worker was told of, or has failed to write."""
    return evidence.write_missing_evidence()


@shared_task
def verify_signatures_nightly() -> int:
    """
    Verify the record of signatures.

    :raises BrokenSignature: it is not what was recorded
    """
    count = verify_signatures()
    off = missing_guards()
    if off:
        raise BrokenSignature(f"The guards of the signature events are turned off: {', '.join(off)}.")
    logger.info("the record of %s signature requests is as recorded", count)
    return count


@shared_task
def work_on_drive() -> int:
    """Do what is due about Google Drive."""
    return working.work()


@shared_task
def poll_drive() -> int:
    """Read the logs of Google Drive that no message has had read for a while."""
    return roots.poll()


@shared_task
def renew_drive_channels() -> int:
    """Open channels before the present ones end."""
    return channels.renew_channels()


@shared_task
def probe_drive() -> int:
    """Try whether the folders of Google Drive work."""
    return roots.want_probes()


@shared_task
def reconcile_drive() -> int:
    """Compare everything in Google Drive with the documents."""
    return roots.want_reconciliations()


@shared_task
def expire_drive() -> int:
    """Forget what was done about Google Drive long ago."""
    return queue.expire_tasks() + channels.expire_deliveries() + expire_usage()
