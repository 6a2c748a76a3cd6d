"""`manage.py import_data`: the same without a browser and without a worker."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.crm.models import Company, Deal, ImportBatch, Product
from tests.crm import factories
from tests.crm.importing import DATA

pytestmark = pytest.mark.django_db


def run(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """Call the command; return its summary and its exit code."""
    out = StringIO()
    code = 0
    try:
        call_command("import_data", *[str(argument) for argument in arguments], stdout=out)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return json.loads(out.getvalue()), code


def test_the_data_set_needs_one_correction_and_nothing_else() -> None:
    for kind in ["products", "users", "companies"]:
        summary, code = run(kind, DATA / f"{kind}.csv", "--apply", "--json")
        assert (code, summary["applied"], summary["errors"]) == (0, True, 0)
    summary, code = run("deals", DATA / "deals.csv", "--apply")
    assert (code, summary["applied"], summary["errors"], summary["rows"]) == (1, False, 13, 60)
    (issue,) = summary["issues"]
    assert (issue["field"], issue["value"], issue["suggestion"], issue["count"]) == (
        *("product", "GTXPro", "GTX Pro", 13),
    )
    assert not Deal.objects.exists()
    summary, code = run("deals", DATA / "deals.csv", "--apply", "--map", "product:GTXPro=GTX Pro")
    assert (code, summary["created"], summary["applied"]) == (0, 60, True)
    summary, code = run("deals", DATA / "deals.csv", "--apply", "--accept-suggestions")
    assert (code, summary["unchanged"], summary["created"], summary["updated"]) == (0, 60, 0, 0)


def test_a_rehearsal_writes_nothing_but_its_own_record() -> None:
    summary, code = run("products", DATA / "products.csv")
    assert (code, summary["created"], summary["applied"]) == (0, 7, False)
    assert not Product.objects.exists()
    assert ImportBatch.objects.get(pk=summary["import_id"]).state == "REHEARSED"


def test_rows_with_errors_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("Name,Price\nA,1\nB,x\n")
    summary, code = run("products", file, "--apply")
    assert (code, summary["applied"], summary["errors"]) == (1, False, 1)
    assert not Product.objects.exists()
    summary, code = run("products", file, "--apply", "--skip-errors", "--currency", "eur")
    assert (code, summary["applied"], summary["created"]) == (1, True, 1)
    assert Product.objects.get().currency == "EUR"


def test_columns_values_and_the_actor_can_be_named(tmp_path: Path, admin: User) -> None:
    file = tmp_path / "a.csv"
    file.write_text("What;Name\nAcme;ignored\nBeta;ignored\n")
    summary, _code = run(
        *(
            "companies",
            file,
            "--map",
            "What=name",
            "--value",
            "name:Beta=Gamma",
            "--as",
            str(admin.email),
            "--apply",
        )
    )
    assert summary["created"] == 2
    assert set(Company.objects.values_list("name", "created_by")) == {("Acme", admin.pk), ("Gamma", admin.pk)}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["products", "/nowhere.csv"], "/nowhere.csv: No such file"),
        (["products", DATA / "products.csv", "--map", "nonsense"], "is not COLUMN=FIELD"),
        (["products", DATA / "products.csv", "--value", "name=x"], "is not FIELD:OLD=NEW"),
        (["products", DATA / "products.csv", "--as", "nobody@example.org"], "no user nobody@example.org"),
        (["products", DATA / "products.csv", "--map", "Nope=name"], "no column “Nope”"),
        (["people", DATA / "products.csv"], "No column is matched to"),
    ],
)
def test_what_cannot_be_is_one_clear_line(arguments: list[str | Path], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        run(*arguments)
    assert not ImportBatch.objects.exists()


def test_who_may_not_import_is_told_so() -> None:
    seller = factories.make_salesperson("Sells")
    with pytest.raises(CommandError, match="may not import products"):
        run("products", DATA / "products.csv", "--as", str(seller.email))
