"""Letters: sent in three steps, received once, and linked by a person where nobody knows what they are about."""

import hashlib
import io
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import locked as locked_row
from apps.crm import events
from apps.crm.mailing.addresses import reply_address, target_in
from apps.crm.mailing.parsing import Attachment, Letter, parse
from apps.crm.models import (
    Activity,
    ActivityAttachment,
    ContactPoint,
    Deal,
    Mail,
    UnmatchedMail,
)
from apps.crm.services import rows
from apps.crm.services.activities import MODELS, Target, insert, targets_of
from apps.documents import kinds
from apps.documents.models import Document, DocumentType
from apps.documents.services import blobs
from apps.documents.services.documents import Content, create_document
from apps.documents.services.documents import Target as Belonging

logger = logging.getLogger(__name__)

State = Mail.State
MOST_RECIPIENTS = 20
MOST_TRIES = 6
# A worker that dies while it sends is waited for this long; then the letter goes again, under the same number.
_LEASE = timedelta(minutes=5)
_FIRST_DELAY = timedelta(seconds=30)
_EXCERPT = 500


class Outcome(StrEnum):
    """What became of a letter that came."""

    LOGGED = "logged"
    KNOWN = "known"
    UNMATCHED = "unmatched"


# Sending


@transaction.atomic
def send_mail(
    *,
    about: tuple[str, int],
    to: Sequence[str],
    subject: str,
    body: str,
    actor: User,
    cc: Sequence[str] = (),
    reply_to_id: int | None = None,
) -> Activity:
    """
    Write a letter about a row, which a worker sends once this is committed.

    :param about: ("deal", 42); answers find it by themselves
    :param reply_to_id: the activity that it answers
    :raises DoesNotExist: the row is out of the actor's sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "no_text", "required", "mail_address", "too_many"
    """
    name, pk = about
    row: Any = MODELS[name].objects.visible_to(actor).get(pk=pk)
    access.require(actor, "change", row)
    rows.require_active(row)
    recipients, copies = _recipients(to, "to"), _recipients(cc, "cc")
    if not recipients:
        raise rows.refusal("to", _("Say to whom."), code="required")
    if not subject.strip():
        raise rows.refusal("subject", _("A letter needs a subject."), code="required")
    if not body.strip():
        raise rows.refusal("body", _("Write something."), code="no_text")
    activity = Activity(
        kind=Activity.Kind.EMAIL,
        direction=Activity.Direction.OUT,
        author=actor,
        # One line: what follows a line break would be a header of its own.
        subject=" ".join(subject.replace("\x00", "").split()),
        body=body.replace("\x00", "").replace("\r\n", "\n").strip(),
    )
    activity.created_by = activity.updated_by = actor
    activity.clean_fields(exclude=["author", "created_by", "updated_by"])
    insert(activity, [row])
    answered = _answered(reply_to_id, actor=actor)
    Mail.objects.create(
        activity=activity,
        message_id=f"{uuid.uuid4().hex}@{_domain()}",
        in_reply_to=answered.message_id if answered else "",
        references=[*answered.references, answered.message_id][-50:] if answered else [],
        sender=settings.DEFAULT_FROM_EMAIL,
        sender_name=actor.name,
        to=recipients,
        cc=copies,
        state=State.QUEUED,
    )
    events.publish_activity(events.ACTIVITY_LOGGED, activity, actor_id=actor.pk)
    return activity


def deliver_mail(activity_id: int) -> bool:
    """
    Send one letter that waits for it, outside of transactions; tell whether it went out.

    Whoever takes it up first sends it. One whose worker died goes again under the same number, by which its
    recipients' servers know it.
    """
    mail = _taken_up(activity_id)
    if mail is None:
        return False
    try:
        _message_of(mail).send()
    except (SMTPException, OSError) as error:
        _settle(mail, error)
        return False
    _settle(mail, None)
    return True


def deliver_due() -> int:
    """Send the letters that are due; return how many went out."""
    due = Mail.objects.filter(state=State.QUEUED, due_at__lte=timezone.now()).order_by("due_at")
    return sum(deliver_mail(pk) for pk in list(due.values_list("pk", flat=True)[:100]))


def _recipients(given: Sequence[str], field: str) -> list[str]:
    found = list(dict.fromkeys(address.strip() for address in given if address.strip()))
    if len(found) > MOST_RECIPIENTS:
        raise rows.refusal(
            field, _("A letter goes to %(most)s people at most."), code="too_many", most=MOST_RECIPIENTS
        )
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            text = _("“%(address)s” is no e-mail address.")
            raise rows.refusal(field, text, code="mail_address", address=address) from error
    return found


def _answered(activity_id: int | None, *, actor: User) -> Mail | None:
    if activity_id is None:
        return None
    found = Activity.objects.visible_to(actor).filter(pk=activity_id).select_related("mail").first()
    mail: Mail | None = getattr(found, "mail", None) if found else None
    if mail is None:
        raise rows.refusal("reply_to", _("There is no such letter, or you may not see it."), code="not_found")
    return mail


