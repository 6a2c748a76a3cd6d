"""The real data set comes in file by file, and is undone: every table is as before, row by row."""

from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.crm.models import Deal, ImportBatch, StageTransition
from apps.crm.services import imports
from apps.history.models import ChangeSet
from apps.history.services.undoing import start_undo
from tests.crm.importing import DATA, apply, rehearse, upload
from tests.history.factories import everything, recorded, run_undo, set_of, whole_table

WHOLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "crm-sales-opportunities"

pytestmark = pytest.mark.django_db


def bring_in(kind: str, path: Path, actor: User) -> ChangeSet:
    """Import a file as one change set; what its cells meant is accepted."""
    source = "maven" if kind == "deals" else ""
    batch: ImportBatch = upload(kind, path.read_bytes(), actor=actor, source=source)
    batch = rehearse(batch, actor=actor)
    if kind == "deals":
        imports.accept_suggestions(batch.pk, actor=actor, field="product")
        batch = rehearse(batch, actor=actor)
    with recorded(actor, face="IMPORT", label=path.name) as work:
        batch = apply(batch, actor=actor)
    assert batch.state == ImportBatch.State.APPLIED
    return set_of(work)


def journey(files: dict[str, Path], admin: User) -> list[ChangeSet]:
    """Bring the files in and undo each, the last first; return their change sets."""
    before, tables, sets = [], [], []
    for kind, path in files.items():
        before.append(everything())
        # Rows that nobody but the import made are compared with every column.
        tables.append({label: whole_table(label) for label in ["crm.deal", "crm.product", "crm.company"]})
        sets.append(bring_in(kind, path, admin))
    assert Deal.objects.exists()
    for one, was, table in reversed(list(zip(sets, before, tables, strict=True))):
        undo = start_undo(one.pk, actor=admin)
        result = run_undo(undo)
        assert list(undo.conflicts.values_list("model", "kind", "detail")) == []
        assert result is not None
        assert everything() == was
        assert {label: whole_table(label) for label in table} == table
    assert not StageTransition.objects.exists()
    return sets


def test_a_sample_of_the_data_set(admin: User, creations: str) -> None:
    sets = journey(
        {kind: DATA / f"{kind}.csv" for kind in ["products", "users", "companies", "deals"]}, admin
    )
    # And back again: each undo is undone, and that undone once more.
    before = everything()
    for one in sets:
        redo = start_undo(ChangeSet.objects.get(reverts=one).pk, actor=admin)
        run_undo(redo)
        assert not redo.conflicts.exists()
    assert Deal.objects.exists()
    for one in reversed(sets):
        once_more = start_undo(ChangeSet.objects.get(reverts__reverts=one).pk, actor=admin)
        run_undo(once_more)
    assert everything() == before


@pytest.mark.slow
def test_the_whole_data_set(admin: User) -> None:
    if not WHOLE.is_dir():
        pytest.skip("the data set is not beside the checkout")
    names = {"products": "products.csv", "users": "sales_teams.csv", "companies": "accounts.csv"}
    files = {kind: WHOLE / name for kind, name in (names | {"deals": "sales_pipeline.csv"}).items()}
    journey(files, admin)
