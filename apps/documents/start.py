"""What documents bring to the others as the platform starts: words of constraints, statuses, jobs, streams, history."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from apps.accounts.keyring import register_resealing
from apps.common.api.problems import register_status
from apps.common.constraints import register_constraint
from apps.documents import (
    access_events,
    bulk,
    bundle_job,
    defaults,
    generation_job,
    history,
    letters,
    personal,
    purge_job,
    shipped,
)
from apps.documents.faces.stream import DocumentStream
from apps.documents.services import stored_checks
from apps.documents.services.drive import checking, roots
from apps.events import streams


def declare(config: AppConfig) -> None:
    """Declare all of it, once."""
    _declare_words()
    _declare_statuses()
    post_migrate.connect(defaults.ensure, sender=config)
    # After the types of documents, which templates make.
    post_migrate.connect(shipped.ensure, sender=config)
    streams.register("document", DocumentStream())
    history.declare()
    stored_checks.register_checks()
    checking.register_check()
    register_resealing(roots.seal_keys_anew)
    bulk.declare()
    bundle_job.register_kind()
    generation_job.register_kind()
    purge_job.register_kind()
    letters.declare()
    access_events.declare()
    personal.declare()


def _declare_words() -> None:
    # Constraints that models do not declare, because Django cannot express them.
    register_constraint("folder_cycle", _("A folder cannot lie in itself."))
    register_constraint("document_version_append_only", _("A version of a document is never changed."))
    register_constraint("document_signed_immutable", _("A signed document is never changed."))
    register_constraint(
        "document_held", _("A document on legal hold, or to be kept until later, is not deleted.")
    )
    register_constraint("document_number_stays", _("A document keeps its number."))
    register_constraint("template_version_published", _("A published version of a template never changes."))
    register_constraint("signature_event_append_only", _("What happened on the way to a signature stays."))
    register_constraint("signature_settled", _("An answer to a signature request is final."))


def _declare_statuses() -> None:
    register_status(409, "upload_offset", "upload_not_open", "upload_incomplete", "integrity_running")
    register_status(409, "upload_direct", "upload_not_direct")
    register_status(413, "too_long")
    register_status(422, "token_reused")
    register_status(429, "too_many_uploads")
    register_status(409, "bundle_not_ready", "too_many_bundles", "no_content", "no_preview")
    register_status(409, "approval_closed", "not_in_review", "in_review", "out_to_sign", "signature_closed")
    register_status(410, "bundle_expired")
    register_status(409, "not_published", "published")
    register_status(422, "key_reused")
    register_status(429, "too_many_previews")
