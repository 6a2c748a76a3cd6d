"""
What somebody outside does by the link that they were sent: look, say that they have read it, accept or decline.

The link names its recipient, and a code from a letter shows that it is them. A wrong link, one that has ended and one
that was sent anew are the same: there is no such link.
"""

from contextlib import suppress
from datetime import timedelta

import redis
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.codes import Verdict, issue_code, take_code
from apps.accounts.models import User
from apps.accounts.rows import refusal, write
from apps.accounts.services.letters import send_letter
from apps.common.limits import Counter, Limit, take
from apps.common.links import digest_of
from apps.documents import events, letters
from apps.documents.evidence.post import post_evidence
from apps.documents.models import Document, SignatureRecipient, SignatureRequest
from apps.documents.services.keeping import start_retention
from apps.documents.services.signature_events import Kind, record
from apps.documents.services.signing import ask_next, close

State = SignatureRecipient.State
RequestState = SignatureRequest.State
_CODE_SECONDS = letters.CODE_MINUTES * 60
# Letters with a code, of one recipient: whoever holds the link cannot fill somebody's mailbox.
_LETTERS = Limit(5, 3600)


def open_link(token: str) -> SignatureRecipient:
    """
    Return whom a link was sent to, with the request and the document.

    :raises DoesNotExist: there never was such a link, or it has ended
    """
    rows = SignatureRecipient.objects.select_related(
        "request__document__type", "request__document_version__blob", "request__created_by"
    )
    recipient = rows.get(token_digest=digest_of(token))
    _require_alive(recipient)
    return recipient


@transaction.atomic
def note_view(token: str) -> None:
    """Record that a link was opened for the first time. :raises DoesNotExist: it has ended"""
    recipient, request, _document = _locked(token)
    if recipient.viewed_at is None and recipient.state == State.ASKED:
        recipient.viewed_at = timezone.now()
        recipient.save(update_fields=["viewed_at"])
        record(request, Kind.VIEWED, recipient=recipient)
        system = User.objects.system()
        events.publish_signature(
            events.SIGNATURE_VIEWED, request, actor_id=system.pk, recipient_id=recipient.pk
        )


@transaction.atomic
def note_opened(token: str) -> None:
    """Record that the document itself was opened for the first time. :raises DoesNotExist: the link has ended"""
    recipient, request, _document = _locked(token)
    is_new = not request.events.filter(recipient=recipient, kind=Kind.OPENED).exists()
    if is_new and recipient.state == State.ASKED:
        record(request, Kind.OPENED, recipient=recipient)


def send_code(token: str, *, has_read: bool) -> None:
    """
    Send the recipient a code by mail, once they say that they have read the document.

    :raises DoesNotExist: the link has ended
    :raises ValidationError: they do not say so ("not_read"), have answered ("decided"), the link is locked ("locked"),
        too many letters were asked for ("too_many_codes"), or there is no place to keep a code ("unavailable")
    """
    recipient = open_link(token)
    if not has_read:
        raise refusal("has_read", _("Read the document first, and say so."), code="not_read")
    _require_open(recipient)
    if not take(Counter("signature-code", str(recipient.pk), _LETTERS)).is_allowed:
        raise ValidationError(
            _("Too many codes were asked for. Use the latest one, or come back in an hour."),
            code="too_many_codes",
        )
    try:
        handle = issue_code(seconds=_CODE_SECONDS)
    except redis.RedisError:
        raise ValidationError(
            _("No code can be sent just now. Try again in a minute."), code="unavailable"
        ) from None
    _send_code(token, handle, handle.plain)


@transaction.atomic
def _send_code(token: str, handle: str, code: str) -> None:
    recipient, request, document = _locked(token)
    _require_open(recipient)
    recipient.code_handle, recipient.code_sent_at = handle, timezone.now()
    recipient.save(update_fields=["code_handle", "code_sent_at"])
    context = {"title": document.title, "code": code}
    language = recipient.locale or request.locale
    send_letter(letters.CODE, recipient.email, context, language=language)
    record(request, Kind.CODE_SENT, recipient=recipient, email=recipient.email, has_read=True)


