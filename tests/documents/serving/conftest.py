"""What tests of serving start from."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import Document

Maker = Callable[..., "Document"]


@pytest.fixture
def client_of() -> Callable[["User"], Client]:
    """Return a browser in which somebody is logged in."""

    def client(user: "User") -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    return client


@pytest.fixture
def paper(admin: "User") -> Maker:
    """Make a document of the administrator's with a content of a type."""
    from apps.documents.models import Blob
    from tests.documents.factories import make_document

    def make(
        content: bytes, content_type: str, file_name: str = "file", owner: Any = None, **fields: Any
    ) -> "Document":
        document = make_document(owner or admin, content=content, file_name=file_name, **fields)
        assert document.current_version is not None
        # What it was found to be when it came in.
        Blob.objects.filter(pk=document.current_version.blob_id).update(content_type=content_type)
        return type(document).objects.select_related("current_version__blob").get(pk=document.pk)

    return make


@pytest.fixture
def office() -> None:
    """Go on only where LibreOffice is installed."""
    from apps.documents import office as program

    if not program.is_installed():
        pytest.skip(
            "There is no LibreOffice: apt-get install libreoffice-writer-nogui libreoffice-calc-nogui"
        )
