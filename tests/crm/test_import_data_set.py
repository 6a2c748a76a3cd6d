"""The real CRM data set, as people would bring it in: its dirt is said, one call corrects it, the sums hold."""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Count, Sum

from apps.accounts.models import Membership, Team, User
from apps.crm.imports.selectors import issue_groups
from apps.crm.models import Company, Deal, ImportBatch, Product
from apps.crm.services import imports
from apps.jobs.kinds import Step
from tests.crm.importing import DATA, apply, counts, rehearse, take_steps, upload

WHOLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "crm-sales-opportunities"


def _bring_in(kind: str, path: Path, actor: User) -> ImportBatch:
    return apply(
        rehearse(upload(kind, path.read_bytes(), actor=actor, name=path.name), actor=actor), actor=actor
    )


def _figures(path: Path) -> tuple[dict[str, int], Decimal, int, int]:
    """Count from the file: rows by stage, the sum of what was won, rows without company, rows that say GTXPro."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    won = sum((Decimal(row["close_value"]) for row in rows if row["deal_stage"] == "Won"), Decimal(0))
    return (
        dict(Counter(row["deal_stage"] for row in rows)),
        won,
        sum(not row["account"] for row in rows),
        sum(row["product"] == "GTXPro" for row in rows),
    )


def _journey(directory: Path, names: dict[str, str], admin: User) -> None:
    files = {kind: directory / name for kind, name in names.items()}
    assert counts(_bring_in("products", files["products"], admin)) == {"rows": 7, "create": 7}
    assert counts(_bring_in("users", files["users"], admin)) == {"rows": 35, "create": 35}
    assert counts(_bring_in("companies", files["companies"], admin)) == {"rows": 85, "create": 85}
    by_stage, won, without_company, misnamed = _figures(files["deals"])

    batch = upload("deals", files["deals"].read_bytes(), actor=admin, source="maven")
    assert batch.dialect["date_format"] == "%m/%d/%Y"
    assert set(batch.mapping.values()) == {
        *("external_id", "owner", "product", "company", "stage", "opened_date", "closed_date", "amount")
    }
    batch = rehearse(batch, actor=admin)
    (group,) = issue_groups(batch)
    assert (group.value, group.suggestion, group.count) == ("GTXPro", "GTX Pro", misnamed)
    assert imports.accept_suggestions(batch.pk, actor=admin, field="product") == 1
    batch = apply(rehearse(batch, actor=admin), actor=admin)
    total = sum(by_stage.values())
    assert counts(batch) == {"rows": total, "create": total}
    assert dict(Deal.objects.values_list("stage__name").annotate(Count("pk"))) == by_stage
    assert Deal.objects.filter(status="WON").aggregate(sum=Sum("amount"))["sum"] == won
    assert Deal.objects.filter(company=None).count() == without_company
    assert Deal.objects.filter(lines__product__name="GTX Pro").count() == misnamed

    for kind, path in files.items():
        again = upload(kind, path.read_bytes(), actor=admin, source="maven" if kind == "deals" else "")
        again = rehearse(again, actor=admin)
        assert counts(again) == {"rows": again.counts["rows"], "unchanged": again.counts["rows"]}


def test_a_sample_of_the_data_set_and_its_dirt(admin: User) -> None:
    names = {kind: f"{kind}.csv" for kind in ["products", "users", "companies", "deals"]}
    _journey(DATA, names, admin)
    assert Company.objects.get(name="Codehow").parent == Company.objects.get(name="Acme Corporation")
    assert Company.objects.get(name="Acme Corporation").annual_revenue == Decimal("1100.04")
    assert Product.objects.get(name="GTK 500").currency == "RUB"
    moses = User.objects.get(name="Moses Frase")
    assert (moses.email, moses.has_usable_password()) == (None, False)
    membership = Membership.objects.get(user=moses)
    assert membership.team.name == "Dustin Brinkmann"
    assert membership.team.parent == Team.objects.get(name="Central", parent=None)
    assert membership.role.key == "salesperson"
    head = Membership.objects.get(user__name="Dustin Brinkmann")
    assert (head.team, head.role.key) == (membership.team, "sales_lead")
    assert set(Deal.objects.filter(owner=moses).values_list("team", flat=True)) == {membership.team.pk}


@pytest.mark.slow
def test_the_whole_data_set(admin: User) -> None:
    if not WHOLE.is_dir():
        pytest.skip("the data set is not beside the checkout")
    names = {
        "products": "products.csv",
        "users": "sales_teams.csv",
        "companies": "accounts.csv",
        "deals": "sales_pipeline.csv",
    }
    _journey(WHOLE, names, admin)
    assert dict(Deal.objects.values_list("stage__name").annotate(Count("pk"))) == {
        "Won": 4238,
        "Lost": 2473,
        "Engaging": 1589,
        "Prospecting": 500,
    }
    assert Deal.objects.filter(status="WON").aggregate(sum=Sum("amount"))["sum"] == 10_005_534
    assert Deal.objects.filter(company=None).count() == 1425
    assert Deal.objects.filter(lines__product__name="GTX Pro").count() == 1480


def test_progress_is_told_in_rows(admin: User) -> None:
    batch = upload("products", (DATA / "products.csv").read_bytes(), actor=admin)
    job = imports.rehearse_import(batch.pk, actor=admin)
    take_steps(job, most=1)
    step = take_steps(job)
    assert isinstance(step, Step)
    assert (step.done, step.total) == (7, 7)
    assert step.result is not None
    assert step.result["counts"]["create"] == 7
