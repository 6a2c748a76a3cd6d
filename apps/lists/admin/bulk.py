"""Bulk changes in the admin: the action of every list, and one page with three steps for each change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, refusal_text
from apps.common.templatetags.artel import when
from apps.history.models import ChangeSet, Undo
from apps.jobs.models import Job
from apps.lists.admin.bulk_form import ChangeForm, given
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.selectors.bulk import chosen_lines, counted, declared, refusals_of, rows_of
from apps.lists.services import bulk as services

Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)
State, Verdict = BulkEdit.State, BulkRow.Verdict
ROWS_SHOWN = 25
STEPS = {
    "change": gettext_lazy("What to change"),
    "rehearsal": gettext_lazy("Rehearsal"),
    "apply": pgettext_lazy("the deed, not the order", "Change"),
}
# Verdict, its name among the counts, its color, and its words before and after.
_VERDICTS: list[tuple[str, str, str, Any, Any]] = [
    ("C", "changed", "update", gettext_lazy("to be changed"), gettext_lazy("changed")),
    ("S", "same", "unchanged", gettext_lazy("already so"), gettext_lazy("already so")),
    ("R", "refused", "error", gettext_lazy("refused"), gettext_lazy("refused")),
    ("X", "moved", "conflict", gettext_lazy("changed meanwhile"), gettext_lazy("changed meanwhile")),
    ("G", "gone", "gone", gettext_lazy("gone or out of reach"), gettext_lazy("gone or out of reach")),
]


@dataclass(frozen=True)
class Share:
    """How many rows have one verdict, and where their part of the bar begins."""

    key: str
    color: str
    text: Any
    count: int
    start: float
    share: float


@admin.action(description=gettext_lazy("Change…"))
def change_selected(
    model_admin: Any, request: HttpRequest, rows: models.QuerySet[Any]
) -> HttpResponse | None:
    """Keep the selected rows, all that match if so asked, and open the page on which their change is chosen."""
    return change_in_bulk(request, rows)


def change_in_bulk(
    request: HttpRequest, rows: models.QuerySet[Any], proposed: Mapping[str, Mapping[str, Any]] | None = None
) -> HttpResponse | None:
    """
    Lead from a list to the page on which a change of its rows is chosen, rehearsed and applied.

    :param proposed: what the form offers, as :func:`apps.lists.services.bulk.rehearse_bulk_edit` takes it
    :return: None where that was refused, which the list then says
    """
    try:
        edit = services.open_bulk_edit(rows, actor=actor_of(request), proposed=proposed)
    except Refusal as refusal:
        messages.error(request, refusal_text(refusal))
        return None
    return HttpResponseRedirect(_url(edit.pk))


def _is_offered(model_admin: Any, request: HttpRequest) -> bool:
    return services.may_open(model_admin.model, actor_of(request))


# The service asks the policy, once: counting a million rows takes its time.
change_selected.asks_policy = True  # type: ignore[attr-defined]
change_selected.is_offered = _is_offered  # type: ignore[attr-defined]
admin.site.add_action(change_selected, "bulk_change")


@admin.register(BulkEdit)
class BulkEditAdmin(ScopedModelAdmin):
    """Everything is done by :mod:`apps.lists.services.bulk`; this only asks and shows."""

    list_display = ("what", "changes_cell", "state_badge", "owner", "created")
    list_display_links = ("what",)
    list_filter = ("state",)
    list_select_related = ("owner",)
    ordering = ("-id",)
    actions = None
    empty_title = gettext_lazy("Change many rows at once")
    empty_text = gettext_lazy(
        "Select rows in a list, or all that match, and choose “Change…” below it. Each change is rehearsed first: "
        "you see what would become of every row before anything is written, and can undo it afterwards."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # One begins in a list, where the rows are.
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The page of a bulk change is never Django's form; its services ask for the right themselves.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    # The list

    @display(description=gettext_lazy("what"), ordering="model_label")
    def what(self, edit: BulkEdit) -> str:
        return counted(edit, edit.count)

    @display(description=gettext_lazy("changes"))
    def changes_cell(self, edit: BulkEdit) -> str:
        bulk = declared(edit)
        known = bulk.named(edit.changes) if bulk else {}
        labels = [str(known[key].label) for key in edit.changes if key in known]
        return ", ".join(labels) or "–"

    @display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, edit: BulkEdit) -> str:
        return render_to_string("admin/lists/bulk/state.html", {"edit": edit})

    @display(description=gettext_lazy("when"), ordering="-id")
    def created(self, edit: BulkEdit) -> str:
        return when(edit.created_at)

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        does = {"rehearse": self._rehearse, "apply": self._apply, "discard": self._discard}
        own = [
            path(f"<int:pk>/{name}/", view(self._posted(do)), name=f"lists_bulkedit_{name}")
            for name, do in does.items()
        ]
        own.append(path("<int:pk>/state/", view(self.state_view), name="lists_bulkedit_state"))
        return own + super().get_urls()

    def _posted(self, do: Callable[[HttpRequest, int], HttpResponse]) -> Callable[..., HttpResponse]:
        """Wrap what a form of the page does: what is refused is shown there, with what was sent kept."""

        @require_POST
        def posted(request: HttpRequest, pk: int) -> HttpResponse:
            self._edit(request, pk)
            try:
                with transaction.atomic():
                    return do(request, pk)
            except Refusal as refusal:
                return self._show(request, pk, refused=refusal)

        return posted

    def _edit(self, request: HttpRequest, pk: int) -> BulkEdit:
        rows = self.get_queryset(request).select_related("rehearse_job", "apply_job", "owner", "selection")
        edit = rows.filter(pk=pk).first()
        if edit is None:
            raise Http404
        return edit

    # What its forms do

    def _rehearse(self, request: HttpRequest, pk: int) -> HttpResponse:
        actor = actor_of(request)
        bulk = declared(self._edit(request, pk))
        if bulk is None:
            raise ValidationError(_("Rows of this kind can no longer be changed here."), code="unknown_kind")
        services.rehearse_bulk_edit(pk, given(bulk, request.POST, actor=actor), actor=actor)
        return HttpResponseRedirect(_url(pk))

    def _apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.apply_bulk_edit(pk, actor=actor_of(request))
        return HttpResponseRedirect(_url(pk))

    def _discard(self, request: HttpRequest, pk: int) -> HttpResponse:
        back = self._list_of(self._edit(request, pk)) or reverse("admin:lists_bulkedit_changelist")
        services.discard_bulk_edit(pk, actor=actor_of(request))
        messages.success(request, _("Thrown away. Nothing has been changed."))
        return HttpResponseRedirect(back)

    # The page

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self._show(request, int(object_id))

    def _show(self, request: HttpRequest, pk: int, refused: Exception | None = None) -> HttpResponse:
        edit = self._edit(request, pk)
        step = _step(edit, request, refused)
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "media": self.media,
            "original": edit,
            "title": _("Change %(what)s") % {"what": counted(edit, edit.count)},
            "edit": edit,
            "what": counted(edit, edit.count),
            "steps": _steps(edit, step),
            "step": step,
            "job": _job(edit),
            "list_url": self._list_of(edit),
            "can_edit": _can_edit(edit) and edit.owner_id == actor_of(request).pk,
            "chosen": chosen_lines(edit, actor=actor_of(request)),
            "refused": "" if refused is None or _by_key(refused) else refusal_text(refused),
        }
        panels: dict[str, Callable[[HttpRequest, BulkEdit, Exception | None], dict[str, Any]]] = {
            "change": self._change_panel,
            "rehearsal": self._rows_panel,
            "apply": self._apply_panel,
        }
        context |= panels[step](request, edit, refused)
        status = 422 if refused else 200
        return TemplateResponse(request, "admin/lists/bulk/page.html", context, status=status)

    def _list_of(self, edit: BulkEdit) -> str:
        try:
            return reverse(f"admin:{edit.model_label.replace('.', '_')}_changelist")
        except NoReverseMatch:
            return ""

    def _change_panel(
        self, request: HttpRequest, edit: BulkEdit, refused: Exception | None
    ) -> dict[str, Any]:
        bulk = declared(edit)
        if bulk is None:
            return {"form": None}
        form = ChangeForm(
            bulk,
            actor=actor_of(request),
            site=self.admin_site,
            stored=edit.changes,
            typed=request.POST if refused else None,
            errors=_by_key(refused),
        )
        return {"form": form, "media": self.media + form.media}

    def _rows_panel(
        self, request: HttpRequest, edit: BulkEdit, _refused: Exception | None = None
    ) -> dict[str, Any]:
        verdicts = _shares(edit)
        there = [each.key for each in verdicts]
        wanted = request.GET.get("rows", "")
        shown = wanted if wanted in there else (there[0] if there else "")
        after = request.GET.get("after", "")
        start = int(after) if after.isdecimal() and len(after) < 19 else 0
        rows = rows_of(edit, shown, actor=actor_of(request), after=start, limit=ROWS_SHOWN + 1)
        return {
            "verdicts": verdicts,
            "rows_verdict": shown,
            "rows": [{"row": row, "url": _row_url(edit, row.key)} for row in rows[:ROWS_SHOWN]],
            "next": rows[ROWS_SHOWN - 1].position if len(rows) > ROWS_SHOWN else None,
            "is_continued": bool(start),
            "reasons": refusals_of(edit) if edit.counts.get("refused") else [],
            "changed": counted(edit, edit.counts.get("changed", 0)) if edit.counts.get("changed") else "",
        }

    def _apply_panel(
        self, request: HttpRequest, edit: BulkEdit, _refused: Exception | None
    ) -> dict[str, Any]:
        change_set = services.change_set_of(edit)
        panel = self._rows_panel(request, edit) if edit.state == State.APPLIED else {}
        return panel | _history_of(change_set)

    def state_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Tell where a bulk change stands, for a page that waits for its job to end."""
        return JsonResponse({"state": self._edit(request, pk).state})


