"""
Taking files in: begun, sent piece by piece, checked, and written down as a version of a document.

Storage is asked outside of transactions: a piece is stored before the row that counts it, a content is kept before the
version that holds it. What a crash leaves behind belongs to nobody and is removed by the sweep or `verify_documents`.
"""

import io
import logging
import secrets
from collections.abc import Sequence
from contextlib import closing
from copy import copy
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, Protocol, Unpack, cast

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.files import File
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import insert, refusal
from apps.documents import kinds
from apps.documents.joining import joined
from apps.documents.models import DocumentVersion, UploadPart, UploadSession
from apps.documents.models.blobs import SHA256_LENGTH
from apps.documents.names import safe_file_name
from apps.documents.sending import send_upload
from apps.documents.services import blobs
from apps.documents.services.documents import (
    Content,
    DocumentFields,
    Target,
    add_version,
    create_document,
    require_size,
    taking_versions,
)
from apps.documents.storage import contents, direct
from apps.events.failpoints import failpoint

logger = logging.getLogger(__name__)

State = UploadSession.State
# Ended uploads are remembered so long, for whoever asks what became of theirs.
REMEMBERED = timedelta(days=7)
# A message to the workers is taken for lost after this; a worker then has a second for each 10 MiB besides.
RESENT_AFTER = timedelta(minutes=1)
_CHECKED_A_SECOND = 10 * 1024 * 1024
_MOST_ATTEMPTS = 5
# What S3 takes at most, and at least but for the last.
MOST_PARTS = 10_000
_LEAST_PART = 5 * 1024 * 1024
_DIRECT_PART = 8 * 1024 * 1024
_MIB = 1024 * 1024
# Handled in one go of the sweep.
_SWEPT = 500


class Stream(Protocol):
    """The body of a request: it is read once, and never as a whole."""

    def read(self, size: int, /) -> bytes: ...


class WrongOffset(ValidationError):
    """
    A piece does not continue what has come already.

    :ivar offset: where the next piece has to begin
    """

    def __init__(self, offset: int) -> None:
        super().__init__(
            _("This piece does not continue what has come: the next one begins at byte %(offset)s."),
            code="upload_offset",
            params={"offset": offset},
        )
        self.offset = offset


# Beginning


def open_upload(
    *,
    actor: User,
    file_name: str,
    size: int,
    sha256: str = "",
    declared_type: str = "",
    client_token: str | None = None,
    document_id: int | None = None,
    comment: str = "",
    source: DocumentVersion.Source = DocumentVersion.Source.UPLOAD,
    targets: Sequence[Target] = (),
    **fields: Unpack[DocumentFields],
) -> UploadSession:
    """
    Begin an upload that becomes a new document with these fields, or a version of the document named.

    What would be refused in the end is refused now, before anything is sent. Call this outside of transactions.

    :param sha256: in hexadecimal digits, where the sender knows it; held against what comes
    :param client_token: what the sender calls this upload; asking again with it returns the same one
    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not upload, or not do what is to be done in the end
    :raises ValidationError: "too_large", "too_many_uploads", "token_reused", or whatever the document's service refuses
    """
    access.require(actor, "add", UploadSession)
    name = safe_file_name(file_name)
    if document_id is None:
        fields = {**fields, "title": fields.get("title") or PurePosixPath(name).stem[:300]}
    session = UploadSession(
        owner=actor,
        client_token=client_token or None,
        file_name=name,
        size=size,
        sha256=_digest(sha256),
        declared_type=declared_type[:127],
        document_id=document_id,
        comment=comment,
        source=source,
        values=_written(fields, targets),
        expires_at=_expiry(),
    )
    known = _same(session)
    if known is not None:
        return known
    _require_room(actor, size)
    _rehearse(session, actor=actor)
    try:
        insert(session, actor=actor)
    except ValidationError as error:
        twin = _same(session) if getattr(error, "code", "") == "upload_client_token_unique" else None
        if twin is None:
            raise
        return twin
    _open_direct(session)
    return session


def _digest(text: str) -> bytes | None:
    if not text:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != SHA256_LENGTH:
        raise refusal("sha256", _("A SHA-256 has 64 hexadecimal digits."), code="invalid")
    return digest


def _written(fields: DocumentFields, targets: Sequence[Target]) -> dict[str, Any]:
    values: dict[str, Any] = {**fields}
    if "tag_ids" in values:
        values["tag_ids"] = list(values["tag_ids"])
    return {"fields": values, "targets": [asdict(target) for target in targets]}


