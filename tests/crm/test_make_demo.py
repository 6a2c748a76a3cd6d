"""The demo organization: made once, whole, and with logins only its machine's owner reads."""

import stat
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.models import Letter, User
from apps.crm.events import DEAL_MOVED
from apps.crm.models import AutomationRule, AutomationRun, Company, CustomField, Deal, Person
from apps.crm.services.automation_runs import run_rules
from apps.documents.belonging import documents_of
from apps.documents.models import (
    Document,
    Folder,
    Generation,
    LegalEntity,
    ShareLink,
    SignatureRequest,
)
from apps.documents.services import blobs
from apps.documents.services.verifying_signatures import verify_signatures
from apps.events.models import Event
from apps.gateway.management import filling
from apps.history.models import Change, ChangeSet
from apps.jobs import runner
from apps.notifications.models import Task
from apps.payments.models import Invoice
from apps.payments.services.verifying import verify_ledger
from tests.crm import factories

pytestmark = pytest.mark.django_db


def make(home: Path, settings: Any) -> str:
    settings.ARTEL_HOME = home
    output = StringIO()
    # Unwatched: a watcher would not see this test's transaction.
    with patch.object(runner._Watch, "_keep_watch"):
        call_command("make_demo", small=True, if_empty=True, stdout=output, stderr=StringIO())
    return output.getvalue()


def assert_deals_stand_everywhere_and_have_their_story() -> None:
    places = set(Deal.objects.values_list("stage__name", flat=True))
    assert places == {"Prospecting", "Engaging", "Proposal", "Negotiation", "Won", "Lost"}
    for deal in Deal.objects.select_related("stage"):
        assert deal.status == deal.stage.kind
        assert deal.transitions.count() > (deal.stage.name != "Prospecting")
        assert deal.transitions.latest("pk").at == deal.stage_entered_at


def assert_companies_and_deals_have_papers() -> None:
    assert Document.objects.count() == 1 + 2 * 12 + 2 * 15 + 3
    for company in Company.objects.all():
        papers = documents_of("crm.company", company.pk, actor=company.owner or User.objects.system())
        assert {paper.type.code for paper in papers} == {"file", "contract"}
        assert {paper.owner for paper in papers} == {company.owner}
    assert set(Folder.objects.values_list("name", flat=True)) >= {"Contracts", "2026", "Customers"}
    # Real files: a reader finds the page, and what it says.
    agreement = Document.objects.filter(type__code="contract").select_related("current_version__blob").first()
    assert agreement is not None
    assert agreement.current_version is not None
    with blobs.open_blob(agreement.current_version.blob) as file:
        data = file.read()
    start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    assert data.startswith(b"%PDF-1.4")
    assert data[start:].startswith(b"xref")
    assert b"(Framework agreement) Tj" in data


def assert_the_demos_own_company_has_written_papers_in_every_state() -> None:
    states = set(Document.objects.values_list("status", flat=True))
    assert states == {"DRAFT", "IN_REVIEW", "APPROVED", "SIGNED", "VOID"}
    signed = Document.objects.get(status="SIGNED")
    assert signed.number is not None
    assert verify_signatures() == 1
    assert SignatureRequest.objects.get().document == signed
    # Nobody outside is written to.
    assert not Letter.objects.exists()
    assert LegalEntity.objects.get().logo is not None
    assert ShareLink.objects.count() == 1
    # What is left to the workers: a Word letter of the company's own, and an invoice.
    waiting = Generation.objects.filter(job__state="QUEUED")
    assert sorted(waiting.values_list("template_version__template__code", flat=True)) == [
        "invoice",
        "order-confirmation",
    ]


def assert_what_was_won_is_invoiced_and_there_is_something_to_do() -> None:
    states = Counter(Invoice.objects.values_list("status", flat=True))
    assert states == {"PAID": 8, "OPEN": 12, "DRAFT": 4}
    today = timezone.localdate()
    assert Invoice.objects.filter(status="OPEN", due_date__lt=today).count() >= 4
    assert verify_ledger() == []
    assert Task.objects.filter(state="OPEN", due_at__lt=timezone.now()).exists()
    assert Task.objects.filter(state="DONE").count() == 1
    assert Task.objects.exclude(recurrence="").get().checklist


def assert_there_is_one_login_of_each_role(logins: Path) -> None:
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


