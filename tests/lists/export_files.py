"""Exports made in a test as people make them, and their files read back."""

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.jobs import runner
from apps.lists.models import Export
from apps.lists.services.exports import request_export
from tests.crm import factories

COLUMNS = ["number", "title", "amount", "currency"]


def exporter(reach: str = "OWN", **more: str) -> User:
    """Make somebody who sells and may take deals, companies and people away."""
    exports = {f"crm.export_{model}": reach for model in ("deal", "company", "person")}
    grants = factories.salesperson_grants(reach) | exports | {"lists.view_export": "OWN"} | more
    return factories.join(factories.make_user(), factories.make_team(), factories.make_role(grants))


def ask(rows: QuerySet[Any], actor: User, columns: Sequence[str] = COLUMNS, **options: Any) -> Export:
    return request_export(rows, actor=actor, columns=list(columns), **options)


def work(export: Export) -> Export:
    """Do the job of an export in this process, unwatched: a watcher would not see this test's transaction."""
    assert export.job_id is not None
    with patch.object(runner._Watch, "_keep_watch"):
        runner.run(export.job_id)
    return Export.objects.select_related("job").get(pk=export.pk)


def exported(rows: QuerySet[Any], actor: User, columns: Sequence[str] = COLUMNS, **options: Any) -> Export:
    """Export rows to the end. Fails when the job does."""
    export = work(ask(rows, actor, columns, **options))
    assert export.job is not None
    assert export.job.state == "SUCCEEDED", export.job.error
    return export


def content(export: Export) -> bytes:
    with default_storage.open(export.storage_name, "rb") as file:
        return bytes(file.read())


def csv_rows(export: Export) -> list[list[str]]:
    text = content(export).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=export.separator))


def book(export: Export) -> Any:
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(content(export)))


def xlsx_rows(export: Export, sheet: int = 0) -> list[list[Any]]:
    return [list(row) for row in book(export).worksheets[sheet].iter_rows(values_only=True)]


def sheet_xml(export: Export) -> str:
    with zipfile.ZipFile(io.BytesIO(content(export))) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()
