"""
What may be done with a bulk change: choose rows, choose the change, rehearse, apply, undo, discard.

Nothing is applied that was not rehearsed. Rehearsing and applying are jobs; their steps are in
:mod:`apps.lists.services.bulk_steps`.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.history.models import ChangeSet, Undo
from apps.history.services.undoing import start_undo, uid_of_job
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title, number_of
from apps.lists.bulk import bulk_of, is_registered
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.services.bulk_values import Stored, checked, stored
from apps.lists.services.selections import KEPT, freeze

State = BulkEdit.State
REHEARSE, APPLY = "lists.rehearse_bulk_edit", "lists.apply_bulk_edit"
_WORKING = {State.REHEARSING, State.APPLYING}


def may_open(model: type[models.Model], actor: User) -> bool:
    """Tell whether somebody may change rows of a model in bulk at all."""
    if not is_registered(model) or not access.can_any(actor, "add", BulkEdit):
        return False
    return access.can_any(actor, bulk_of(model._meta.label_lower).action, model)


@transaction.atomic
def open_bulk_edit(
    rows: models.QuerySet[Any], *, actor: User, face: str = "ADMIN", proposed: Stored | None = None
) -> BulkEdit:
    """
    Remember which rows are to be changed: those of a queryset that the actor sees and may change, as of now.

    :param face: "ADMIN" or "API"
    :param proposed: what to offer as the change, which the person still says
    :raises PermissionDenied: the actor may not change such rows in bulk
    :raises ValidationError: none is theirs to change ("nothing_selected"), or there are too many ("too_many_rows")
    """
    if not may_open(rows.model, actor):
        raise PermissionDenied
    label = rows.model._meta.label_lower
    # Within the limit a count is cheap, and above it nobody asks.
    seen = rows.filter(access.scope(actor, "view", rows.model)).order_by()
    chosen = seen.values("pk")[: settings.BULK_EDIT_MAX_ROWS + 1].count()
    selection = freeze(rows, actor=actor, action=bulk_of(label).action, at_most=settings.BULK_EDIT_MAX_ROWS)
    return BulkEdit.objects.create(
        owner=actor,
        selection=selection,
        model_label=label,
        count=selection.count,
        out_of_reach=max(chosen - selection.count, 0),
        changes=proposed or {},
        face=face,
    )


@transaction.atomic
def rehearse_bulk_edit(edit_id: int, changes: Stored, *, actor: User) -> Job:
    """
    Say what to change, and start the rehearsal: everything an apply would do, taken back, with a verdict for each row.

    Asking for the same once more while it is being rehearsed is asking once.

    :param changes: {key of a change: {"how": …, "value": …}}
    :raises DoesNotExist: there is no such bulk change of the actor's
    :raises ValidationError: what is chosen is refused, under its key; or the bulk change is under way or done
        ("bulk_edit_not_editable"), or its time is over ("bulk_edit_expired")
    """
    edit = _locked(edit_id, actor)
    wanted = stored(checked(bulk_of(edit.model_label), changes, actor=actor))
    if edit.state == State.REHEARSING and edit.rehearse_job and edit.changes == wanted:
        return edit.rehearse_job
    _must_be_editable(edit)
    edit.changes = wanted
    edit.counts = {}
    edit.plan_digest = ""
    edit.state = State.REHEARSING
    edit.rehearse_job = start_job(
        REHEARSE,
        actor=actor,
        title=Title(
            gettext_noop("Rehearsal: change of %(what)s"),
            {"what": number_of(apps.get_model(edit.model_label), edit.count)},
        ),
        params={"edit": edit.pk},
        total=edit.count,
    )
    edit.save()
    return edit.rehearse_job


@transaction.atomic
def apply_bulk_edit(edit_id: int, *, actor: User) -> Job:
    """
    Start doing what the rehearsal showed, in chunks that each commit their rows. Asking twice is asking once.

    :raises DoesNotExist: there is no such bulk change of the actor's
    :raises ValidationError: it is not rehearsed ("not_rehearsed"), or no row would change ("nothing_to_do")
    """
    edit = _locked(edit_id, actor)
    if edit.state in {State.APPLYING, State.APPLIED} and edit.apply_job:
        return edit.apply_job
    if edit.state != State.REHEARSED or not edit.plan_digest:
        raise ValidationError(_("Rehearse the change first."), code="not_rehearsed")
    if not edit.counts.get("changed"):
        raise ValidationError(_("No row would change."), code="nothing_to_do")
    edit.state = State.APPLYING
    edit.apply_job = start_job(
        APPLY,
        actor=actor,
        title=Title(
            gettext_noop("Change of %(what)s"),
            {"what": number_of(apps.get_model(edit.model_label), edit.counts["changed"])},
        ),
        params={"edit": edit.pk},
        total=edit.counts["changed"],
    )
    edit.save()
    return edit.apply_job


@transaction.atomic
def undo_bulk_edit(edit_id: int, *, actor: User) -> Undo:
    """
    Take back what a bulk change has changed, as a job; asking twice is asking once.

    :raises DoesNotExist: there is no such bulk change of the actor's
    :raises ValidationError: it has changed nothing ("nothing_changed"), or history refuses
    """
    edit = _locked(edit_id, actor)
    change_set = change_set_of(edit)
    if change_set is None:
        raise ValidationError(_("Nothing has been changed by this."), code="nothing_changed")
    done = Undo.objects.filter(change_set=change_set, actor=actor).first()
    return done or start_undo(change_set.pk, actor=actor)


def change_set_of(edit: BulkEdit) -> ChangeSet | None:
    """Return what history knows a bulk change as; None while it has changed nothing."""
    if edit.apply_job_id is None:
        return None
    return ChangeSet.objects.filter(uid=uid_of_job(edit.apply_job_id)).first()


@transaction.atomic
def discard_bulk_edit(edit_id: int, *, actor: User) -> None:
    """
    Forget a bulk change that has changed nothing.

    :raises ValidationError: it is under way, or has changed rows ("bulk_edit_not_editable")
    """
    edit = _locked(edit_id, actor)
    _must_be_editable(edit)
    _remove_rows(edit)
    selection = edit.selection
    edit.delete()
    if selection is not None:
        selection.delete()


def expire_bulk_edits() -> int:
    """
    Remove the rows of old bulk changes, and those altogether that came to nothing; what was changed stays on record.

    :return: how many were cleared
    """
    old = BulkEdit.objects.filter(created_at__lt=timezone.now() - KEPT - timedelta(days=1))
    idle = old.exclude(state__in=_WORKING).filter(models.Exists(_rows_of(models.OuterRef("pk"))))
    cleared = 0
    for edit in [*idle[:100], *old.filter(state=State.CHOOSING)[:1000]]:
        with transaction.atomic():
            _remove_rows(edit)
            if edit.state == State.CHOOSING:
                edit.delete()
        cleared += 1
    return cleared


def _locked(edit_id: int, actor: User) -> BulkEdit:
    """
    Return a bulk change of the actor's own, locked.

    :raises DoesNotExist: out of scope
    :raises PermissionDenied: the actor may change none
    :raises ValidationError: it is somebody else's ("not_yours")
    """
    edit = (
        BulkEdit.objects.visible_to(actor)
        .select_for_update(of=("self",))
        .select_related("rehearse_job", "apply_job", "selection")
        .get(pk=edit_id)
    )
    if not access.can(actor, "change", edit):
        raise PermissionDenied
    if edit.owner_id != actor.pk:
        # What was rehearsed was rehearsed with the rights of its owner.
        raise ValidationError(_("Only whoever chose these rows goes on with their change."), code="not_yours")
    return edit


def _must_be_editable(edit: BulkEdit) -> None:
    if edit.state in _WORKING or edit.state == State.APPLIED or edit.applied_to:
        raise ValidationError(
            _("This bulk change is %(state)s; it cannot be changed now."),
            code="bulk_edit_not_editable",
            params={"state": edit.get_state_display()},
        )
    if edit.selection is None:
        raise ValidationError(_("Choose the rows again: this was too long ago."), code="bulk_edit_expired")


def _rows_of(edit: Any) -> models.QuerySet[BulkRow]:
    return BulkRow.objects.filter(edit=edit)


def _remove_rows(edit: BulkEdit) -> None:
    _rows_of(edit)._raw_delete(using="default")