def _history_of(change_set: ChangeSet | None) -> dict[str, Any]:
    undo = Undo.objects.filter(change_set=change_set).first() if change_set else None
    return {"change_set": change_set, "undo": undo}


def _url(pk: int) -> str:
    return reverse("admin:lists_bulkedit_change", args=[pk])


def _row_url(edit: BulkEdit, key: int) -> str:
    try:
        return reverse(f"admin:{edit.model_label.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""


def _by_key(refused: Exception | None) -> Mapping[str, list[str]]:
    """Return what was refused under the change it was refused for."""
    is_by_key = isinstance(refused, ValidationError) and hasattr(refused, "error_dict")
    return refused.message_dict if is_by_key else {}  # type: ignore[union-attr]


def _can_edit(edit: BulkEdit) -> bool:
    return edit.state not in {State.REHEARSING, State.APPLYING, State.APPLIED} and not edit.applied_to


def _job(edit: BulkEdit) -> Job | None:
    """Return the job that was started last, which is the one that decides where the change stands."""
    jobs = [job for job in (edit.rehearse_job, edit.apply_job) if job is not None]
    return max(jobs, key=lambda job: job.pk, default=None)


def _reached(edit: BulkEdit) -> str:
    if edit.state == State.CHOOSING:
        return "change"
    if edit.state in {State.REHEARSING, State.REHEARSED}:
        return "rehearsal"
    if edit.state in {State.APPLYING, State.APPLIED}:
        return "apply"
    return "apply" if edit.apply_job is not None and _job(edit) == edit.apply_job else "rehearsal"


def _step(edit: BulkEdit, request: HttpRequest, refused: Exception | None) -> str:
    """Return the step to show: where something was refused, or what is asked for, else where the change stands."""
    if refused is not None and request.path.endswith("/rehearse/") and _can_edit(edit):
        return "change"
    here = _reached(edit)
    wanted = request.GET.get("step", "")
    is_open = wanted in STEPS and list(STEPS).index(wanted) <= list(STEPS).index(here)
    # What was rehearsed is still to be seen; a change that is done, or under way, is not chosen anew.
    return (
        wanted
        if is_open and (wanted != "change" or _can_edit(edit)) and edit.state != State.REHEARSING
        else here
    )


def _steps(edit: BulkEdit, shown: str) -> list[dict[str, Any]]:
    here = list(STEPS).index(_reached(edit))
    return [
        {
            "key": key,
            "title": title,
            "number": at + 1,
            "is_current": key == shown,
            "is_done": at < here or edit.state == State.APPLIED,
            "is_open": at <= here and (key != "change" or _can_edit(edit)),
        }
        for at, (key, title) in enumerate(STEPS.items())
    ]


def _shares(edit: BulkEdit) -> list[Share]:
    """Divide the rows by verdict, with the parts of a bar 100 wide; verdicts of no row are left out."""
    total = sum(edit.counts.values()) or 1
    found: list[Share] = []
    start = 0.0
    for key, name, color, before, after in _VERDICTS:
        count = edit.counts.get(name, 0)
        if count:
            share = 100 * count / total
            text = after if edit.state == State.APPLIED else before
            found.append(Share(key, color, text, count, start, share))
            start += share
    return found
