"""
What may be done with an export: ask for it, download it, remove it.

The file is written by a job, whose steps are in :mod:`apps.lists.services.export_steps`.
"""

from collections.abc import Sequence
from typing import IO, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import F, QuerySet
from django.utils import formats, timezone
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from apps.accounts import access
from apps.accounts.models import User
from apps.events.services import publish
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title, kind
from apps.lists import events
from apps.lists.exporting.columns import columns_for, is_exportable
from apps.lists.models import Export, SelectedRow
from apps.lists.services.export_files import kept_for, remove_files
from apps.lists.services.selections import freeze

JOB_KIND = "lists.export"
SEPARATORS = (",", ";", "\t")


def may_export(actor: User, model: type[models.Model]) -> bool:
    """Tell whether `actor` may take away rows of a model at all."""
    return is_exportable(model) and all(
        access.can_any(actor, action, kind)
        for action, kind in (("view", model), ("export", model), ("view", Export))
    )


def exportable(rows: QuerySet[Any], actor: User) -> QuerySet[Any]:
    """Keep the rows that `actor` may take away: those they see and may export."""
    return rows.filter(access.scope(actor, "view", rows.model), access.scope(actor, "export", rows.model))


def default_separator(language: str) -> str:
    """Return what separates cells for spreadsheets that speak a language: a comma, unless that is in numbers."""
    return ";" if formats.get_format("DECIMAL_SEPARATOR", language) == "," else ","


@transaction.atomic
def request_export(
    rows: QuerySet[Any],
    *,
    actor: User,
    columns: Sequence[str],
    format: str = Export.Format.XLSX,  # noqa: A002 - what people call it
    language: str | None = None,
    style: str = Export.Style.LOCAL,
    separator: str = "",
    has_bom: bool = True,
) -> Export:
    """
    Freeze which rows a queryset holds now, and start writing them to a file.

    What the file holds is asked of the policy again, row by row and name by name, when it is written.

    :param rows: in the order of the file; rows that the actor may not see and export are left out
    :param columns: keys of columns, in order
    :param language: of headings and words; the actor's own if None
    :param separator: of CSV; what spreadsheets in that language expect if empty
    :raises PermissionDenied: the actor may not export such rows
    :raises ValidationError: nothing or too much is chosen, a column or an option is unknown, or too many exports of
        the actor are under way (code "too_many_exports")
    """
    model = rows.model
    if not may_export(actor, model):
        raise PermissionDenied(_("You may not take such rows away as a file."))
    language = language or actor.locale or settings.LANGUAGE_CODE
    separator = separator or default_separator(language)
    _must_be_known(format, style, language, separator)
    _must_be_columns(actor, model, columns)
    _must_have_room(actor)
    selection = freeze(
        exportable(rows, actor), actor=actor, action="export", at_most=settings.EXPORT_MAX_ROWS
    )
    export = Export.objects.create(
        owner=actor,
        selection=selection,
        model_label=model._meta.label_lower,
        format=format,
        columns=list(columns),
        language=language,
        style=style,
        separator=separator,
        has_bom=has_bom,
        filename=_filename(model, format, language),
        chosen=selection.count,
        expires_at=timezone.now() + kept_for(),
    )
    title = Title(gettext_noop("Export: %(rows)s"), {"rows": kind(model)})
    params = {"export": export.pk}
    export.job = start_job(JOB_KIND, actor=actor, title=title, params=params, total=selection.count)
    export.save(update_fields=["job"])
    publish(events.EXPORT_REQUESTED, export.pk, events.export_data(export), actor_id=actor.pk)
    return export


def open_download(export_id: int, *, actor: User) -> tuple[Export, IO[bytes]]:
    """
    Open the file of an export for its owner, and record that it was taken.

    :raises Export.DoesNotExist: the actor cannot see such an export
    :raises PermissionDenied: it is somebody else's, or the actor may no longer export such rows
    :raises ValidationError: there is no file yet (code "export_not_ready"), its time is over (code "export_expired"),
        or it is lost (code "export_missing")
    """
    with transaction.atomic():
        export = _locked(export_id, actor)
        # Whoever sees the record may know whether there is a file.
        _must_be_there(export)
        _must_be_own(export, actor)
        model = model_of(export)
        if model is None or not may_export(actor, model):
            raise PermissionDenied(_("You may no longer take such rows away as a file."))
        try:
            file = default_storage.open(export.storage_name, "rb")
        except OSError as error:
            message = _("The file is not where it was put. Export the rows again.")
            raise ValidationError(message, code="export_missing") from error
        Export.objects.filter(pk=export.pk).update(downloads=F("downloads") + 1)
        export.downloads += 1
        publish(events.EXPORT_DOWNLOADED, export.pk, events.export_data(export), actor_id=actor.pk)
    return export, file


