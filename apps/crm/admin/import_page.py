"""What the import page shows: the steps, the columns, what a rehearsal found, and the words for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.crm.imports.fields import FieldType, ImportField
from apps.crm.imports.kinds import KINDS
from apps.crm.imports.reading import DATE_FORMATS, DELIMITERS, ENCODINGS
from apps.crm.imports.selectors import (
    fields_of,
    issue_groups,
    notices,
    required_unmapped,
    row_errors,
    sample_rows,
)
from apps.crm.models import ImportBatch, ImportRow
from apps.crm.selectors import import_choices, is_mapping_remembered
from apps.jobs.models import Job

State = ImportBatch.State
STEPS = ("file", "columns", "rehearsal", "apply")
# Sample values under a column's name: enough to recognize it by, few enough for one line.
SAMPLES = 4
# Groups of issues on the page; the error file has every row.
GROUPS_SHOWN = 50
ROWS_SHOWN = 15

STEP_TITLES: dict[str, str | Promise] = {
    "file": gettext_lazy("File"),
    "columns": gettext_lazy("Columns"),
    "rehearsal": gettext_lazy("Rehearsal"),
    "apply": gettext_lazy("Import"),
}
KIND_TEXTS: dict[str, str | Promise] = {
    "products": gettext_lazy("What you sell, with prices"),
    "users": gettext_lazy("Colleagues, managers and offices"),
    "companies": gettext_lazy("Customers and whose part they are"),
    "people": gettext_lazy("Contacts, with e-mail and phone"),
    "deals": gettext_lazy("Opportunities, open and closed"),
    "leads": gettext_lazy("Who has written to you and may buy"),
}
# The list in which what was imported is seen.
KIND_LISTS = {
    "products": "admin:crm_product_changelist",
    "users": "admin:accounts_user_changelist",
    "companies": "admin:crm_company_changelist",
    "people": "admin:crm_person_changelist",
    "deals": "admin:crm_deal_changelist",
    "leads": "admin:crm_lead_changelist",
}
# Words that change with the number in most languages, so each kind has whole sentences.
_COUNTED: dict[str, Callable[[int], str]] = {
    "products": lambda n: ngettext("%(count)s product", "%(count)s products", n),
    "users": lambda n: ngettext("%(count)s user", "%(count)s users", n),
    "companies": lambda n: ngettext("%(count)s company", "%(count)s companies", n),
    "people": lambda n: ngettext("%(count)s person", "%(count)s people", n),
    "deals": lambda n: ngettext("%(count)s deal", "%(count)s deals", n),
    "leads": lambda n: ngettext("%(count)s lead", "%(count)s leads", n),
}
ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with BOM",
    "cp1251": "Windows-1251",
    "cp1252": "Windows-1252",
    "utf-16": "UTF-16",
}
DELIMITER_NAMES: dict[str, str | Promise] = {
    ",": gettext_lazy("Comma  ,"),
    ";": gettext_lazy("Semicolon  ;"),
    "\t": gettext_lazy("Tab"),
    "|": gettext_lazy("Bar  |"),
}
DATE_NAMES = {
    "%Y-%m-%d": "2026-12-31",
    "%d.%m.%Y": "31.12.2026",
    "%d/%m/%Y": "31/12/2026",
    "%m/%d/%Y": "12/31/2026",
}
DECIMAL_NAMES = {".": "1234.50", ",": "1234,50"}


def counted(kind: str, count: int) -> str:
    """Say "8,800 deals"."""
    return _COUNTED[kind](count) % {"count": number(count)}


def kinds_for(user: User) -> list[dict[str, Any]]:
    """List what `user` may import, with a line that says what it is."""
    return [
        {"key": kind.key, "title": ImportBatch.Kind(kind.key).label, "text": KIND_TEXTS[kind.key]}
        for kind in KINDS.values()
        if access.can_any(user, "add", kind.model) and access.can_any(user, "change", kind.model)
    ]


@dataclass(frozen=True)
class Step:
    """One of the four steps, as the line at the top shows it."""

    key: str
    title: str | Promise
    number: int
    is_current: bool
    is_done: bool
    is_open: bool


def latest_job(batch: ImportBatch) -> Job | None:
    """Return the job that was started last, which is the one that decides where the import stands."""
    jobs = [job for job in (batch.rehearse_job, batch.apply_job) if job is not None]
    return max(jobs, key=lambda job: job.pk, default=None)


def reached(batch: ImportBatch) -> str:
    """Return the step at which an import stands."""
    if batch.state == State.UPLOADED:
        return "columns"
    if batch.state in {State.REHEARSING, State.REHEARSED}:
        return "rehearsal"
    if batch.state in {State.APPLYING, State.APPLIED}:
        return "apply"
    return "apply" if batch.apply_job is not None and latest_job(batch) == batch.apply_job else "rehearsal"


def step_shown(batch: ImportBatch, wanted: str) -> str:
    """Return the step to show: the one asked for where it has been reached already, else the one it stands at."""
    here = reached(batch)
    return wanted if wanted in STEPS and STEPS.index(wanted) <= STEPS.index(here) else here


def steps_of(batch: ImportBatch | None, shown: str) -> list[Step]:
    """List the four steps; nothing is uploaded yet where `batch` is None."""
    here = STEPS.index(reached(batch)) if batch else 0
    is_applied = batch is not None and batch.state == State.APPLIED
    return [
        Step(
            key=key,
            title=title,
            number=at + 1,
            is_current=key == shown,
            is_done=at < here or is_applied,
            is_open=batch is not None and at <= here,
        )
        for at, (key, title) in enumerate(STEP_TITLES.items())
    ]


def page_of(
    batch: ImportBatch, shown: str, verdict: str, *, actor: User, typed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """
    Collect what the page of one import shows at a step.

    :param verdict: of which verdict rows are shown; "" for the one that matters most
    :param typed: what was sent and refused, to be shown again
    """
    page: dict[str, Any] = {
        "batch": batch,
        "steps": steps_of(batch, shown),
        "step": shown,
        "can_edit": not batch.applied_to
        and batch.state not in {State.REHEARSING, State.APPLYING, State.APPLIED}
        and not batch.expired_at,
        "job": latest_job(batch),
        "facts": file_facts(batch),
    }
    page |= _PANELS[shown](batch, verdict, typed or {})
    if page["can_edit"] and page.get("groups"):
        page["choices"] = import_choices(batch, {group.field for group in page["groups"]}, actor)
    return page


def file_facts(batch: ImportBatch) -> list[tuple[str, str]]:
    """Say how the file is read, as pairs of a word and its value."""
    dialect = batch.dialect
    facts = [(_("Format"), dialect.get("format", "").upper())]
    if dialect.get("format") == "xlsx":
        facts.append((_("Sheet"), dialect.get("sheet", "")))
    else:
        encoding = dialect.get("encoding", "")
        facts.append((_("Encoding"), ENCODING_NAMES.get(encoding, encoding)))
        delimiter = dialect.get("delimiter", "")
        facts.append((_("Delimiter"), str(DELIMITER_NAMES.get(delimiter, delimiter))))
    date_format = dialect.get("date_format", "")
    facts.append((_("Dates"), DATE_NAMES.get(date_format, date_format)))
    facts.append((_("Numbers"), DECIMAL_NAMES.get(dialect.get("decimal", ""), "")))
    return facts


def _file_panel(batch: ImportBatch, _verdict: str, typed: Mapping[str, str]) -> dict[str, Any]:
    dialect = batch.dialect | {key: value for key, value in typed.items() if key in batch.dialect}
    settings_ = [
        ("date_format", _("Dates are written like"), [(key, DATE_NAMES[key]) for key in DATE_FORMATS]),
        ("decimal", _("Numbers are written like"), list(DECIMAL_NAMES.items())),
    ]
    if dialect["format"] == "xlsx":
        sheets = [(name, name) for name in dialect["sheets"]]
        settings_.insert(0, ("sheet", _("Sheet"), sheets))
    else:
        delimiters = [(key, str(DELIMITER_NAMES[key])) for key in DELIMITERS]
        encodings = [(key, ENCODING_NAMES[key]) for key in ENCODINGS]
        settings_[:0] = [("encoding", _("Encoding"), encodings), ("delimiter", _("Delimiter"), delimiters)]
    return {
        "dialect_fields": [
            {"key": key, "label": label, "value": dialect[key], "choices": choices}
            for key, label, choices in settings_
        ],
        "notices": notices(batch),
        "preview": [row[: len(batch.header)] for row in batch.sample[:6]],
    }


def _columns_panel(batch: ImportBatch, _verdict: str, typed: Mapping[str, str]) -> dict[str, Any]:
    fields = fields_of(batch.kind)
    mapping = typed_mapping(batch, typed) if "columns" in typed else batch.mapping
    match_by = set(batch.match_by)
    return {
        "fields": fields,
        "columns": [
            {"index": at, "name": name, "samples": _samples(batch, at), "field": mapping.get(name, "")}
            for at, name in enumerate(batch.header)
        ],
        "missing": required_unmapped(batch),
        "is_remembered": is_mapping_remembered(batch),
        "notices": notices(batch),
        "replacements": replacements(batch),
        "modes": [{"key": key, "label": label} for key, label in ImportBatch.Mode.choices],
        "mode": typed.get("mode", batch.mode),
        "matches": [{"field": each, "is_on": each.key in match_by} for each in fields if each.matches],
        "creatable": [
            {"field": each, "is_on": each.key in batch.options.get("create_missing", [])}
            for each in fields
            if each.creatable
        ],
        "currency": typed.get("currency", batch.options.get("currency", settings.BASE_CURRENCY)),
        "has_money": any(each.key == "currency" for each in fields),
    }


def typed_mapping(batch: ImportBatch, typed: Mapping[str, str]) -> dict[str, str]:
    """Read the chosen field of each column: columns are numbered in forms, for a header can hold anything."""
    return {name: typed.get(f"column-{at}", "") for at, name in enumerate(batch.header)}


def _samples(batch: ImportBatch, at: int) -> list[str]:
    seen = dict.fromkeys(row[at] for row in batch.sample if at < len(row) and row[at].strip())
    return list(seen)[:SAMPLES]


def replacements(batch: ImportBatch) -> list[dict[str, str | Promise]]:
    """List which values of the file mean other values."""
    labels = {each.key: each.label for each in fields_of(batch.kind)}
    return [
        {"field": field, "label": labels.get(field, field), "old": old, "new": new}
        for field, pairs in batch.values.items()
        for old, new in pairs.items()
    ]


@dataclass(frozen=True)
class Verdict:
    """How many rows have one verdict, and where their part of the bar begins."""

    key: str
    name: str
    text: str | Promise
    count: int
    start: float
    share: float


_VERDICTS: list[tuple[str, str, str | Promise, str | Promise]] = [
    ("C", "create", gettext_lazy("to be created"), gettext_lazy("created")),
    ("U", "update", gettext_lazy("to be changed"), gettext_lazy("changed")),
    ("S", "unchanged", gettext_lazy("unchanged"), gettext_lazy("unchanged")),
    ("E", "error", gettext_lazy("with errors"), gettext_lazy("left out")),
    ("X", "conflict", gettext_lazy("changed meanwhile"), gettext_lazy("changed meanwhile")),
]


def verdicts_of(batch: ImportBatch) -> list[Verdict]:
    """Divide an import's rows by verdict, with the parts of a bar 100 wide; verdicts of no row are left out."""
    total = batch.counts.get("rows") or 1
    is_done = batch.state == State.APPLIED
    found: list[Verdict] = []
    start = 0.0
    for key, name, before, after in _VERDICTS:
        count = batch.counts.get(name, 0)
        if count:
            share = 100 * count / total
            found.append(Verdict(key, name, after if is_done else before, count, start, share))
            start += share
    return found


