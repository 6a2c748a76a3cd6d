"""
What may be done with an import: upload, correct, rehearse, apply, discard.

Rehearsing and applying are jobs; their steps are in :mod:`apps.crm.imports.steps`.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.imports import mapping as mappings
from apps.crm.imports import outfile
from apps.crm.imports.fields import ImportKind
from apps.crm.imports.kinds import KINDS, kind_of
from apps.crm.imports.reading import CORRECTABLE, Dialect, ReadError, look_at, storable
from apps.crm.imports.rights import require_import
from apps.crm.imports.selectors import issue_groups
from apps.crm.imports.uploading import checked_copy
from apps.crm.models import ImportBatch, ImportMapping, ImportReference, ImportRow
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title

State = ImportBatch.State
# What can still be corrected and rehearsed.
_EDITABLE = {State.UPLOADED, State.REHEARSED, State.FAILED, State.CANCELLED}


def upload_import(kind: str, file: IO[bytes], filename: str, *, actor: User, source: str = "") -> ImportBatch:
    """
    Take a file in: check that it can be read, keep it, and propose how its columns are understood.

    :param kind: "products", "users", "companies", "people" or "deals"
    :param source: the system that the file's external ids belong to
    :raises PermissionDenied: the actor may not import, or not add rows of this kind
    :raises ValidationError: the file cannot be read (code says why: "empty", "not_text", "too_large", …); nothing is kept
    """
    if kind not in KINDS:
        raise ValidationError(_("There is no such kind of import."), code="unknown_kind")
    what = kind_of(kind)
    require_import(actor, what)
    try:
        with checked_copy(file, filename, limit=settings.IMPORT_MAX_BYTES) as copy:
            found = look_at(copy.file, copy.dialect)
            remembered = _remembered(actor, kind, found.header)
            name = default_storage.save(
                f"imports/{timezone.now():%Y/%m}/{copy.sha256[:16]}{copy.suffix}", File(copy.file)
            )
    except ReadError as error:
        raise _refusal(error) from error
    proposed = remembered.mapping if remembered else mappings.propose(what, found.header)
    return ImportBatch.objects.create(
        kind=kind,
        owner=actor,
        created_by=actor,
        updated_by=actor,
        filename=filename[-255:],
        storage_name=name,
        size=copy.size,
        sha256=copy.sha256,
        dialect=found.dialect.as_json(),
        header=found.header,
        sample=found.sample,
        notices=found.notices,
        mapping=proposed,
        values=remembered.values if remembered else {},
        match_by=_default_match(what, proposed),
        options={"currency": settings.BASE_CURRENCY, "create_missing": []},
        source=(source or "import")[:64],
    )


@transaction.atomic
def correct_import(
    batch_id: int,
    *,
    actor: User,
    dialect: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    mode: str | None = None,
    match_by: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    source: str | None = None,
) -> ImportBatch:
    """
    Change how a file is understood; what was rehearsed before no longer counts. What is None stays as it is.

    :param dialect: some of "encoding", "delimiter", "date_format", "decimal", "sheet"; the file is looked at again
    :param mapping: {column: field key}, whole
    :param values: {field key: {value in the file: value meant}}, whole
    :param options: some of "currency", "create_missing"
    :raises ValidationError: the import is under way or done (code "import_not_editable"), a part of it is in already
        (code "partly_applied"), or what is given is wrong
    """
    batch = _locked(batch_id, actor)
    _must_be_editable(batch)
    kind = kind_of(batch.kind)
    if dialect is not None:
        _look_again(batch, dialect)
    if mapping is not None:
        batch.mapping = _checked_mapping(kind, batch.header, mapping)
        batch.match_by = [key for key in batch.match_by if key in batch.mapping.values()]
        batch.match_by = batch.match_by or _default_match(kind, batch.mapping)
    if values is not None:
        batch.values = _checked_values(kind, values)
    if mode is not None:
        batch.mode = _checked_mode(mode)
    if match_by is not None:
        batch.match_by = _checked_match(kind, batch.mapping, match_by)
    if options is not None:
        batch.options = batch.options | _checked_options(kind, options)
    if source is not None:
        batch.source = (source or "import")[:64]
    _forget_plan(batch)
    _save(batch, actor)
    _remember(batch)
    return batch


@transaction.atomic
def rehearse_import(batch_id: int, *, actor: User) -> Job:
    """
    Start the rehearsal: read the whole file and do everything an apply would, then take it back and keep the verdicts.

    :raises ValidationError: required fields have no column (code "required_unmapped"), the import is under way, or a
        part of it is in already (code "partly_applied")
    """
    batch = _locked(batch_id, actor)
    require_import(actor, kind_of(batch.kind))
    _must_be_editable(batch)
    must_be_mapped(batch)
    _forget_plan(batch)
    job = start_job(
        "crm.rehearse_import",
        actor=actor,
        title=Title(gettext_noop("Rehearsal of %(import)s"), {"import": batch.filename}),
        params={"batch": batch.pk},
    )
    batch.state = State.REHEARSING
    batch.rehearse_job = job
    _save(batch, actor)
    return job


@transaction.atomic
def replace_value(batch_id: int, *, actor: User, field: str, old: str, new: str) -> ImportBatch:
    """
    Mean `new` wherever the file says `old` in a field; takes effect with the next rehearsal.

    :raises ValidationError: the kind has no such field, or the import is under way
    """
    batch = _locked(batch_id, actor)
    values = {key: dict(replaced) for key, replaced in batch.values.items()}
    values.setdefault(field, {})[old] = new
    return correct_import(batch_id, actor=actor, values=values)


@transaction.atomic
def accept_suggestions(batch_id: int, *, actor: User, field: str | None = None) -> int:
    """
    Take the nearest existing value for every value that the rehearsal did not find, in one field or in all.

    Takes effect with the next rehearsal.

    :return: how many different values were replaced
    """
    batch = _locked(batch_id, actor)
    values = {key: dict(replaced) for key, replaced in batch.values.items()}
    taken = 0
    for group in issue_groups(batch, limit=None):
        if group.suggestion and group.value and field in (None, group.field):
            values.setdefault(group.field, {})[group.value] = group.suggestion
            taken += 1
    if taken:
        correct_import(batch_id, actor=actor, values=values)
    return taken


@transaction.atomic
def apply_import(batch_id: int, *, actor: User, skip_errors: bool = False) -> Job:
    """
    Start doing what the rehearsal showed, in chunks that each commit their rows.

    Also goes on with an apply that failed or was cancelled half-way, where it ended.

    :param skip_errors: leave out the rows that have errors; what goes on does so as it began
    :raises ValidationError: not rehearsed (code "not_rehearsed"), or rows have errors (code "has_errors")
    """
    batch = _locked(batch_id, actor)
    require_import(actor, kind_of(batch.kind))
    can_go_on = batch.state in {State.FAILED, State.CANCELLED} and bool(batch.applied_to)
    # What was decided was decided with the rights of whoever rehearsed: nobody does it with somebody else's.
    is_own = batch.updated_by_id == actor.pk
    if not is_own or not batch.plan_digest or not (batch.state == State.REHEARSED or can_go_on):
        raise ValidationError(_("Rehearse the import first."), code="not_rehearsed")
    skip_errors = skip_errors or (can_go_on and batch.skips_errors)
    if batch.counts.get("error") and not skip_errors:
        raise ValidationError(
            _("%(count)d rows have errors. Correct them, or leave them out."),
            code="has_errors",
            params={"count": batch.counts["error"]},
        )
    job = start_job(
        "crm.apply_import",
        actor=actor,
        title=Title(gettext_noop("Import of %(import)s"), {"import": batch.filename}),
        params={"batch": batch.pk},
        total=batch.counts.get("rows"),
    )
    batch.state = State.APPLYING
    batch.apply_job = job
    batch.skips_errors = skip_errors
    _save(batch, actor)
    return job


def write_error_file(batch_id: int, out: IO[bytes], *, actor: User) -> str:
    """
    Write the rows that have errors or were set aside to `out`, in the file's own columns and one more that says why.

    A corrected error file can be imported like the first. Cells that a spreadsheet would execute are made harmless.

    :return: the name to offer the file under; it ends in .xlsx or .csv as the upload did
    :raises ValidationError: the file's retention is over (code "import_expired")
    """
    batch = ImportBatch.objects.visible_to(actor).get(pk=batch_id)
    if not batch.storage_name:
        raise ValidationError(_("The file was removed, its retention being over."), code="import_expired")
    return outfile.write_errors(batch, out)


@transaction.atomic
def discard_import(batch_id: int, *, actor: User) -> None:
    """
    Throw an import away that was not applied, with its file and its rows.

    :raises ValidationError: it is under way, or was applied (code "import_not_editable"), or a part of it was (code
        "partly_applied"): what wrote rows stays on record
    """
    batch = _locked(batch_id, actor)
    _must_be_editable(batch)
    name = batch.storage_name
    _remove_rows(batch)
    batch.delete()
    transaction.on_commit(lambda: default_storage.delete(name))


def expire_imports() -> int:
    """
    Remove the files and rows of imports whose retention is over; what was imported, by whom and when, stays.

    :return: how many imports were cleared
    """
    before = timezone.now() - timedelta(days=settings.IMPORT_RETENTION_DAYS)
    old = ImportBatch.objects.filter(created_at__lt=before, expired_at=None).exclude(
        state__in=[State.REHEARSING, State.APPLYING]
    )
    return sum(_expire(pk) for pk in old.values_list("pk", flat=True)[:1000])


def clear_file(batch_id: int) -> None:
    """Remove the file of an import before its time, and the sample of it; the rows and what they did stay."""
    batch = ImportBatch.objects.select_for_update(of=("self",)).get(pk=batch_id)
    # First, so that no file outlives the record of it.
    if batch.storage_name:
        default_storage.delete(batch.storage_name)
    batch.storage_name = ""
    batch.sample = []
    batch.save(update_fields=["storage_name", "sample"])


def must_be_mapped(batch: ImportBatch) -> None:
    """
    Insist that every required field has a column.

    :raises ValidationError: some have none (code "required_unmapped")
    """
    missing = kind_of(batch.kind).required_missing(set(batch.mapping.values()))
    if missing:
        raise ValidationError(
            _("No column is matched to: %(fields)s."),
            code="required_unmapped",
            params={"fields": ", ".join(str(each.label) for each in missing)},
        )
    if batch.mode == ImportBatch.Mode.UPDATE and not batch.match_by:
        raise ValidationError(_("Say by which column known rows are recognized."), code="match_missing")


def _expire(pk: int) -> int:
    """Clear one import; returns 1 unless somebody else did."""
    with transaction.atomic():
        batch = ImportBatch.objects.select_for_update(skip_locked=True).filter(pk=pk, expired_at=None).first()
        if batch is None:
            return 0
        name = batch.storage_name
        _remove_rows(batch)
        batch.storage_name = ""
        batch.sample = []
        batch.plan_digest = ""
        batch.expired_at = timezone.now()
        batch.save()
    if name:
        default_storage.delete(name)
    return 1


def _refusal(error: ReadError) -> ValidationError:
    return ValidationError(str(error.message), code=error.code, params=error.params)


def _locked(batch_id: int, actor: User) -> ImportBatch:
    """Return an import of the actor's scope, locked. :raises DoesNotExist: out of scope"""
    batch = ImportBatch.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=batch_id)
    if not access.can(actor, "change", batch):
        raise PermissionDenied
    return batch


