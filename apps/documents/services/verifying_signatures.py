"""Walking the chains of signature requests: what was changed, taken out, put in or moved shows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.accounts.models import AuthEvent
from apps.documents import access_events
from apps.documents.models import SignatureRequest
from apps.documents.services import blobs

BATCH = 1000
_REQUESTS = """
select r.id, r.state, r.digest, encode(b.sha256, 'hex'), v.document_id = r.document_id,
    d.status, d.current_version_id = r.document_version_id, h.count, h.hash, v.blob_id
from documents_signaturerequest r
join documents_document d on d.id = r.document_id
join documents_documentversion v on v.id = r.document_version_id
join documents_blob b on b.id = v.blob_id
left join documents_signaturehead h on h.request_id = r.id
where r.id > %s order by r.id limit %s
"""
_EVENTS = """
select position, id, previous, hash, kind, recipient_id, digest, array[
    id::text,
    request_id::text,
    position::text,
    to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    kind,
    recipient_id::text,
    host(address),
    agent,
    digest,
    data::text
]
from documents_signatureevent where request_id = %s order by position, id
"""
_RECIPIENTS = "select id, state from documents_signaturerecipient where request_id = %s"
# What no request leads to is not found by walking from one.
_BESIDE = """
select e.id from documents_signatureevent e
where e.position is null or not exists (select from documents_signaturerequest r where r.id = e.request_id)
order by e.id limit 1
"""
_GUARDS = """
select wanted.name from unnest(%s::text[]) as wanted (name)
left join pg_trigger t on t.tgname = wanted.name and t.tgenabled = 'A' and t.tgrelid in (
    'documents_signatureevent'::regclass, 'documents_signaturehead'::regclass,
    'documents_signaturerequest'::regclass, 'documents_signaturerecipient'::regclass
)
where t.oid is null order by wanted.name
"""
GUARDS = (
    "signature_event_chain",
    "signature_event_guard",
    "signature_event_guard_all",
    "signature_event_kept",
    "signature_head_guard",
    "signature_head_guard_all",
    "signature_head_kept",
    "signature_recipient_kept",
    "signature_recipient_settled",
    "signature_request_kept",
    "signature_request_settled",
)
# What the last word of a request, and of a recipient, is in its chain.
_LAST_WORDS = {"COMPLETED", "DECLINED", "CANCELLED", "EXPIRED"}
_ANSWERS = {"ACCEPTED", "DECLINED"}


class BrokenSignature(Exception):
    """The record of a signature is not what was recorded."""


@dataclass(frozen=True)
class _Request:
    """A request as the tables tell it, beside what its chain tells."""

    pk: int
    state: str
    digest: str
    content: str
    is_own_version: bool
    document_status: str
    is_current: bool
    count: int | None
    hash: str | None
    blob_id: int


def verify_signatures(*, reads_contents: bool = False) -> int:
    """
    Walk the chain of every request, and hold what the tables say against it.

    :param reads_contents: whether the contents themselves are read from the storage and digested once more
    :return: how many requests there are
    :raises BrokenSignature: at the first thing that is not as it was recorded
    """
    beside = _ask(_BESIDE)
    if beside:
        raise BrokenSignature(f"The event with the id {beside[0][0]} belongs to no chain.")
    found = 0
    anchors = _anchors()
    for request in _requests():
        try:
            _verify_anchor(request, _verify(request), anchors.get(request.pk, []))
        except BrokenSignature:
            # Something may have happened to it between two statements; what is broken stays so.
            _verify_again(request.pk)
        if reads_contents:
            _verify_content(request)
        found += 1
    return found


def _verify_again(request_id: int) -> None:
    """Verify one request as it is now, unless it has gone with its document."""
    for row in _ask(_REQUESTS, [request_id - 1, 1]):
        request = _Request(*row)
        if request.pk == request_id:
            _verify_anchor(request, _verify(request), _anchors(request_id).get(request_id, []))


def missing_guards() -> list[str]:
    """List the triggers that should keep the record, and do not: somebody has turned them off."""
    return [name for (name,) in _ask(_GUARDS, [list(GUARDS)])]


def _verify(request: _Request) -> dict[int, str]:
    """Walk one chain; return the hash at each of its places."""
    count, last, kinds, heads = 0, "", [], {}
    answers: dict[int, str] = {}
    for position, pk, previous, digest, kind, recipient_id, content, values in _ask(_EVENTS, [request.pk]):
        where = f"Request {request.pk}, event no. {position} (id {pk})"
        if position != count + 1:
            raise BrokenSignature(f"{where}: no. {count + 1} is missing, or it is there a second time.")
        if previous != last:
            raise BrokenSignature(f"{where} does not follow the one before it.")
        if digest != _hash_of(previous, values):
            raise BrokenSignature(f"{where} is not what was recorded.")
        if content != request.digest:
            raise BrokenSignature(f"{where} is about another content.")
        if kind in _ANSWERS:
            answers[recipient_id] = kind
        count, last = position, digest
        heads[position] = digest
        kinds.append(kind)
    if (count, last) != (request.count or 0, request.hash or "") or not count:
        raise BrokenSignature(f"Request {request.pk}: the chain ends at no. {count}, and should elsewhere.")
    _compare(request, kinds, answers)
    return heads


def _compare(request: _Request, kinds: Sequence[str], answers: dict[int, str]) -> None:
    """Hold the state of a request and its recipients against what was recorded."""
    said = {pk: state for pk, state in _ask(_RECIPIENTS, [request.pk]) if state in _ANSWERS}
    if said != answers:
        raise BrokenSignature(f"Request {request.pk}: its recipients' answers are not those recorded.")
    ended = {kind for kind in kinds if kind in _LAST_WORDS}
    if ended != ({request.state} if request.state in _LAST_WORDS else set()):
        raise BrokenSignature(f"Request {request.pk} is {request.state}, which is not what was recorded.")
    if request.content != request.digest or not request.is_own_version:
        raise BrokenSignature(f"Request {request.pk}: the version is not what was sent out.")
    is_signed = request.document_status in {"SIGNED", "VOID"} and request.is_current
    if request.state == "COMPLETED" and not is_signed:
        raise BrokenSignature(f"Request {request.pk}: the document is not the one that was accepted.")


def _anchors(request_id: int | None = None) -> dict[int, list[str]]:
    """Return what the record of access says where the chains of requests that have ended stood."""
    rows = AuthEvent.objects.filter(kind=access_events.ENDED)
    if request_id is not None:
        rows = rows.filter(data__request=request_id)
    found: dict[int, list[str]] = {}
    for data in rows.values_list("data", flat=True).iterator(chunk_size=BATCH):
        found.setdefault(int(data["request"]), []).append(str(data["head"]))
    return found


def _verify_anchor(request: _Request, heads: dict[int, str], said: Sequence[str]) -> None:
    """Hold a chain against what the record of access says of it, which has a chain of its own."""
    if request.state not in _LAST_WORDS:
        return
    if not said:
        raise BrokenSignature(f"Request {request.pk}: the record of access does not know that it has ended.")
    for head in said:
        count, _colon, digest = head.partition(":")
        if heads.get(int(count)) != digest:
            raise BrokenSignature(f"Request {request.pk}: the record of access knows another chain of it.")


def _verify_content(request: _Request) -> None:
    blob = (
        SignatureRequest.objects.select_related("document_version__blob")
        .get(pk=request.pk)
        .document_version.blob
    )
    try:
        with blobs.open_blob(blob) as file:
            digest = blobs.digests_of(file).sha256.hex()
    except FileNotFoundError as error:
        raise BrokenSignature(f"Request {request.pk}: its content is lost.") from error
    if digest != request.digest:
        raise BrokenSignature(f"Request {request.pk}: its content was changed in the storage.")


def _hash_of(previous: str, values: Sequence[str | None]) -> str:
    """Return what the database has computed; see the migration that makes it do so."""
    parts = ["-" if value is None else f"{len(value.encode())}:{value}" for value in values]
    return hashlib.sha256((previous + ",".join(parts)).encode()).hexdigest()


def _requests() -> Iterator[_Request]:
    last = 0
    while batch := _ask(_REQUESTS, [last, BATCH]):
        for row in batch:
            yield _Request(*row)
        last = batch[-1][0]


def _ask(sql: str, params: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
    return rows
