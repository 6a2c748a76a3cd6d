"""A document that is sent out, and people who are asked."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.documents.models import Document


@pytest.fixture
def seller(db: None) -> "User":
    from tests.accounts.factories import make_member, make_team

    return make_member(make_team("North"), "salesperson", "Selma Seller")


@pytest.fixture
def contract(seller: "User") -> "Document":
    from tests.documents.factories import kind, make_document

    return make_document(seller, "Supply of pumps", b"%PDF-1.7 the contract", type=kind("contract"))


@pytest.fixture
def tomorrow() -> "object":
    return timezone.now() + timedelta(days=1)
