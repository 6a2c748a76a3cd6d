"""
Sending documents out to be accepted by people outside, and taking that back.

Whoever changes a request holds the lock of its document first, so that an answer, a new version and a cancellation come
one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import refusal, refusals, write
from apps.accounts.services import record_auth_event
from apps.accounts.services.letters import send_letter
from apps.common.links import new_token
from apps.documents import access_events, events, letters
from apps.documents.models import Document, DocumentVersion, SignatureRecipient, SignatureRequest
from apps.documents.services.signature_events import Kind, anchor, record

State = SignatureRequest.State
Status = Document.Status
# Of whom everybody is sent a link.
MOST_RECIPIENTS = 20
# What stands between a person and what they are asked by us, where nobody has taken it away.
_ANSWERS_OPEN = (SignatureRecipient.State.WAITING, SignatureRecipient.State.ASKED)


@dataclass(frozen=True)
class Party:
    """
    Somebody who is to accept.

    :param place: equal places are asked together, the next when all of these have accepted
    :param locale: the language of their letters and of their page; empty for the sender's
    """

    name: str
    email: str
    place: int = 1
    locale: str = ""


@transaction.atomic
def request_signature(
    document_id: int,
    *,
    parties: Sequence[Party],
    expires_at: datetime,
    link: str,
    actor: User,
    message: str = "",
    expected_version: int | None = None,
) -> SignatureRequest:
    """
    Send the current version of a document to people outside, each by a link of their own, until a moment.

    :param link: the address where documents are accepted, up to the secret
    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not send it out
    :raises ValidationError: "archived", "stale", "in_review", "document_final", "no_content", "checked_out", it is out
        already ("signature_request_open_once"), or a party or the end is refused ("parties", "expires_at")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="view", expected_version=expected_version
    )
    access.require(actor, "add", SignatureRequest)
    owned_rows.require_active(document)
    version = _ready_version(document)
    _require_end(expires_at)
    if not parties or len(parties) > MOST_RECIPIENTS:
        raise refusal(
            "parties",
            _("Name between one and %(count)s people who are to accept."),
            code="parties",
            count=MOST_RECIPIENTS,
        )
    request = owned_rows.insert(
        SignatureRequest(
            document=document,
            document_version=version,
            digest=version.blob.digest,
            message=message.strip(),
            locale=actor.locale or get_language() or "",
            expires_at=expires_at,
        ),
        actor=actor,
    )
    names = [_add(request, party) for party in parties]
    record(request, Kind.REQUESTED, by=actor.pk, version=version.number, parties=names)
    ask_next(request, link=link)
    record_auth_event(
        access_events.SENT,
        user=actor,
        actor=actor,
        data={"document": document.pk, "request": request.pk, "addresses": [p.email for p in parties]},
    )
    events.publish_signature(events.SIGNATURE_REQUESTED, request, actor_id=actor.pk)
    return request


@transaction.atomic
def cancel_signature_request(
    request_id: int, *, actor: User, reason: str = "", expected_version: int | None = None
) -> SignatureRequest:
    """
    Take a request back: its links end at once, and whoever has one is written so.

    :raises DoesNotExist: the request is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "stale", or it has ended ("signature_closed")
    """
    request, document = _locked(request_id, actor=actor, expected_version=expected_version)
    text = reason.strip()
    record(request, Kind.CANCELLED, by=actor.pk, reason=text)
    close(request, State.CANCELLED, actor=actor, reason=text)
    for recipient in request.recipients.filter(sent_at__isnull=False, state__in=_ANSWERS_OPEN):
        context = {"title": document.title, "sender": str(request.created_by)}
        send_letter(letters.ENDED, recipient.email, context, language=recipient.locale or request.locale)
    events.publish_signature(events.SIGNATURE_CANCELLED, request, actor_id=actor.pk)
    return request


@transaction.atomic
def resend_link(
    request_id: int,
    *,
    recipient_id: int,
    link: str,
    actor: User,
    expected_version: int | None = None,
) -> SignatureRequest:
    """
    Send somebody another link; the earlier one ends, and wrong codes are forgotten.

    :raises DoesNotExist: the request is out of sight, or has no such recipient
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "stale", "signature_closed", or they are not asked now ("not_asked")
    """
    request, _document = _locked(request_id, actor=actor, expected_version=expected_version)
    recipient = request.recipients.select_for_update(of=("self",)).get(pk=recipient_id)
    if recipient.state != SignatureRecipient.State.ASKED:
        raise ValidationError(_("This person is not asked just now."), code="not_asked")
    _send(request, recipient, link=link)
    write(request, {}, actor=actor)
    return request


def require_not_out(document: Document) -> None:
    """Insist that nobody is asked to accept a locked document. :raises ValidationError: somebody is ("out_to_sign")"""
    if document.signature_requests.filter(state=State.OPEN).exists():
        raise ValidationError(
            _("This document is out to be signed. Cancel the signature request first."), code="out_to_sign"
        )


