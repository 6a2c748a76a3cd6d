"""Who works with documents, in the tests of their pages and of REST."""

from typing import TYPE_CHECKING

import pytest

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import Team, User
    from apps.documents.models import Document


@pytest.fixture
def team(db: None) -> "Team":
    from tests.accounts.factories import make_team

    return make_team("North")


@pytest.fixture
def anna(team: "Team") -> "User":
    """Sells in the team North, and sees her own rows."""
    from tests.accounts.factories import make_member

    return make_member(team, "salesperson", "Anna Sell")


@pytest.fixture
def boris(team: "Team") -> "User":
    """Sells in the same team, and sees his own rows."""
    from tests.accounts.factories import make_member

    return make_member(team, "salesperson", "Boris Sell")


@pytest.fixture
def lena(team: "Team") -> "User":
    """Leads the team North."""
    from tests.accounts.factories import make_member

    return make_member(team, "sales_lead", "Lena Lead")


@pytest.fixture
def document(anna: "User", team: "Team") -> "Document":
    from tests.documents.factories import make_document

    return make_document(anna, "Lease of the office", b"one", team=team)
