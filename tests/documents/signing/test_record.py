"""Whoever tampers with the record of a signature is refused; with all that an owner of the tables can do, found out."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.documents.models import Document, SignatureEvent, SignatureHead, SignatureRequest
from apps.documents.services import blobs
from apps.documents.services.verifying_signatures import missing_guards, verify_signatures
from apps.documents.storage import contents
from apps.documents.tasks import verify_signatures_nightly
from tests.accounts.test_auth_events import chain
from tests.crm.test_deal_constraints import refused_by
from tests.documents.factories import make_document
from tests.documents.signing.helpers import (
    ANNA,
    BORIS,
    accept,
    execute,
    guards,
    send_out,
    turn_on,
    without_triggers,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]


@pytest.fixture
def signed(contract: Document, seller: User) -> SignatureRequest:
    """A signature of two, and one request that is out, with all guards on."""
    turn_on()
    send_out(make_document(seller, content=b"other"), seller)
    request = send_out(contract, seller, ANNA, BORIS)
    accept(request, ANNA)
    accept(request, BORIS)
    request.refresh_from_db()
    execute("set constraints all immediate")
    chain()
    return request


def verify(*arguments: str) -> str:
    said = StringIO()
    call_command("verify_signatures", *arguments, stdout=said)
    return said.getvalue()


def test_what_was_recorded_is_verified(signed: SignatureRequest) -> None:
    assert "2 signature requests are as recorded" in verify("--contents")
    assert verify_signatures_nightly() == 2
    assert missing_guards() == []
    assert {name for _table, name in guards()} >= {"signature_event_guard", "signature_event_chain"}


def test_nothing_at_all_is_verified_too(db: None) -> None:
    assert verify_signatures() == 0


_EVENT = "documents_signatureevent"
_HEAD = "documents_signaturehead"
_INSERT = f"""
    insert into {_EVENT} (request_id, kind, at, agent, digest, data, position, previous, hash)
    select request_id, 'ACCEPTED', now(), '', digest, '{{}}', 3, previous, hash from {_EVENT}
    where position = 3 limit 1"""


_SWAP = f"""
    update {_EVENT} set position = 100 + position where position in (2, 3)
    and request_id in (select id from documents_signaturerequest where state = 'COMPLETED');
    update {_EVENT} set position = 105 - position where position > 100"""
_FORGE = """
    insert into documents_signatureevent (request_id, kind, at, agent, digest, data, position, previous, hash)
    select {request}, 'VIEWED', now(), '', digest, '{{}}', {position}, '', '' from documents_signatureevent limit 1"""
_OTHER_HEAD = """
    update accounts_authevent set data = jsonb_set(data, '{head}', to_jsonb('9:' || repeat('0', 64)))
    where kind = 'signature_ended'"""


@pytest.mark.parametrize(
    "attack",
    [
        f"update {_EVENT} set kind = 'DECLINED' where kind = 'ACCEPTED'",
        f"update {_EVENT} set at = now()",
        f"update {_EVENT} set address = '127.0.0.1'",
        f"update {_EVENT} set digest = repeat('0', 64)",
        f"update {_EVENT} set data = '{{}}'",
        f"update {_EVENT} set position = position + 100",
        f"delete from {_EVENT} where kind = 'ACCEPTED'",
        f"delete from {_EVENT} where kind = 'COMPLETED'",
        _INSERT,
        f"update {_HEAD} set count = count - 1",
        f"insert into {_HEAD} (request_id, count, hash) values (0, 0, '')",
        f"delete from {_HEAD}",
        "delete from documents_signaturerecipient where state = 'ACCEPTED'",
    ],
)
def test_the_database_refuses_it_to_the_application(signed: SignatureRequest, attack: str) -> None:
    assert refused_by(attack) == "signature_event_append_only"
    assert verify_signatures() == 2


@pytest.mark.parametrize(
    "attack",
    [
        "update documents_signaturerequest set digest = repeat('0', 64)",
        "update documents_signaturerequest set state = 'OPEN', closed_at = null where state = 'COMPLETED'",
        "update documents_signaturerecipient set state = 'ASKED', decided_at = null where state = 'ACCEPTED'",
        "update documents_signaturerecipient set email = 'other@example.org' where state = 'ACCEPTED'",
        "update documents_signaturerecipient set name = 'Other' where state = 'ACCEPTED'",
    ],
)
def test_an_answer_stays_an_answer(signed: SignatureRequest, attack: str) -> None:
    assert refused_by(attack) == "signature_settled"


@pytest.mark.parametrize("table", [_EVENT, _HEAD])
def test_nothing_is_truncated_not_even_while_replicating(signed: SignatureRequest, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(f"truncate {table} cascade")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(f"update {table} set hash = ''")
    assert SignatureEvent.objects.filter(request=signed).count() == 8
    assert SignatureHead.objects.count() == 2


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (f"update {_EVENT} set kind = 'VIEWED' where kind = 'CODE_SENT'", "is not what was recorded"),
        (
            f"update {_EVENT} set at = at - interval '1 day' where kind = 'ACCEPTED'",
            "is not what was recorded",
        ),
        (f"update {_EVENT} set address = '10.9.8.7' where kind = 'ACCEPTED'", "is not what was recorded"),
        (f"delete from {_EVENT} where kind = 'CODE_SENT'", "is missing"),
        (f"delete from {_EVENT} where kind = 'COMPLETED'", "the chain ends at"),
        (f"delete from {_EVENT}", "the chain ends at"),
        (_SWAP, "does not follow"),
        (_FORGE.format(request="request_id", position=50), "is missing"),
        (_FORGE.format(request=987654, position=1), "belongs to no chain"),
        (f"update {_HEAD} set hash = repeat('0', 64)", "the chain ends at"),
        (f"delete from {_HEAD}", "the chain ends at"),
        (
            "update documents_signaturerecipient set state = 'ASKED', decided_at = null where email like 'anna%'",
            "answers are not those recorded",
        ),
        (
            "update documents_signaturerequest set state = 'DECLINED' where state = 'COMPLETED'",
            "which is not what was recorded",
        ),
        (
            "update documents_signaturerequest set digest = repeat('0', 64)",
            "is about another content",
        ),
        ("delete from accounts_authevent", "does not know that it has ended"),
        (_OTHER_HEAD, "knows another chain"),
    ],
)
def test_whoever_turns_the_triggers_off_is_found_out(
    signed: SignatureRequest, attack: str, said: str
) -> None:
    with without_triggers():
        execute("alter table accounts_authevent disable trigger all", attack)
    with pytest.raises(CommandError, match=said):
        verify()


def test_a_chain_written_anew_to_its_end_is_found_out(signed: SignatureRequest) -> None:
    """Whoever knows how the chain is made can make another; the record of access knows the first."""
    with without_triggers():
        execute(
            f"update {_EVENT} set agent = 'Another' where kind = 'ACCEPTED'",
            f"""
            do $$ declare event {_EVENT}; last text := ''; begin
                for event in select * from {_EVENT} where request_id = {signed.pk} order by position loop
                    event.previous := last;
                    event.hash := documents_signature_event_hash(event);
                    update {_EVENT} set previous = event.previous, hash = event.hash where id = event.id;
                    last := event.hash;
                end loop;
                update {_HEAD} set hash = last where request_id = {signed.pk};
            end $$""",
        )
    with pytest.raises(CommandError, match="knows another chain"):
        verify()


def test_a_content_that_was_changed_in_the_storage(signed: SignatureRequest) -> None:
    blob = signed.document_version.blob
    with contents().open(blob.key) as file:
        before = file.read()
    from django.core.files.base import ContentFile

    contents().save(blob.key, ContentFile(before + b" and more"))
    try:
        assert verify_signatures() == 2
        with pytest.raises(CommandError, match="changed in the storage"):
            verify("--contents")
        contents().delete(blob.key)
        with pytest.raises(CommandError, match="is lost"):
            verify("--contents")
    finally:
        contents().delete(blob.key)
        blobs.keep(ContentFile(before), content_type="text/plain")
        contents().save(blob.key, ContentFile(before))


def test_guards_that_are_off_are_told(signed: SignatureRequest) -> None:
    execute(f"alter table {_EVENT} disable trigger signature_event_guard")
    with pytest.raises(CommandError, match="signature_event_guard"):
        verify()


def test_a_request_stays_as_long_as_its_document(signed: SignatureRequest) -> None:
    def take_away() -> None:
        SignatureRequest.objects.get(pk=signed.pk).delete()
        execute("set constraints all immediate")

    with pytest.raises(IntegrityError), transaction.atomic():
        take_away()
    assert verify_signatures() == 2


def test_a_document_goes_with_its_record(contract: Document, seller: User) -> None:
    turn_on()
    send_out(contract, seller)
    Document.objects.filter(pk=contract.pk).update(current_version=None)
    contract.delete()
    execute("set constraints all immediate")
    assert not SignatureEvent.objects.exists()
    assert verify_signatures() == 0