def accept(token: str, *, code: str, digest: str, link: str) -> SignatureRecipient:
    """
    Accept the document in the name of whom the link was sent to.

    :param digest: of the content that they were shown
    :param link: the address where documents are accepted, for those who come next
    :raises DoesNotExist: the link has ended
    :raises ValidationError: "decided", "locked", "code_wrong", "code_gone", "code_used", or the document is not what
        was sent out ("content_changed")
    """
    _use_code(token, code)
    return _accept(token, digest=digest, link=link)


def decline(token: str, *, code: str, reason: str) -> SignatureRecipient:
    """
    Decline the document in the name of whom the link was sent to, which ends the request.

    :raises DoesNotExist: the link has ended
    :raises ValidationError: no reason ("required"), "decided", "locked", "code_wrong", "code_gone", "code_used"
    """
    text = reason.strip()
    if not text:
        raise refusal("reason", _("Say why you decline."), code="required")
    _use_code(token, code)
    return _decline(token, reason=text)


@transaction.atomic
def _accept(token: str, *, digest: str, link: str) -> SignatureRecipient:
    recipient, request, document = _locked(token)
    _require_open(recipient)
    _require_same(request, document, digest)
    _answer(recipient, State.ACCEPTED)
    record(request, Kind.ACCEPTED, recipient=recipient, name=recipient.name, email=recipient.email)
    system = User.objects.system()
    events.publish_signature(
        events.SIGNATURE_ACCEPTED, request, actor_id=system.pk, recipient_id=recipient.pk
    )
    is_anybody_asked = request.recipients.filter(state=State.ASKED).exists()
    if not is_anybody_asked and not ask_next(request, link=link):
        _complete(request, document, actor=system)
    return recipient


@transaction.atomic
def _decline(token: str, *, reason: str) -> SignatureRecipient:
    recipient, request, _document = _locked(token)
    _require_open(recipient)
    recipient.reason = reason
    _answer(recipient, State.DECLINED)
    record(request, Kind.DECLINED, recipient=recipient, name=recipient.name, reason=reason)
    system = User.objects.system()
    close(request, RequestState.DECLINED, actor=system, reason=reason)
    events.publish_signature(
        events.SIGNATURE_DECLINED, request, actor_id=system.pk, recipient_id=recipient.pk
    )
    return recipient


def _complete(request: SignatureRequest, document: Document, *, actor: User) -> None:
    """Let a document be signed: everybody has accepted it."""
    record(request, Kind.COMPLETED)
    close(request, RequestState.COMPLETED, actor=actor)
    write(document, {"status": Document.Status.SIGNED}, actor=actor)
    start_retention(document, actor=actor)
    for recipient in request.recipients.all():
        context = {"title": document.title, "expires_at": request.expires_at}
        send_letter(letters.COMPLETED, recipient.email, context, language=recipient.locale or request.locale)
    events.publish_signature(events.SIGNATURE_COMPLETED, request, actor_id=actor.pk)
    events.publish_document(events.DOCUMENT_SIGNED, document.pk, actor_id=actor.pk)
    post_evidence(request.pk)


def _use_code(token: str, code: str) -> None:
    """
    Use the code up that somebody has typed; a wrong one is recorded, and too many lock the link.

    The attempt is counted before the code is looked at, so that no number of requests at once tries more.
    """
    recipient_id, handle = _count_attempt(token)
    verdict = take_code(handle, code)
    if verdict is Verdict.WRONG:
        _note_wrong(token)
        raise refusal("code", _("This is not the code from the latest letter."), code="code_wrong")
    SignatureRecipient.objects.filter(pk=recipient_id, wrong_codes__gt=0).update(
        wrong_codes=F("wrong_codes") - 1
    )
    if verdict is Verdict.USED:
        raise refusal("code", _("This code was used already. Ask for another one."), code="code_used")
    if verdict is Verdict.GONE:
        raise refusal("code", _("This code works no longer. Ask for another one."), code="code_gone")


