"""Writing the evidence of a signature down: who, when, how, and where the record of it ends."""

import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override, pgettext

from apps.accounts.models import User
from apps.accounts.rows import write
from apps.documents import events
from apps.documents.evidence.seal import seal
from apps.documents.models import (
    Document,
    DocumentType,
    DocumentVersion,
    SignatureEvent,
    SignatureRecipient,
    SignatureRequest,
)
from apps.documents.rendering.typst import set_paper, shipped_source
from apps.documents.services import blobs
from apps.documents.services.documents import Content, Target, create_document
from apps.documents.services.signature_events import Kind, head_of, record

State = SignatureRequest.State
TYPE_CODE = "evidence"
# As much of a program's name as tells it.
_LONGEST_AGENT = 90
_TITLE_LENGTH = 300


def write_missing_evidence() -> int:
    """Write the evidence of all complete requests that have none yet; return of how many."""
    missing = SignatureRequest.objects.filter(state=State.COMPLETED, evidence=None)
    # What was written and has been deleted in due time stays away.
    written = SignatureEvent.objects.filter(request=OuterRef("pk"), kind=Kind.EVIDENCE)
    missing = missing.filter(~Exists(written)).order_by("closed_at")
    ids = list(missing.values_list("pk", flat=True))
    for request_id in ids:
        write_evidence(request_id)
    return len(ids)


def write_evidence(request_id: int) -> Document | None:
    """
    Write the evidence of a complete request as a document of its own that belongs to the signed one.

    The paper is made and kept outside of transactions; asking twice makes one document.

    :return: the evidence; None where the request is not complete
    :raises DoesNotExist: there is no such request
    """
    rows = SignatureRequest.objects.select_related(
        "document__type", "document_version__blob", "created_by", "evidence"
    )
    request = rows.get(pk=request_id)
    if request.state != State.COMPLETED or request.evidence is not None:
        return request.evidence
    language = request.locale or settings.LANGUAGE_CODE
    with override(language):
        source, at = shipped_source("evidence", language), request.closed_at or timezone.now()
        paper = set_paper(source, _data(request, language), at=at)
        paper = seal(paper, reason=_("Evidence of acceptance"))
    blob = blobs.keep(io.BytesIO(paper), content_type="application/pdf")
    with override(language):
        return _keep(request_id, Content(blob, _file_name(request), DocumentVersion.Source.GENERATED))


@transaction.atomic
def _keep(request_id: int, content: Content) -> Document:
    request = SignatureRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    if request.evidence is not None:
        return request.evidence
    system, signed = User.objects.system(), request.document
    evidence = create_document(
        actor=system,
        type_id=_type().pk,
        title=_title(request)[:_TITLE_LENGTH],
        folder_id=signed.folder_id,
        content=content,
        targets=[Target("documents.document", signed.pk)],
    )
    # Like what it proves, it is never changed and kept as long.
    final = {"status": Document.Status.SIGNED, "retain_until_date": signed.retain_until_date}
    write(evidence, final, actor=system)
    events.publish_document(events.DOCUMENT_CHANGED, evidence.pk, actor_id=system.pk)
    record(request, Kind.EVIDENCE, document=evidence.pk, sha256=content.blob.digest)
    write(request, {"evidence": evidence}, actor=system)
    return evidence


def _type() -> DocumentType:
    """Return the type of such papers, made where an installation has none."""
    found, _is_new = DocumentType.objects.get_or_create(
        code=TYPE_CODE, defaults={"name": _("Evidence of acceptance")}
    )
    return found


def _title(request: SignatureRequest) -> str:
    return _("Evidence of acceptance: %(title)s") % {"title": request.document}


def _file_name(request: SignatureRequest) -> str:
    return f"{_title(request)[:100]}.pdf"


def _data(request: SignatureRequest, language: str) -> dict[str, Any]:
    """Return what the paper shows, in the language of the moment."""
    recipients = list(request.recipients.order_by("place", "decided_at"))
    told = list(request.events.select_related("recipient").order_by("position"))
    head = head_of(request)
    zone = timezone.get_current_timezone_name()
    return {
        "language": language,
        "heading": _("Evidence of acceptance"),
        "said": ngettext(
            "%(count)s person was asked, and has accepted this document.",
            "%(count)s people were asked, and all of them have accepted this document.",
            len(recipients),
        )
        % {"count": len(recipients)},
        "facts": _facts(request, zone),
        "parties": [_party(recipient, told) for recipient in recipients],
        "story": _("What happened"),
        "columns": ["№", pgettext("event", "When"), pgettext("event", "What"), _("Address")],
        "events": [_event(event) for event in told],
        "chain": {
            "name": _("Where the record ends"),
            "head": str(head),
            "said": _(
                "Each event carries the hash (SHA-256) of the one before it. Whoever keeps this number can prove that "
                "nothing in the record was changed, added or removed: manage.py verify_signatures."
            ),
        },
    }


def _facts(request: SignatureRequest, zone: str) -> list[dict[str, Any]]:
    version = request.document_version
    rows: list[tuple[str, Any, bool]] = [
        (_("Document"), request.document, False),
        (_("Kind"), request.document.type, False),
        (_("File"), version.file_name, False),
        (_("Version"), version.number, False),
        (_("Size, bytes"), version.blob.size, False),
        ("SHA-256", request.digest, True),
        (_("Sent out by"), request.created_by, False),
        (_("Sent out"), _moment(request.created_at), False),
        (_("Accepted by all"), _moment(request.closed_at), False),
        (_("Time zone"), zone, False),
    ]
    return [{"name": name, "value": str(value), "is_digest": is_digest} for name, value, is_digest in rows]


def _party(recipient: SignatureRecipient, told: Iterable[SignatureEvent]) -> dict[str, Any]:
    own = [event for event in told if event.recipient_id == recipient.pk]
    accepted = next(event for event in own if event.kind == Kind.ACCEPTED)
    sent = [event for event in own if event.kind == Kind.CODE_SENT]
    lines = [
        _("Accepted on %(at)s.") % {"at": _moment(accepted.at)},
        _("Said to have read the document, and typed the code that was sent to %(email)s on %(at)s.")
        % {"email": recipient.email, "at": _moment(sent[-1].at)},
        _("Address: %(address)s") % {"address": accepted.address or "–"},
        _("Program: %(agent)s") % {"agent": accepted.agent or "–"},
    ]
    return {"name": recipient.name, "email": recipient.email, "lines": lines}


def _event(event: SignatureEvent) -> dict[str, Any]:
    return {
        "position": event.position,
        "at": _moment(event.at),
        "what": event.get_kind_display(),
        "who": event.recipient.name if event.recipient else "",
        "agent": event.agent[:_LONGEST_AGENT],
        "address": event.address or "",
    }


def _moment(at: datetime | None) -> str:
    return date_format(timezone.localtime(at), "d.m.Y H:i:s") if at else "–"