def _same(session: UploadSession) -> UploadSession | None:
    """Return the upload that the sender calls the same. :raises ValidationError: it was another ("token_reused")"""
    if session.client_token is None:
        return None
    known = UploadSession.objects.filter(owner=session.owner, client_token=session.client_token).first()
    if known is None:
        return None
    declared = ("file_name", "size", "document_id", "values", "declared_type")
    if any(getattr(known, name) != getattr(session, name) for name in declared):
        raise ValidationError(_("Another upload was begun under this name."), code="token_reused")
    return known


def _require_room(actor: User, size: int) -> None:
    if size > settings.UPLOAD_MAX_BYTES:
        raise ValidationError(
            _("A file has at most %(limit)s bytes."),
            code="too_large",
            params={"limit": settings.UPLOAD_MAX_BYTES},
        )
    mine = UploadSession.objects.filter(owner=actor, state=State.OPEN)
    begun = mine.aggregate(count=models.Count("pk"), size=models.Sum("size", default=0))
    if begun["count"] >= settings.UPLOAD_MAX_OPEN or begun["size"] + size > settings.UPLOAD_MAX_OPEN_BYTES:
        raise ValidationError(
            _("Too much is on its way already. Finish or give up some of your uploads first."),
            code="too_many_uploads",
        )


def _rehearse(session: UploadSession, *, actor: User) -> None:
    """Try what is to be done in the end, and take it back."""
    with transaction.atomic():
        if session.document_id is not None:
            document = taking_versions(session.document_id, actor=actor)
        else:
            document = create_document(actor=actor, targets=_targets(session), **_fields(session))
        require_size(document.type, session.size)
        transaction.set_rollback(True)


def _fields(session: UploadSession) -> DocumentFields:
    return cast(DocumentFields, session.values["fields"])


def _targets(session: UploadSession) -> list[Target]:
    return [Target(**target) for target in session.values["targets"]]


def _expiry() -> datetime:
    return timezone.now() + timedelta(hours=settings.UPLOAD_KEPT_HOURS)


def _open_direct(session: UploadSession) -> None:
    """Let the sender write to the storage itself, where the file is large enough for that to pay."""
    storage = direct()
    if storage is None or not settings.UPLOAD_DIRECT or session.size <= _LEAST_PART:
        return
    multipart_id = storage.begin_multipart(session.whole_key)
    failpoint("upload.multipart_begun")
    UploadSession.objects.filter(pk=session.pk).update(multipart_id=multipart_id)
    session.multipart_id = multipart_id


# Sending


def receive_part(
    session_id: int, stream: Stream, *, actor: User, offset: int, length: int | None = None
) -> UploadSession:
    """
    Take the piece of a file that begins at `offset`, and count what of it has come.

    Nothing is locked while it comes. Of two pieces at one place the first that is whole counts, and the other is told
    so; where the connection breaks, what has come until then counts. Call this outside of transactions.

    :param length: how many bytes the sender says will come; None where it does not
    :raises DoesNotExist: the upload is out of sight
    :raises PermissionDenied: it is somebody else's
    :raises WrongOffset: something else is to come next (code "upload_offset")
    :raises ValidationError: "upload_not_open", "upload_direct", "too_long", "too_many_parts"
    """
    session = _visible(session_id, actor=actor)
    _require_at(session, offset)
    left = session.size - offset
    if length is not None and length > left:
        raise _too_long()
    if session.parts.count() >= MOST_PARTS:
        raise ValidationError(
            _("The pieces of this upload are too small. Begin again with larger ones."), code="too_many_parts"
        )
    incoming = _Incoming(stream, left)
    # Under a name of its own: whoever sends the same piece at the same time does not write into this one.
    key = f"{session.prefix}{offset:020}-{secrets.token_hex(8)}"
    contents().save(key, File(cast(IO[bytes], incoming), name=key))
    failpoint("upload.part_kept")
    is_counted = False
    try:
        if incoming.is_longer():
            raise _too_long()
        if incoming.size:
            session = _count(session_id, key, offset, incoming.size)
            is_counted = True
    finally:
        if not is_counted:
            contents().delete(key)
    return session


class _Incoming(io.RawIOBase):
    """The body of a request as a file that ends where the upload does, or where the connection breaks."""

    def __init__(self, stream: Stream, most: int) -> None:
        super().__init__()
        self._stream, self._left = stream, most
        self.size = 0
        self._is_cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        self.size += len(piece)
        return len(piece)

    def is_longer(self) -> bool:
        """Tell whether more comes than was to come."""
        return not self._left and not self._is_cut and bool(self._read(1))

    def _read(self, most: int) -> bytes:
        if not most or self._is_cut:
            return b""
        try:
            return self._stream.read(most)
        except OSError:
            # The sender has gone away. What has come is as good as any piece.
            self._is_cut = True
            return b""