def _domain() -> str:
    return str(settings.DEFAULT_FROM_EMAIL).rpartition("@")[2].strip(" >") or "localhost"


@transaction.atomic
def _taken_up(activity_id: int) -> Mail | None:
    found = Mail.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk=activity_id, state=State.QUEUED, due_at__lte=timezone.now()
    )
    mail = found.select_related("activity").first()
    if mail is not None:
        mail.due_at, mail.tries = timezone.now() + _LEASE, mail.tries + 1
        mail.save(update_fields=["due_at", "tries"])
    return mail


def _message_of(mail: Mail) -> EmailMessage:
    activity, row = mail.activity, targets_of(mail.activity)[0]
    headers = {"Message-ID": f"<{mail.message_id}>"}
    if mail.in_reply_to:
        headers["In-Reply-To"] = f"<{mail.in_reply_to}>"
        headers["References"] = " ".join(f"<{each}>" for each in mail.references)
    author = activity.author
    answers = reply_address(str(row._meta.model_name), row.pk) or (author.email if author else "")
    return EmailMessage(
        subject=activity.subject,
        body=activity.body,
        from_email=mail.sender,
        to=mail.to,
        cc=mail.cc,
        reply_to=[answers] if answers else None,
        headers=headers,
    )


@transaction.atomic
def _settle(mail: Mail, error: Exception | None) -> None:
    """Record what came of an attempt; one that a server refused for good is not made again."""
    now = timezone.now()
    if error is None:
        values: dict[str, Any] = {"state": State.SENT, "sent_at": now, "error": ""}
    else:
        is_final = isinstance(error, SMTPRecipientsRefused | SMTPSenderRefused) or mail.tries >= MOST_TRIES
        delay = _FIRST_DELAY * 2 ** (mail.tries - 1)
        # What the server said may name the account that we use there.
        values = {"error": type(error).__name__, "state": State.FAILED if is_final else State.QUEUED}
        values["due_at"] = now + delay
        logger.warning("letter %s was not sent: %s", mail.pk, type(error).__name__)
    Mail.objects.filter(pk=mail.pk, state=State.QUEUED).update(**values)
    author_id = mail.activity.author_id
    if author_id is not None:
        events.publish_activity(events.ACTIVITY_CHANGED, mail.activity, actor_id=author_id)


# Receiving


@dataclass(frozen=True)
class Received:
    """What became of a letter, and the activity that it is."""

    outcome: Outcome
    activity: Activity | None = None


def receive_mail(raw: bytes) -> Received:
    """
    Take in a letter as it came; the same letter twice is one.

    :raises ValidationError: it is no letter that can be taken in ("mail_too_large", "mail_too_deep", "mail_no_sender")
    """
    letter = parse(raw, most_bytes=settings.MAIL_MAX_BYTES)
    if _is_known(letter.message_id):
        return Received(Outcome.KNOWN)
    targets = _matched(letter)
    contents = _kept(letter) if targets else []
    with transaction.atomic():
        _lock_message(letter.message_id)
        if _is_known(letter.message_id):
            return Received(Outcome.KNOWN)
        if not targets:
            _set_aside(letter, raw)
            return Received(Outcome.UNMATCHED)
        return Received(Outcome.LOGGED, _log(letter, targets, contents))


def link_mail(unmatched_id: int, *, about: tuple[str, int], actor: User) -> Activity:
    """
    Say what an unmatched letter is about.

    :raises DoesNotExist: the letter or the row is out of the actor's sight
    :raises PermissionDenied: the actor may not do this, or not change the row
    :raises ValidationError: somebody has dealt with it meanwhile ("mail_settled"), "archived"
    """
    waiting = UnmatchedMail.objects.visible_to(actor).get(pk=unmatched_id)
    letter = parse(bytes(waiting.raw or b""), most_bytes=settings.MAIL_MAX_BYTES) if waiting.raw else None
    contents = _kept(letter) if letter else []
    with transaction.atomic():
        waiting = _waiting(unmatched_id, actor=actor)
        name, pk = about
        row: Any = MODELS[name].objects.visible_to(actor).get(pk=pk)
        access.require(actor, "change", row)
        rows.require_active(row)
        if letter is None:
            raise _settled()
        activity = _log(letter, [row], contents)
        _finish(waiting, UnmatchedMail.State.LINKED)
    return activity


@transaction.atomic
def dismiss_mail(unmatched_id: int, *, actor: User) -> UnmatchedMail:
    """
    Put a letter aside that is nobody's business; what stood in it is deleted.

    :raises: what :func:`link_mail` raises
    """
    waiting = _waiting(unmatched_id, actor=actor)
    _finish(waiting, UnmatchedMail.State.DISMISSED)
    return waiting