def _save(batch: ImportBatch, actor: User) -> None:
    batch.updated_by = actor
    batch.version += 1
    batch.save()


def _must_be_editable(batch: ImportBatch) -> None:
    if batch.state not in _EDITABLE:
        raise ValidationError(
            _("This import is %(state)s; it cannot be changed now."),
            code="import_not_editable",
            params={"state": batch.get_state_display()},
        )
    if batch.applied_to:
        # What is in would be read as known rows, or, without any key, as new ones; the plan knows which it wrote.
        raise ValidationError(
            _("A part of this import is in already. Go on with it, or upload the file anew."),
            code="partly_applied",
        )
    if not batch.storage_name:
        raise ValidationError(_("The file was removed, its retention being over."), code="import_expired")


def _forget_plan(batch: ImportBatch) -> None:
    """Drop what was rehearsed."""
    batch.state = State.UPLOADED
    batch.counts = {}
    batch.plan_digest = ""


def _remove_rows(batch: ImportBatch) -> None:
    ImportRow.objects.filter(batch=batch)._raw_delete(using="default")
    ImportReference.objects.filter(batch=batch)._raw_delete(using="default")


def _look_again(batch: ImportBatch, dialect: Mapping[str, Any]) -> None:
    """Read header and sample anew as `dialect` says. :raises ValidationError: it cannot be read so"""
    unknown = dialect.keys() - CORRECTABLE
    if unknown or not all(isinstance(value, str) for value in dialect.values()):
        # What the file is was found out when it was checked; nobody may have it read as something else.
        raise ValidationError(_("This cannot be set."), code="bad_dialect")
    try:
        wanted = Dialect.from_json(batch.dialect | dict(dialect), corrected=set(dialect))
        with default_storage.open(batch.storage_name, "rb") as file:
            found = look_at(file, wanted)
    except ReadError as error:
        raise _refusal(error) from error
    batch.dialect = found.dialect.as_json()
    batch.sample = found.sample
    batch.notices = found.notices
    if found.header != batch.header:
        batch.header = found.header
        batch.mapping = mappings.propose(kind_of(batch.kind), found.header)
        batch.match_by = _default_match(kind_of(batch.kind), batch.mapping)


