"""Sealing a paper with the organization's own certificate, so that any PDF reader tells whether it was changed."""

import io

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

FIELD = "Artel"


def is_configured() -> bool:
    """Tell whether there is a certificate to seal with."""
    return bool(settings.SIGNATURE_CERTIFICATE)


def seal(paper: bytes, *, reason: str) -> bytes:
    """
    Return a PDF with the organization's seal (PAdES, baseline B); as it is where no certificate is configured.

    :raises ImproperlyConfigured: the certificate cannot be read
    """
    if not is_configured():
        return paper
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415 - heavy, and rarely there
    from pyhanko.sign import signers  # noqa: PLC0415 - the same
    from pyhanko.sign.fields import SigSeedSubFilter  # noqa: PLC0415 - the same

    password = settings.SIGNATURE_CERTIFICATE_PASSWORD
    signer = signers.SimpleSigner.load_pkcs12(  # type: ignore[no-untyped-call]
        settings.SIGNATURE_CERTIFICATE, passphrase=password.encode() if password else None
    )
    if signer is None:
        raise ImproperlyConfigured("SIGNATURE_CERTIFICATE names no PKCS#12 file that the password opens.")
    what = signers.PdfSignatureMetadata(
        field_name=FIELD, reason=reason, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )
    sealed: io.BytesIO = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(paper)), what, signer)
    return sealed.getvalue()