@transaction.atomic
def _count(session_id: int, key: str, offset: int, size: int) -> UploadSession:
    """Count a piece that is stored, unless another was faster."""
    session = UploadSession.objects.select_for_update(no_key=True).get(pk=session_id)
    _require_at(session, offset)
    UploadPart.objects.create(session=session, start=offset, size=size, key=key)
    session.offset, session.expires_at = offset + size, _expiry()
    session.save(update_fields=["offset", "expires_at"])
    return session


def _require_at(session: UploadSession, offset: int) -> None:
    _require_open(session)
    if session.is_direct:
        raise ValidationError(
            _("This file is sent to the storage itself. Ask for the addresses of its parts."),
            code="upload_direct",
        )
    if offset != session.offset:
        raise WrongOffset(session.offset)


def _require_open(session: UploadSession) -> None:
    if session.state != State.OPEN or session.expires_at <= timezone.now():
        raise _ended()


def _ended() -> ValidationError:
    return ValidationError(
        _("This upload has ended. Begin a new one to send the file again."), code="upload_not_open"
    )


def _too_long() -> ValidationError:
    return ValidationError(_("More has come than was declared for this file."), code="too_long")


def _visible(session_id: int, *, actor: User) -> UploadSession:
    session = UploadSession.objects.visible_to(actor).get(pk=session_id)
    access.require(actor, "change", session)
    return session


# Sending to the storage itself


