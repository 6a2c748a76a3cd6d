"""The paper that proves a signature: what it says, in which language, whose it is, and its seal."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from apps.documents import tasks
from apps.documents.evidence.seal import FIELD, seal
from apps.documents.models import Document, DocumentType, SignatureRequest
from apps.documents.rendering.typst import set_paper, shipped_source
from apps.documents.services import blobs, documents, evidence
from apps.documents.services.verifying_signatures import verify_signatures
from tests.documents.signing.helpers import ANNA, BORIS, accept, send_out
from tests.documents.test_services import code_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]


def text_of(paper: bytes) -> str:
    """Return the words of a PDF, as they follow one another."""
    from pypdf import PdfReader

    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages).split())


def content_of(document: Document | None) -> bytes:
    assert document is not None
    assert document.current_version is not None
    with blobs.open_blob(document.current_version.blob) as file:
        return file.read()


@pytest.fixture
def signed(contract: Document, seller: User) -> SignatureRequest:
    DocumentType.objects.filter(code="contract").update(retention_days=100)
    request = send_out(contract, seller, ANNA, BORIS)
    accept(request, ANNA)
    accept(request, BORIS)
    request.refresh_from_db()
    return request


def test_it_says_who_when_how_and_where_the_record_ends(signed: SignatureRequest, contract: Document) -> None:
    head = str(signed.head)
    tasks.write_evidence(request_id=signed.pk)
    signed.refresh_from_db()
    said = text_of(content_of(signed.evidence))
    for words in (
        "Evidence of acceptance",
        "2 people were asked, and all of them have accepted this document.",
        "Supply of pumps",
        "Anna Client",
        "boris@client.example",
        "typed the code that was sent to anna@client.example",
        "Where the record ends",
    ):
        assert words in said
    # Long numbers are broken into lines.
    joined = said.replace(" ", "").replace("\u200b", "")
    assert signed.digest in joined
    assert head in joined


def test_it_is_a_document_of_its_own_that_stays(
    signed: SignatureRequest, contract: Document, seller: User
) -> None:
    assert tasks.write_missing_evidence() == 1
    assert tasks.write_missing_evidence() == 0
    signed.refresh_from_db()
    paper = signed.evidence
    assert paper is not None
    assert (paper.status, paper.type.code, paper.owner) == ("SIGNED", "evidence", seller)
    assert paper.retain_until_date == timezone.localdate() + timedelta(days=100)
    link = paper.links.get()
    assert (link.target_type.model, link.target_id) == ("document", contract.pk)
    with pytest.raises(ValidationError) as refused:
        documents.change_document(paper.pk, actor=seller, title="Other")
    assert code_of(refused) == "document_final"
    event = signed.events.order_by("position").last()
    assert event is not None
    assert (event.kind, event.data["sha256"]) == ("EVIDENCE", paper.current_version.blob.digest)  # type: ignore[union-attr]
    assert verify_signatures() == 1


def test_there_is_none_before_all_have_accepted(contract: Document, seller: User) -> None:
    request = send_out(contract, seller, ANNA, BORIS)
    accept(request, ANNA)
    assert evidence.write_evidence(request.pk) is None
    assert evidence.write_missing_evidence() == 0


def test_it_speaks_the_sender_s_language(contract: Document, seller: User) -> None:
    seller.locale = "ru"
    seller.save()
    request = send_out(contract, seller)
    accept(request, ANNA)
    evidence.write_evidence(request.pk)
    request.refresh_from_db()
    assert (request.locale, request.evidence is not None) == ("ru", True)


def test_it_has_letters_of_all_who_sign_and_no_text_is_markup() -> None:
    hostile = '#panic("x") $x$ \\ @ref <label> *b* Ёжик № 5 “”'
    data = {
        "language": "ru",
        "heading": "Подтверждение",
        "said": hostile,
        "facts": [{"name": "SHA-256", "value": "ab" * 32, "is_digest": True}],
        "parties": [{"name": hostile, "email": "a@b", "lines": [hostile]}],
        "story": "Что было",
        "columns": ["№", "Когда", "Что", "Адрес"],
        "events": [
            {"position": 1, "at": "1", "what": hostile, "who": hostile, "agent": hostile, "address": "::1"}
        ],
        "chain": {"name": "Конец", "head": "1:" + "0" * 64, "said": hostile},
    }
    source, at = shipped_source("evidence", "ru"), datetime(2026, 1, 1, tzinfo=UTC)
    paper = set_paper(source, data, at=at)
    said = text_of(paper)
    assert '#panic("x")' in said
    assert "Ёжик № 5" in said
    assert set_paper(source, data, at=at) == paper


def certificate(path: Path, password: str) -> None:
    """Write a key and a certificate of its own making."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Our Company")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"artel", key, signed, None, BestAvailableEncryption(password.encode())
        )
    )


def test_it_is_sealed_with_the_organization_s_certificate(
    signed: SignatureRequest, settings: Settings, tmp_path: Path
) -> None:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    certificate(tmp_path / "seal.p12", "secret")
    settings.SIGNATURE_CERTIFICATE = str(tmp_path / "seal.p12")
    settings.SIGNATURE_CERTIFICATE_PASSWORD = "secret"
    evidence.write_evidence(signed.pk)
    signed.refresh_from_db()
    paper = content_of(signed.evidence)
    (found,) = PdfFileReader(io.BytesIO(paper)).embedded_signatures
    trusted = ValidationContext(trust_roots=[found.signer_cert])
    status = validate_pdf_signature(found, trusted)
    assert (found.field_name, status.intact, status.valid, status.trusted) == (FIELD, True, True, True)
    changed = bytearray(paper)
    changed[200] ^= 1
    (broken,) = PdfFileReader(io.BytesIO(bytes(changed)), strict=False).embedded_signatures
    assert not validate_pdf_signature(broken, trusted, skip_diff=True).intact


def test_a_certificate_that_does_not_open_is_told(settings: Settings, tmp_path: Path) -> None:
    certificate(tmp_path / "seal.p12", "secret")
    settings.SIGNATURE_CERTIFICATE = str(tmp_path / "seal.p12")
    settings.SIGNATURE_CERTIFICATE_PASSWORD = "other"
    with pytest.raises(ImproperlyConfigured):
        seal(b"%PDF-1.7", reason="x")
    settings.SIGNATURE_CERTIFICATE = ""
    assert seal(b"%PDF-1.7", reason="x") == b"%PDF-1.7"