@transaction.atomic
def remove_export(export_id: int, *, actor: User) -> Export:
    """
    Remove the file of an export before its time; the record of it stays.

    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: it is being written (code "export_not_ready")
    """
    export = _locked(export_id, actor)
    if export.finished_at is None:
        raise ValidationError(
            _("The file is still being written. Cancel that first."), code="export_not_ready"
        )
    _must_be_own(export, actor)
    if export.expired_at is None:
        _remove(export)
    return export


def expire_exports() -> int:
    """Remove files, parts and selections of exports whose time is over. :return: how many exports were cleared"""
    old = Export.objects.filter(expires_at__lt=timezone.now(), expired_at=None).exclude(
        job__state__in=[Job.State.QUEUED, Job.State.RUNNING]
    )
    return sum(_expire(pk) for pk in list(old.values_list("pk", flat=True)[:1000]))


def clear_exports(export_ids: Sequence[int]) -> int:
    """Remove files, parts and selections of exports before their time, whoever's they are. :return: how many"""
    return sum(_expire(pk, waits=True) for pk in export_ids)


@transaction.atomic
def _expire(pk: int, *, waits: bool = False) -> int:
    """Clear one export; returns 1 unless somebody else does."""
    rows = Export.objects.select_for_update(of=("self",), skip_locked=not waits)
    export = rows.filter(pk=pk, expired_at=None).first()
    if export is None:
        return 0
    _remove(export)
    return 1


def model_of(export: Export) -> type[models.Model] | None:
    """Return the model of the rows; None when there is no such model any more."""
    try:
        return apps.get_model(export.model_label)
    except (LookupError, ValueError):
        return None


def _remove(export: Export) -> None:
    """Remove what a locked export holds: the file first, so that no file outlives the record of it."""
    remove_files(export)
    export.parts.all().delete()
    selection = export.selection
    export.storage_name = ""
    export.selection = None
    export.expired_at = timezone.now()
    export.save(update_fields=["storage_name", "selection", "expired_at"])
    if selection is not None:
        SelectedRow.objects.filter(selection=selection)._raw_delete("default")
        selection.delete()


def _locked(export_id: int, actor: User) -> Export:
    rows = Export.objects.visible_to(actor).select_for_update(of=("self",))
    return rows.get(pk=export_id)


def _must_be_there(export: Export) -> None:
    if export.finished_at is None or (not export.storage_name and export.expired_at is None):
        raise ValidationError(_("There is no file yet."), code="export_not_ready")
    if not export.is_available():
        raise ValidationError(_("The file has been removed: its time is over."), code="export_expired")


def _must_be_own(export: Export, actor: User) -> None:
    if export.owner_id != actor.pk:
        raise PermissionDenied(_("Only whoever asked for a file gets it."))


def _must_be_known(format_: str, style: str, language: str, separator: str) -> None:
    known = (
        format_ in Export.Format.values
        and style in Export.Style.values
        and language in dict(settings.LANGUAGES)
        and separator in SEPARATORS
    )
    if not known:
        raise ValidationError(_("There is no such way to write a file."), code="unknown_option")


def _must_be_columns(actor: User, model: type[models.Model], columns: Sequence[str]) -> None:
    if not columns:
        raise ValidationError(_("Choose at least one column."), code="no_columns")
    unknown = [key for key in columns if key not in columns_for(actor, model)]
    if unknown or len(set(columns)) != len(columns):
        message = _("There is no such column, or it is chosen twice: %(columns)s.")
        params = {"columns": ", ".join(unknown or columns)[:200]}
        raise ValidationError(message, code="unknown_column", params=params)


def _must_have_room(actor: User) -> None:
    under_way = Export.objects.filter(owner=actor, finished_at=None, expired_at=None).count()
    if under_way >= settings.EXPORT_MAX_AT_ONCE:
        message = _("%(count)d exports of yours are being written. Wait for one to end, or cancel it.")
        raise ValidationError(message, code="too_many_exports", params={"count": under_way})


def _filename(model: type[models.Model], format_: str, language: str) -> str:
    with override(language):
        name = slugify(str(model._meta.verbose_name_plural), allow_unicode=True) or model._meta.model_name
        return f"{capfirst(name)}-{timezone.localdate():%Y-%m-%d}.{format_}"