def expire_requests() -> int:
    """End the requests whose time is over, and return how many."""
    due = SignatureRequest.objects.filter(state=State.OPEN, expires_at__lte=timezone.now())
    return sum(_expire(pk, document_id) for pk, document_id in due.values_list("pk", "document_id"))


@transaction.atomic
def _expire(request_id: int, document_id: int) -> int:
    Document.objects.select_for_update(of=("self",), no_key=True).get(pk=document_id)
    open_ones = SignatureRequest.objects.select_for_update(of=("self",), no_key=True).filter(state=State.OPEN)
    request = open_ones.filter(pk=request_id, expires_at__lte=timezone.now()).first()
    if request is None:
        return 0
    system = User.objects.system()
    record(request, Kind.EXPIRED)
    close(request, State.EXPIRED, actor=system)
    events.publish_signature(events.SIGNATURE_EXPIRED, request, actor_id=system.pk)
    return 1


def ask_next(request: SignatureRequest, *, link: str) -> bool:
    """Send their links to those at the next place, and tell whether there are any."""
    waiting = request.recipients.filter(state=SignatureRecipient.State.WAITING).order_by("place", "id")
    first = waiting.first()
    if first is None:
        return False
    for recipient in waiting.filter(place=first.place):
        _send(request, recipient, link=link)
    return True


def close(request: SignatureRequest, state: State, *, actor: User, reason: str = "") -> None:
    """End a locked request, whose last event is written, and keep where its chain ends in the record of access."""
    write(request, {"state": state, "closed_at": timezone.now(), "reason": reason}, actor=actor)
    anchor(request, actor=actor)


def _ready_version(document: Document) -> DocumentVersion:
    """Return the version that would be sent out. :raises ValidationError: the document is not ready for it"""
    if document.status == Status.IN_REVIEW:
        raise ValidationError(
            _("This document is in review. It can be sent out when that has ended."), code="in_review"
        )
    if document.is_final:
        raise ValidationError(_("A signed or void document is never changed."), code="document_final")
    version = document.current_version
    if version is None:
        raise ValidationError(
            _("There is nothing to accept: this document has no content yet."), code="no_content"
        )
    if document.is_checked_out:
        raise ValidationError(
            _("%(name)s works on this document. It can be sent when it is checked in."),
            code="checked_out",
            params={"name": document.checked_out_by},
        )
    return version


def _require_end(expires_at: datetime) -> None:
    now = timezone.now()
    if expires_at <= now:
        raise refusal("expires_at", _("This is in the past."), code="expires_at")
    days = settings.SIGNATURE_MAX_DAYS
    if expires_at > now + timedelta(days=days):
        text = ngettext(
            "A document is out to be signed for %(days)s day at most.",
            "A document is out to be signed for %(days)s days at most.",
            days,
        )
        raise refusal("expires_at", text % {"days": days}, code="expires_at")


def _add(request: SignatureRequest, party: Party) -> dict[str, str | int]:
    recipient = SignatureRecipient(
        request=request,
        place=party.place,
        name=" ".join(party.name.split()),
        email=party.email.strip().lower(),
        locale=party.locale,
    )
    try:
        recipient.clean_fields(exclude={"request"})
        with refusals():
            recipient.save(force_insert=True)
    except ValidationError as refused:
        said = " ".join(refused.messages)
        raise refusal("parties", f"{party.name} ({party.email}): {said}", code="parties") from refused
    return {"id": recipient.pk, "name": recipient.name, "email": recipient.email, "place": recipient.place}


def _send(request: SignatureRequest, recipient: SignatureRecipient, *, link: str) -> None:
    token, recipient.token_digest = new_token()
    recipient.sent_at = timezone.now()
    recipient.state, recipient.wrong_codes = SignatureRecipient.State.ASKED, 0
    recipient.code_handle, recipient.code_sent_at = "", None
    recipient.save(
        update_fields=["token_digest", "sent_at", "state", "wrong_codes", "code_handle", "code_sent_at"]
    )
    context = {
        "name": recipient.name,
        "sender": str(request.created_by),
        "title": request.document.title,
        "expires_at": request.expires_at,
        "link": f"{link}{token}/",
    }
    language = recipient.locale or request.locale
    send_letter(letters.REQUEST, recipient.email, context, language=language)
    record(request, Kind.SENT, recipient=recipient, email=recipient.email)


def _locked(
    request_id: int, *, actor: User, expected_version: int | None
) -> tuple[SignatureRequest, Document]:
    found = SignatureRequest.objects.visible_to(actor).get(pk=request_id)
    document = Document.objects.select_for_update(of=("self",), no_key=True).get(pk=found.document_id)
    request = owned_rows.locked(
        SignatureRequest, request_id, actor=actor, action="change", expected_version=expected_version
    )
    if request.state != State.OPEN:
        raise ValidationError(_("This signature request has ended."), code="signature_closed")
    return request, document