def _waiting(unmatched_id: int, *, actor: User) -> UnmatchedMail:
    waiting: UnmatchedMail = locked_row(UnmatchedMail, unmatched_id, actor=actor, action="change")
    if waiting.state != UnmatchedMail.State.WAITING:
        raise _settled()
    return waiting


def _settled() -> ValidationError:
    return ValidationError(_("Somebody has dealt with this letter meanwhile."), code="mail_settled")


def _finish(waiting: UnmatchedMail, state: UnmatchedMail.State) -> None:
    waiting.state, waiting.raw = state, None
    waiting.save(update_fields=["state", "raw"])


def _is_known(message_id: str) -> bool:
    return (
        Mail.objects.filter(message_id=message_id).exists()
        or UnmatchedMail.objects.filter(message_id=message_id).exists()
    )


def _lock_message(message_id: str) -> None:
    """Be alone with one letter until the transaction ends: it may come by two ways at once."""
    key = int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [key])


def _matched(letter: Letter) -> list[Target]:
    """Return what a letter is about: what it answers, else what its address says, else who wrote it."""
    known = [each for each in (letter.in_reply_to, *reversed(letter.references)) if each]
    for message_id in known:
        mail = Mail.objects.filter(message_id=message_id).select_related("activity").first()
        if mail is not None:
            return targets_of(mail.activity)
    named = target_in([*letter.to, *letter.cc])
    if named is not None:
        row = MODELS[named[0]].objects.filter(pk=named[1]).first()
        if row is not None:
            return [row]
    return _by_sender(letter.sender)


def _by_sender(address: str) -> list[Target]:
    """Return whose address it is, and their deal where they have one open deal alone."""
    point = (
        ContactPoint.objects.active()
        .filter(kind=ContactPoint.Kind.EMAIL, value=address)
        .select_related("person", "company")
        .first()
    )
    if point is None:
        return []
    holder: Target | None = point.person or point.company
    if holder is None:
        return []
    column = "person" if point.person_id else "company"
    deals = list(Deal.objects.filter(**{column: holder}, archived_at=None).open().order_by("pk")[:2])
    return [holder, *(deals if len(deals) == 1 else [])]


def _set_aside(letter: Letter, raw: bytes) -> None:
    UnmatchedMail.objects.create(
        message_id=letter.message_id,
        sender=letter.sender,
        sender_name=letter.sender_name,
        subject=letter.subject,
        excerpt=letter.text[:_EXCERPT],
        received_at=timezone.now(),
        raw=raw,
    )


def _kept(letter: Letter) -> list[Content]:
    """Keep the files of a letter, each as the documents app examines any that comes; the storage may be far away."""
    found = []
    for attachment in letter.attachments:
        try:
            found.append(_keep(attachment))
        except ValidationError as error:
            letter.left_out.append({"name": attachment.name, "reason": " ".join(error.messages)[:300]})
    return found


def _keep(attachment: Attachment) -> Content:
    file = io.BytesIO(attachment.content)
    # What a mail program declares is as often wrong as right; what the content is, is found out.
    kind = kinds.examine(file, attachment.name)
    return Content(blobs.keep(file, content_type=kind.content_type, flags=kind.flags), attachment.name)


def _log(letter: Letter, targets: list[Target], contents: list[Content]) -> Activity:
    system = User.objects.system()
    activity = Activity(
        kind=Activity.Kind.EMAIL,
        direction=Activity.Direction.IN,
        subject=letter.subject,
        body=letter.text,
        occurred_at=letter.at,
    )
    insert(activity, targets)
    for content in contents:
        document = _document(content, targets, letter, system)
        if document is not None:
            ActivityAttachment.objects.create(activity=activity, document=document)
    Mail.objects.create(
        activity=activity,
        message_id=letter.message_id,
        in_reply_to=letter.in_reply_to,
        references=letter.references,
        sender=letter.sender,
        sender_name=letter.sender_name,
        to=letter.to,
        cc=letter.cc,
        html=letter.html,
        state=State.RECEIVED,
        left_out=letter.left_out,
    )
    events.publish_activity(events.ACTIVITY_LOGGED, activity, actor_id=system.pk)
    return activity


def _document(content: Content, targets: list[Target], letter: Letter, system: User) -> Document | None:
    kind = DocumentType.objects.filter(code="file").first() or DocumentType.objects.order_by("pk").first()
    if kind is None:
        return None
    belongs = [Belonging(row._meta.label_lower, row.pk) for row in targets]
    try:
        with transaction.atomic():
            return create_document(
                actor=system,
                content=content,
                targets=belongs,
                type_id=kind.pk,
                title=(content.file_name or letter.subject)[:200],
            )
    except (ValidationError, PermissionDenied) as error:
        reason = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        letter.left_out.append({"name": content.file_name, "reason": reason[:300]})
        return None