def _rehearsal_panel(batch: ImportBatch, verdict: str, _typed: Mapping[str, str]) -> dict[str, Any]:
    if batch.state not in {State.REHEARSED, State.APPLIED} or not batch.counts:
        return {}
    counts = batch.counts
    errors = counts.get("error", 0)
    writes = counts.get("create", 0) + counts.get("update", 0)
    groups = issue_groups(batch, limit=GROUPS_SHOWN + 1) if errors else []
    return {
        "verdicts": verdicts_of(batch),
        "checked": counted(batch.kind, counts.get("rows", 0)),
        "writes": writes,
        "errors": errors,
        "apply_label": apply_label(batch),
        "groups": groups[:GROUPS_SHOWN],
        "has_more_groups": len(groups) > GROUPS_SHOWN,
        "suggested": sum(group.count for group in groups if group.suggestion),
        "suggestion_groups": sum(1 for group in groups if group.suggestion),
        "replacements": replacements(batch),
    } | _rows(batch, verdict)


def apply_label(batch: ImportBatch) -> str:
    """Say in numbers what applying will do."""
    new, changed = batch.counts.get("create", 0), batch.counts.get("update", 0)
    if new and changed:
        text = _("Import %(new)s, change %(changed)s")
        return text % {"new": counted(batch.kind, new), "changed": number(changed)}
    if changed:
        return _("Change %(what)s") % {"what": counted(batch.kind, changed)}
    return _("Import %(what)s") % {"what": counted(batch.kind, new)}


