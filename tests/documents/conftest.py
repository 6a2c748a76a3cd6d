"""What tests of documents start from."""

from typing import TYPE_CHECKING

import pytest

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import User


@pytest.fixture
def admin(db: None) -> "User":
    from tests.crm import factories

    return factories.make_admin()