def assert_rules_run_and_further_fields_are_filled_in() -> None:
    rules = AutomationRule.objects.order_by("pk")
    assert [(rule.is_active, rule.next_due_at is not None) for rule in rules] == [(True, False), (True, True)]
    assert {str(rule.owner.email).partition("@")[0] for rule in rules if rule.owner} == {"maria"}
    assert CustomField.objects.count() == 3
    assert Company.objects.filter(custom__has_key="segment").count() == 9
    assert all(isinstance(deal.custom["desks"], str) for deal in Deal.objects.all())
    # What was told while the demo was made is not for rules that came after it.
    for event in Event.objects.filter(type=DEAL_MOVED.type):
        run_rules(event)
    assert not AutomationRun.objects.exists()


def test_the_demo_is_made_once_and_whole(tmp_path: Path, settings: Any) -> None:
    # One test for all that is read from it: to make it takes longer than everything else here.
    told = make(tmp_path, settings)
    assert "60 deals" in told
    assert "documents" in told
    counts = Company.objects.count(), Person.objects.count(), Deal.objects.count(), Event.objects.count()
    assert counts[:3] == (12, 30, 60)
    assert_deals_stand_everywhere_and_have_their_story()
    assert_rules_run_and_further_fields_are_filled_in()
    assert_companies_and_deals_have_papers()
    assert_the_demos_own_company_has_written_papers_in_every_state()
    assert_what_was_won_is_invoiced_and_there_is_something_to_do()
    logins = tmp_path / "demo-logins.txt"
    assert_there_is_one_login_of_each_role(logins)
    before = logins.read_text()
    assert make(tmp_path, settings) == ""
    assert logins.read_text() == before
    assert counts[3] == Event.objects.count()
    # And it is not filled up among real data.
    factories.make_company()
    with pytest.raises(CommandError, match="not the demo's"):
        fill(2_000, tmp_path, settings)
    assert Deal.objects.count() == 60


def test_nothing_is_mixed_into_real_data(tmp_path: Path, settings: Any) -> None:
    factories.make_company()
    assert make(tmp_path, settings) == ""
    assert not Deal.objects.exists()
    assert not (tmp_path / "demo-logins.txt").exists()


def fill(deals: int, home: Path, settings: Any) -> tuple[str, str]:
    settings.ARTEL_HOME = home
    told, refused = StringIO(), StringIO()
    call_command("make_demo", deals=deals, stdout=told, stderr=refused)
    return told.getvalue(), refused.getvalue()


@pytest.fixture
def unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """VACUUM does not run in a test's transaction."""
    monkeypatch.setattr(filling, "_settle", lambda: None)
    monkeypatch.setattr(filling, "BATCH", 700)


def assert_what_is_filled_in_is_what_services_would_have_made() -> None:
    now = datetime.now(UTC)
    years = set()
    for deal in (
        Deal.objects.select_related("stage", "person").prefetch_related("transitions").order_by("pk")[60:]
    ):
        years.add(deal.opened_date.year)
        steps = sorted(deal.transitions.all(), key=lambda step: step.pk)
        assert steps[0].from_stage_id is None
        assert [step.from_stage_id for step in steps[1:]] == [step.to_stage_id for step in steps[:-1]]
        assert steps[-1].to_stage_id == deal.stage_id
        assert steps[-1].at == deal.stage_entered_at <= now
        assert deal.created_at <= deal.stage_entered_at
        assert deal.person is None or deal.person.employments.get().company_id == deal.company_id
    assert len(years) >= 6
    assert set(Deal.objects.values_list("status", flat=True)) == {"OPEN", "WON", "LOST"}
    assert Deal.objects.values("owner").distinct().count() > 3


@pytest.mark.usefixtures("unsettled")
def test_it_is_filled_up_to_any_size(tmp_path: Path, settings: Any) -> None:
    told, _ = fill(2_000, tmp_path, settings)
    assert "760 of 2,000 deals" in told
    assert "Made 1,940 more deals." in told
    assert (Company.objects.count(), Person.objects.count(), Deal.objects.count()) == (206, 418, 2_000)
    batches = ChangeSet.objects.filter(label="make_demo --deals 2000")
    assert batches.count() == 3
    assert not Change.objects.filter(change_set__in=batches).exists()
    _told, refused = fill(1_500, tmp_path, settings)
    assert "There are 1,500 deals or more already." in refused
    assert Deal.objects.count() == 2_000
    # What comes afterwards is recorded as ever.
    company = factories.make_company()
    assert Change.objects.filter(about=f"crm.company:{company.pk}", op="I").exists()
    assert_what_is_filled_in_is_what_services_would_have_made()