_NUMBERS = {FieldType.INTEGER, FieldType.DECIMAL}


def _rows(batch: ImportBatch, verdict: str) -> dict[str, Any]:
    """Show rows of the verdict that is asked for, else of the first of errors, new and changed ones that has any."""
    there = {each.key for each in verdicts_of(batch)}
    shown = verdict if verdict in there else next((key for key in "EXCUS" if key in there), "")
    keys = set(batch.mapping.values())
    fields = [each for each in fields_of(batch.kind) if each.key in keys]
    rows = sample_rows(batch, verdict=shown, limit=ROWS_SHOWN) if shown else []
    return {
        "rows_verdict": shown,
        "row_fields": [{"label": each.label, "is_number": each.type in _NUMBERS} for each in fields],
        "rows": [_row(row, fields) for row in rows],
    }


def _row(row: ImportRow, fields: list[ImportField]) -> dict[str, Any]:
    errors = row_errors(row)
    wrong = {error["field"]: error for error in errors}
    return {
        "line": row.line,
        "cells": [
            {
                "value": _shown(row.data.get(each.key)),
                "error": wrong.pop(each.key, None),
                "is_number": each.type in _NUMBERS,
            }
            for each in fields
        ],
        # What concerns the row as a whole, or a field that has no column.
        "errors": list(wrong.values()),
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)


def _apply_panel(batch: ImportBatch, _verdict: str, _typed: Mapping[str, str]) -> dict[str, Any]:
    counts = batch.counts
    return {
        "verdicts": verdicts_of(batch) if batch.state == State.APPLIED else [],
        "made": counted(batch.kind, counts.get("create", 0)) if counts.get("create") else "",
        "changed": counted(batch.kind, counts.get("update", 0)) if counts.get("update") else "",
        "left_out": counts.get("error", 0) + counts.get("conflict", 0),
        "list_url_name": KIND_LISTS[batch.kind],
        "kind_title": ImportBatch.Kind(batch.kind).label,
    }


_PANELS: dict[str, Callable[[ImportBatch, str, Mapping[str, str]], dict[str, Any]]] = {
    "file": _file_panel,
    "columns": _columns_panel,
    "rehearsal": _rehearsal_panel,
    "apply": _apply_panel,
}


def summary(batch: ImportBatch) -> str:
    """Say in a line what came of an import so far, for the list."""
    return " · ".join(f"{number(each.count)} {each.text}" for each in verdicts_of(batch))
