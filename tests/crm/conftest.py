"""Who sells, in every test of the sales side."""

from typing import TYPE_CHECKING

import pytest

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import Team, User
    from apps.crm.models import Deal


@pytest.fixture
def team(db: None) -> "Team":
    from tests.crm import factories

    return factories.make_team("North")


@pytest.fixture
def anna(team: "Team") -> "User":
    """Sells in the team North, and sees her own rows."""
    from tests.crm import factories

    return factories.make_salesperson("Anna Sell", team)


@pytest.fixture
def boris(team: "Team") -> "User":
    """Sells in the same team, and sees his own rows."""
    from tests.crm import factories

    return factories.make_salesperson("Boris Sell", team)


@pytest.fixture
def lena(team: "Team") -> "User":
    """Leads the team North."""
    from tests.crm import factories

    return factories.make_lead("Lena Lead", team)


@pytest.fixture
def auditor(db: None) -> "User":
    """Sees everything and changes nothing."""
    from tests.crm import factories

    return factories.make_auditor()


@pytest.fixture
def admin(db: None) -> "User":
    from tests.crm import factories

    return factories.make_admin()


@pytest.fixture
def deal(anna: "User", team: "Team") -> "Deal":
    """Anna's open deal over 1,000 RUB, three days in Prospecting."""
    from tests.crm import factories

    return factories.make_deal("Forty desks", owner=anna, team=team)