@transaction.atomic
def _count_attempt(token: str) -> tuple[int, str]:
    recipient, _request, _document = _locked(token)
    _require_open(recipient)
    if not recipient.code_handle:
        raise refusal("code", _("This code works no longer. Ask for another one."), code="code_gone")
    recipient.wrong_codes += 1
    recipient.save(update_fields=["wrong_codes"])
    return recipient.pk, recipient.code_handle


@transaction.atomic
def _note_wrong(token: str) -> None:
    # The link may have ended meanwhile, and with it what there is to record.
    with suppress(ObjectDoesNotExist):
        recipient, request, _document = _locked(token)
        record(request, Kind.CODE_WRONG, recipient=recipient)
        if recipient.wrong_codes >= settings.SIGNATURE_WRONG_CODES:
            is_news = not request.events.filter(
                recipient=recipient, kind=Kind.LOCKED, at__gte=recipient.sent_at
            ).exists()
            if is_news:
                record(request, Kind.LOCKED, recipient=recipient)


def is_locked(recipient: SignatureRecipient) -> bool:
    """Tell whether too many wrong codes have shut a link."""
    return bool(recipient.wrong_codes >= settings.SIGNATURE_WRONG_CODES)


def has_code(recipient: SignatureRecipient) -> bool:
    """Tell whether somebody was sent a code that may still work."""
    sent_at = recipient.code_sent_at
    return sent_at is not None and timezone.now() < sent_at + timedelta(seconds=_CODE_SECONDS)


def _locked(token: str) -> tuple[SignatureRecipient, SignatureRequest, Document]:
    """Lock document, request and recipient in this order. :raises DoesNotExist: the link has ended"""
    found = open_link(token)
    document = Document.objects.select_for_update(of=("self",), no_key=True).get(pk=found.request.document_id)
    requests = SignatureRequest.objects.select_for_update(of=("self",), no_key=True)
    request = requests.select_related("document_version__blob", "created_by").get(pk=found.request_id)
    recipients = SignatureRecipient.objects.select_for_update(of=("self",), no_key=True)
    # By its secret once more: a link that was sent anew meanwhile has ended.
    recipient = recipients.get(pk=found.pk, token_digest=found.token_digest)
    request.document, recipient.request = document, request
    _require_alive(recipient)
    return recipient, request, document


def _require_alive(recipient: SignatureRecipient) -> None:
    """Insist that a link leads somewhere still. :raises DoesNotExist: it does not"""
    request = recipient.request
    is_over = request.expires_at <= timezone.now() or request.document.archived_at is not None
    is_answered = recipient.state in (State.ACCEPTED, State.DECLINED)
    is_gone = request.state in (RequestState.CANCELLED, RequestState.EXPIRED)
    is_lost = request.state == RequestState.DECLINED and not is_answered
    if is_over or is_gone or is_lost or recipient.state == State.WAITING:
        raise SignatureRecipient.DoesNotExist


def _require_open(recipient: SignatureRecipient) -> None:
    if recipient.state != State.ASKED or recipient.request.state != RequestState.OPEN:
        raise ValidationError(_("You have answered already."), code="decided")
    if is_locked(recipient):
        raise ValidationError(
            _("Too many wrong codes were typed. Ask whoever sent you the link to send it again."),
            code="locked",
        )


def _require_same(request: SignatureRequest, document: Document, digest: str) -> None:
    """Insist that what is accepted is what was sent out and shown, and is the document still."""
    version = request.document_version
    is_same = (
        document.current_version_id == version.pk
        and version.blob.digest == request.digest == digest
        and document.status in (Document.Status.DRAFT, Document.Status.APPROVED)
    )
    if not is_same:
        raise ValidationError(
            _("This document is not what was sent to you. Ask whoever sent you the link."),
            code="content_changed",
        )


def _answer(recipient: SignatureRecipient, state: State) -> None:
    recipient.state, recipient.decided_at = state, timezone.now()
    recipient.clean_fields(exclude={"request"})
    recipient.save(update_fields=["state", "decided_at", "reason"])
