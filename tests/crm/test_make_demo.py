"""The demo organization: made once, whole, and with logins only its machine's owner reads."""

import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.accounts.models import User
from apps.crm.models import Company, Deal, Person
from apps.events.models import Event
from tests.crm import factories

pytestmark = pytest.mark.django_db


def make(home: Path, settings: Any) -> str:
    settings.ARTEL_HOME = home
    output = StringIO()
    call_command("make_demo", small=True, if_empty=True, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_it_is_made_once(tmp_path: Path, settings: Any) -> None:
    assert "60 deals" in make(tmp_path, settings)
    counts = Company.objects.count(), Person.objects.count(), Deal.objects.count(), Event.objects.count()
    assert counts[:3] == (12, 30, 60)
    logins = tmp_path / "demo-logins.txt"
    before = logins.read_text()
    assert make(tmp_path, settings) == ""
    assert logins.read_text() == before
    assert counts[3] == Event.objects.count()


def test_deals_stand_everywhere_and_have_their_story(tmp_path: Path, settings: Any) -> None:
    make(tmp_path, settings)
    places = set(Deal.objects.values_list("stage__name", flat=True))
    assert places == {"Prospecting", "Engaging", "Proposal", "Negotiation", "Won", "Lost"}
    for deal in Deal.objects.select_related("stage"):
        assert deal.status == deal.stage.kind
        assert deal.transitions.count() > (deal.stage.name != "Prospecting")
        assert deal.transitions.latest("pk").at == deal.stage_entered_at


def test_one_login_of_each_role(tmp_path: Path, settings: Any) -> None:
    make(tmp_path, settings)
    logins = tmp_path / "demo-logins.txt"
    assert stat.S_IMODE(logins.stat().st_mode) == 0o600
    rows = [line.split(" ") for line in logins.read_text().splitlines()]
    assert [role for role, _email, _password in rows] == [
        "administrator",
        "sales_lead",
        "salesperson",
        "accountant",
        "auditor",
    ]
    for _role, email, password in rows:
        assert User.objects.get(email=email).check_password(password)


def test_nothing_is_mixed_into_real_data(tmp_path: Path, settings: Any) -> None:
    factories.make_company()
    assert make(tmp_path, settings) == ""
    assert not Deal.objects.exists()
    assert not (tmp_path / "demo-logins.txt").exists()