def _default_match(kind: ImportKind, mapping: Mapping[str, str]) -> list[str]:
    return [key for key in kind.match_by if key in mapping.values()]


def _checked_mapping(kind: ImportKind, header: list[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that are imported. :raises ValidationError: an unknown column or field, or a field twice"""
    kept = {column: field for column, field in mapping.items() if field}
    for column, field in kept.items():
        if column not in header:
            raise ValidationError(
                _("The file has no column “%(column)s”."), code="unknown_column", params={"column": column}
            )
        _known_field(kind, field)
    if len(set(kept.values())) < len(kept):
        raise ValidationError(_("Two columns are matched to the same field."), code="field_twice")
    return kept


def _known_field(kind: ImportKind, field: str) -> None:
    if field not in kind.by_key:
        raise ValidationError(
            _("There is no field “%(field)s” here."), code="unknown_field", params={"field": field}
        )


def _checked_values(kind: ImportKind, values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    for field in values:
        _known_field(kind, field)
    return {
        field: {_text(old): _text(new) for old, new in pairs.items()}
        for field, pairs in values.items()
        if pairs
    }


def _text(value: str) -> str:
    """Return text as JSON columns can hold it: half of a surrogate pair is no character."""
    return storable(value.encode("utf-8", "replace").decode()).strip()


def _checked_mode(mode: str) -> str:
    if mode not in ImportBatch.Mode.values:
        raise ValidationError(_("There is no such mode."), code="unknown_mode")
    return mode


def _checked_match(kind: ImportKind, mapping: Mapping[str, str], match_by: Sequence[str]) -> list[str]:
    for field in match_by:
        _known_field(kind, field)
        if not kind.by_key[field].matches or field not in mapping.values():
            raise ValidationError(
                _("Rows cannot be recognized by “%(field)s”."),
                code="not_a_match_field",
                params={"field": kind.by_key[field].label},
            )
    return list(match_by)


def _checked_options(kind: ImportKind, options: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    if "currency" in options:
        currency = str(options["currency"]).strip().upper()
        if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
            raise ValidationError(
                _("“%(value)s” is not a currency code."), code="bad_currency", params={"value": currency}
            )
        checked["currency"] = currency
    if "create_missing" in options:
        wanted = options["create_missing"]
        if not isinstance(wanted, list | tuple):
            raise ValidationError(_("Say which fields in a list."), code="bad_options")
        checked["create_missing"] = sorted(
            each.key for each in kind.fields if each.creatable and each.key in wanted
        )
    return checked


def _remembered(actor: User, kind: str, header: list[str]) -> ImportMapping | None:
    """Return how the person matched this header last time; that of a file of errors has one column more."""
    digests = [mappings.header_digest(header), mappings.header_digest(header[:-1])]
    found = {
        each.header_digest: each
        for each in ImportMapping.objects.filter(owner=actor, kind=kind, header_digest__in=digests)
    }
    return next((found[digest] for digest in digests if digest in found), None)


def _remember(batch: ImportBatch) -> None:
    """Keep the columns and replacements for the next file with this header."""
    ImportMapping.objects.update_or_create(
        owner=batch.owner,
        kind=batch.kind,
        header_digest=mappings.header_digest(batch.header),
        defaults={"mapping": batch.mapping, "values": batch.values},
    )