def part_size_of(session: UploadSession) -> int:
    """Return how large the pieces of an upload should be; to the storage itself all but the last are just so large."""
    least = -(-session.size // MOST_PARTS)
    usual: int = _DIRECT_PART if session.is_direct else settings.UPLOAD_PART_BYTES
    return max(usual, -(-least // _MIB) * _MIB)


def sign_parts(session_id: int, numbers: Sequence[int], *, actor: User) -> dict[str, Any]:
    """
    Return the addresses that take parts of a file by PUT, and which parts have come already.

    :param numbers: of the parts, from 1
    :return: {"part_size": bytes, "received": [number], "parts": [{"number", "start", "size", "url", "expires_at"}]}
    :raises DoesNotExist: the upload is out of sight
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: "upload_not_open", "upload_not_direct", or there is no such part ("invalid")
    """
    session = _visible(session_id, actor=actor)
    _require_open(session)
    storage = direct()
    if storage is None or not session.is_direct:
        raise ValidationError(
            _("This file is sent to the platform. Send its pieces to its address."), code="upload_not_direct"
        )
    size = part_size_of(session)
    last = -(-session.size // size)
    if not all(1 <= number <= last for number in numbers):
        raise refusal("numbers", _("The parts are numbered from 1 to %(last)s."), code="invalid", last=last)
    seconds = settings.UPLOAD_URL_SECONDS
    expires_at = timezone.now() + timedelta(seconds=seconds)
    try:
        received = storage.parts_of(session.whole_key, session.multipart_id)
    except FileNotFoundError:
        # The storage has given it up, as buckets are told to after some days.
        raise _ended() from None
    UploadSession.objects.filter(pk=session.pk, state=State.OPEN).update(expires_at=_expiry())
    parts = [(number, (number - 1) * size) for number in numbers]
    return {
        "part_size": size,
        "received": [part.number for part in received],
        "parts": [
            {
                "number": number,
                "start": start,
                "size": (length := min(size, session.size - start)),
                "url": storage.part_url(
                    session.whole_key, session.multipart_id, number, size=length, seconds=seconds
                ),
                "expires_at": expires_at,
            }
            for number, start in parts
        ],
    }


# Finishing


def finish_upload(session_id: int, *, actor: User) -> UploadSession:
    """
    Have a file checked that has come whole, and written down. What is large is checked by a worker.

    Asking again changes nothing, but that what nobody is at any more is taken up again. Call this outside of
    transactions.

    :raises DoesNotExist: the upload is out of sight
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: "upload_not_open", "upload_incomplete"
    """
    session = _visible(session_id, actor=actor)
    if session.state == State.OPEN and session.is_direct:
        _require_parts(session)
    with transaction.atomic():
        session = UploadSession.objects.select_for_update(no_key=True).get(pk=session_id)
        if session.state in {State.READY, State.REJECTED} or _is_being_checked(session):
            return session
        if session.state != State.VERIFYING:
            _require_open(session)
            if not session.is_direct and session.offset != session.size:
                raise _incomplete()
        # A worker would act with all rights of the owner: a limited key, and who acts as somebody, wait for the answer.
        is_limited = actor.key_scopes is not None or actor.impersonation is not None
        is_at_once = is_limited or session.size <= settings.UPLOAD_CHECKED_AT_ONCE
        if not _take_up(session):
            return session
        if not is_at_once:
            send_upload(session.pk, session.attempt)
    return _check_at_once(session, actor=actor) if is_at_once else session


def _is_being_checked(session: UploadSession) -> bool:
    return session.lease_until is not None and session.lease_until > timezone.now()


def _check_at_once(session: UploadSession, *, actor: User) -> UploadSession:
    try:
        return check_upload(session.pk, session.attempt, actor=actor)
    except Exception:
        # Whoever asks again takes it up at once, rather than wait for a lease that nobody holds.
        mine = UploadSession.objects.filter(pk=session.pk, state=State.VERIFYING, attempt=session.attempt)
        mine.update(lease_until=timezone.now())
        raise


def _require_parts(session: UploadSession) -> None:
    """Insist that the storage has got all of a file. :raises ValidationError: it has not ("upload_incomplete")"""
    storage = direct()
    if storage is None:
        raise _incomplete()
    try:
        parts = storage.parts_of(session.whole_key, session.multipart_id)
    except FileNotFoundError:
        raise _incomplete() from None
    if sum(part.size for part in parts) != session.size:
        raise _incomplete()


def _incomplete() -> ValidationError:
    return ValidationError(_("Not all of this file has come yet."), code="upload_incomplete")


def _take_up(session: UploadSession) -> bool:
    """
    Begin another attempt at checking a locked upload; an older one writes nothing any more.

    :return: whether there is to be one; an upload at which all attempts have failed is refused
    """
    if session.attempt >= _MOST_ATTEMPTS:
        session.refusal_code = "not_checked"
        session.refusal = str(
            _("The file could not be checked. Try again later, or tell your administrator.")
        )
        _end(session, State.REJECTED)
        return False
    work = timedelta(seconds=session.size // _CHECKED_A_SECOND)
    session.state, session.attempt = State.VERIFYING, session.attempt + 1
    session.lease_until = timezone.now() + RESENT_AFTER + work
    session.save(update_fields=["state", "attempt", "lease_until"])
    return True


def check_upload(session_id: int, attempt: int, *, actor: User | None = None) -> UploadSession:
    """
    Check a file that has come whole, keep it, and write it down; a refusal is what comes of it as well.

    Memory stays flat whatever the size. Call this outside of transactions.

    :param attempt: which attempt this is; where another one has begun meanwhile, this one changes nothing
    :param actor: who writes it down; its owner where nobody else is named
    """
    session = UploadSession.objects.select_related("owner").get(pk=session_id)
    if session.state != State.VERIFYING or session.attempt != attempt:
        return session
    try:
        content = _checked(session)
    except ValidationError as refused:
        return _settle(session, attempt, None, actor or session.owner, refused)
    failpoint("upload.content_kept")
    return _settle(session, attempt, content, actor or session.owner)


def _checked(session: UploadSession) -> Content:
    """Keep the content of an upload once it is what it was declared to be."""
    pieces = _pieces(session)
    with closing(joined(pieces)) as file:
        digests = blobs.digests_of(file)
        if digests.size != session.size:
            raise ValidationError(_("The file that came is not as long as declared."), code="size_differs")
        if session.sha256 is not None and digests.sha256 != bytes(session.sha256):
            raise ValidationError(
                _("The file that came is not the one that was declared: its SHA-256 differs."),
                code="digest_differs",
            )
        kind = kinds.examine(cast(IO[bytes], file), session.file_name, session.declared_type)
        blob = blobs.keep(
            cast(IO[bytes], file),
            content_type=kind.content_type,
            flags=kind.flags,
            digests=digests,
            lies_at=pieces[0][0] if len(pieces) == 1 else "",
        )
    return Content(blob, session.file_name, DocumentVersion.Source(session.source), session.comment)


def _pieces(session: UploadSession) -> list[tuple[str, int]]:
    """Return key and size of the pieces in their order; what was sent to the storage itself is put together first."""
    storage = direct()
    if not session.is_direct or storage is None:
        return list(session.parts.order_by("start").values_list("key", "size"))
    try:
        parts = storage.parts_of(session.whole_key, session.multipart_id)
        storage.complete_multipart(session.whole_key, session.multipart_id, parts)
    except FileNotFoundError:
        # An earlier attempt has put it together.
        logger.info("upload %s: its parts are together already", session.pk)
    return [(session.whole_key, storage.size(session.whole_key))]


def _settle(
    session: UploadSession,
    attempt: int,
    content: Content | None,
    actor: User,
    refused: ValidationError | None = None,
) -> UploadSession:
    """Record what came of an attempt, in the transaction in which the document is written down."""
    with transaction.atomic():
        session = UploadSession.objects.select_for_update(no_key=True).get(pk=session.pk)
        if session.state != State.VERIFYING or session.attempt != attempt:
            return session
        version: DocumentVersion | None = None
        reason: Exception | None = refused
        if content is not None:
            try:
                with transaction.atomic():
                    version = _write_down(session, content, actor=actor)
            except (ValidationError, PermissionDenied, ObjectDoesNotExist) as error:
                reason = error
        if version is None:
            session.refusal_code, session.refusal = _words(reason)
        session.document_version = version
        _end(session, State.READY if version is not None else State.REJECTED)
    return session


def _write_down(session: UploadSession, content: Content, *, actor: User) -> DocumentVersion | None:
    if session.document_id is not None:
        return add_version(session.document_id, content, actor=actor)
    document = create_document(actor=actor, content=content, targets=_targets(session), **_fields(session))
    return document.current_version


def _words(reason: Exception | None) -> tuple[str, str]:
    """Return the code of a refusal, and what it says to the person."""
    if isinstance(reason, ValidationError):
        errors = reason.error_list if hasattr(reason, "error_list") else _flat(reason)
        return str(errors[0].code or "invalid")[:64], " ".join(reason.messages)[:500]
    if isinstance(reason, ObjectDoesNotExist):
        return "not_found", str(_("The document is not there any more, or you may not see it."))
    return "permission_denied", str(reason or _("You may not do this."))[:500]


def _flat(error: ValidationError) -> list[ValidationError]:
    return [each for errors in error.error_dict.values() for each in errors]


def _end(session: UploadSession, state: UploadSession.State) -> None:
    """End a locked upload; its pieces are removed after the commit."""
    session.state, session.lease_until = state, None
    session.expires_at = timezone.now() + REMEMBERED
    session.save()
    session.parts.all().delete()
    transaction.on_commit(partial(_remove_pieces, session), robust=True)


def _remove_pieces(session: UploadSession) -> None:
    failpoint("upload.before_removing")
    storage = direct()
    if storage is not None and session.is_direct:
        storage.abort_multipart(session.whole_key, session.multipart_id)
    for each in contents().stored(session.prefix):
        contents().delete(each.key)


@transaction.atomic
def abort_upload(session_id: int, *, actor: User) -> UploadSession:
    """
    Give an upload up; asking again changes nothing.

    :raises DoesNotExist: the upload is out of sight
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: it is being checked, or written down already (code "upload_not_open")
    """
    _visible(session_id, actor=actor)
    session = UploadSession.objects.select_for_update(no_key=True).get(pk=session_id)
    if session.state in {State.VERIFYING, State.READY}:
        raise ValidationError(
            _("This file has come whole and is not given up any more."), code="upload_not_open"
        )
    if session.state in {State.OPEN, State.REJECTED}:
        _end(session, State.ABORTED)
    return session


# Sweeping


def sweep_uploads() -> int:
    """
    Give up what nobody finishes, send again what no worker has checked, forget what ended long ago.

    :return: how many uploads that concerned
    """
    now = timezone.now()
    late = UploadSession.objects.filter(expires_at__lt=now).exclude(state=State.VERIFYING)
    left = UploadSession.objects.filter(state=State.VERIFYING, lease_until__lt=now)
    pks = [*late.values_list("pk", flat=True)[:_SWEPT], *left.values_list("pk", flat=True)[:_SWEPT]]
    return sum(_sweep(pk) for pk in pks)


@transaction.atomic
def _sweep(session_id: int) -> bool:
    rows = UploadSession.objects.select_for_update(no_key=True, skip_locked=True)
    session = rows.filter(pk=session_id).first()
    now = timezone.now()
    if session is None:
        return False
    if session.lease_until is not None:
        if session.lease_until >= now:
            return False
        if _take_up(session):
            send_upload(session.pk, session.attempt)
        return True
    if session.expires_at >= now:
        return False
    if session.state == State.OPEN:
        _end(session, State.EXPIRED)
    else:
        # Should its pieces have outlived it, they go with it.
        transaction.on_commit(partial(_remove_pieces, copy(session)), robust=True)
        session.delete()
    return True
