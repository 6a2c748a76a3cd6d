"""Who changes things, in every test of history."""

from typing import TYPE_CHECKING

import pytest

# Models load only once Django is set up, which is after this file.
if TYPE_CHECKING:
    from apps.accounts.models import Team, User


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
def boris() -> "User":
    """Sells in another team."""
    from tests.crm import factories

    return factories.make_salesperson("Boris Foreign", factories.make_team("South"))


@pytest.fixture
def admin(db: None) -> "User":
    from tests.crm import factories

    return factories.make_admin()


@pytest.fixture(params=["written", "by keys"])
def creations(request: pytest.FixtureRequest, db: None) -> str:
    """How created rows are recorded, once as single ones are and once as many are, however many there are."""
    from django.db import connection

    if request.param == "by keys":
        with connection.cursor() as cursor:
            cursor.execute(
                "create or replace function history_few() returns bigint language sql immutable parallel safe"
                " as 'select 0'"
            )
    return str(request.param)
