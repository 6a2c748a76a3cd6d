"""Who keeps the books, in every test of money."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apps.accounts.models import User


@pytest.fixture
def berta(db: None) -> "User":
    """Keeps the books."""
    from tests.payments import factories

    return factories.make_accountant()
