"""History in the admin: the story of every row, what each change set did, undo, and how much is kept."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.faces.admin import ScopedModelAdmin, call_service, refusal_text
from apps.accounts.models import User
from apps.common.templatetags.artel import when
from apps.history.models import ChangeSet, Conflict, Undo
from apps.history.selectors import conflicts as conflict_selectors
from apps.history.selectors import sets, stories, titles
from apps.history.selectors import size as size_selectors
from apps.history.selectors.authors import LastAuthors
from apps.history.selectors.words import Words
from apps.history.services import undoing
from apps.history.tracking import tracked

# Conflicts on one page of an undo: each is a small table of its own.
CONFLICTS_SHOWN = 50
Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


def _number(text: str) -> int:
    """Return a number from an address or a form; 0, which is nothing's, where it is none that a row can have."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _actor(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


# The story of a row


def row_story(
    model_admin: Any, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
) -> HttpResponse:
    """Show what happened to a row, to whoever may see it."""
    row = model_admin.get_object(request, unquote(object_id))
    if row is None:
        missing: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, object_id
        )
        return missing
    if not model_admin.has_view_permission(request, row):
        raise PermissionDenied
    actor = _actor(request)
    before = request.GET.get("before", "")
    story = stories.story(row, actor=actor, before=_number(before) or None)
    context = model_admin.admin_site.each_context(request) | {
        "opts": model_admin.opts,
        "original": row,
        "title": gettext("History: %(row)s") % {"row": row},
        "is_recorded": tracked(row._meta.label_lower) is not None,
        "story": story,
        "undoable": undoing.undoable([entry.change_set for entry in story.entries], actor=actor),
        "back_url": reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]),
    }
    return TemplateResponse(request, "admin/history/row.html", context | (extra_context or {}))


# The base class of all rows' pages stands below this app and knows nothing of it.
ScopedModelAdmin.history_view = row_story
ScopedModelAdmin.authors = staticmethod(LastAuthors)  # type: ignore[method-assign]


@admin.register(ChangeSet)
class ChangeSetAdmin(ScopedModelAdmin):
    """What was done, as one line each; a page tells what a change set did to which rows."""

    list_display = ("what", "who", "through", "happened", "state")
    list_display_links = ("what",)
    list_filter = ("face", "actor")
    list_select_related = ("actor", "impersonator", "reverts", "reverted_by")
    ordering = ("-id",)
    actions = None
    empty_title = _("Everything that is changed is kept here")
    empty_text = _(
        "Each request, import or other job makes one entry, with all the rows it changed. From here it can be "
        "looked at, and undone."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=_("what"))
    def what(self, change_set: ChangeSet) -> str:
        return change_set.label or getattr(change_set, "title", "") or titles.in_short(change_set)

    @display(description=_("who"), ordering="actor")
    def who(self, change_set: ChangeSet) -> str:
        name = str(change_set.actor or gettext("The system"))
        if change_set.impersonator is None:
            return name
        return gettext("%(impersonator)s as %(name)s") % {
            "impersonator": change_set.impersonator,
            "name": name,
        }

    @display(description=_("through"), ordering="face")
    def through(self, change_set: ChangeSet) -> str:
        return change_set.get_face_display()

    @display(description=_("when"), ordering="-id")
    def happened(self, change_set: ChangeSet) -> str:
        return when(change_set.at)

    @display(description=_("state"))
    def state(self, change_set: ChangeSet) -> str:
        text = _state(change_set)
        return format_html('<span class="art-badge art-badge-warn">{}</span>', text) if text else ""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        titles.attach(changes.result_list, actor=_actor(request))
        return changes

    # Pages

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("size/", view(self.size_view), name="history_size"),
            path("<int:pk>/undo/", view(self.undo_view), name="history_undo"),
            path("<int:pk>/undo/start/", view(require_POST(self.start_view)), name="history_undo_start"),
            path("<int:pk>/undo/decide/", view(require_POST(self.decide_view)), name="history_undo_decide"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        change_set = self._change_set(request, object_id)
        actor = _actor(request)
        context = self._context(request, change_set) | {
            "models": _linked(stories.told(change_set, actor=actor)),
            "can_undo": bool(undoing.undoable([change_set], actor=actor)),
        }
        return TemplateResponse(request, "admin/history/change_set.html", context | (extra_context or {}))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # History has none of its own.
        return HttpResponseRedirect(reverse("admin:history_changeset_change", args=[object_id]))

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._undo_page(request, self._change_set(request, pk))

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        change_set = self._change_set(request, pk)
        call_service(
            request,
            undoing.start_undo,
            change_set.pk,
            actor=_actor(request),
            reason=request.POST.get("reason", "").replace("\0", "").strip()[:500],
        )
        return HttpResponseRedirect(reverse("admin:history_undo", args=[pk]))

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep or put back one row, or all that are left."""
        undo = _undo_of(self._change_set(request, pk))
        if undo is None:
            raise Http404
        decide = _keep if request.POST.get("decision") == "keep" else _put_back
        chosen = request.POST.get("conflict", "")
        waiting = undo.conflicts.filter(outcome=Conflict.Outcome.OPEN).order_by("pk")
        if chosen != "all":
            waiting = waiting.filter(pk=_number(chosen))
        if chosen == "all":
            self._decide_all(request, undo, decide, waiting)
        else:
            self._decide(request, list(waiting), decide)
        return HttpResponseRedirect(f"{reverse('admin:history_undo', args=[pk])}#conflicts")

    def _decide_all(self, request: HttpRequest, undo: Undo, decide: Any, waiting: QuerySet[Conflict]) -> None:
        """Decide about all that are left: at once where they are few or nothing is written, else as a job."""
        actor = _actor(request)
        if decide is _keep:
            call_service(request, undoing.keep_rows, undo.pk, actor=actor)
        elif waiting.count() > CONFLICTS_SHOWN:
            call_service(request, undoing.put_back_rows, undo.pk, actor=actor)
        else:
            self._decide(request, list(waiting), decide)

    def _decide(
        self, request: HttpRequest, waiting: list[Conflict], decide: Callable[[HttpRequest, Conflict], None]
    ) -> None:
        refused: dict[str, int] = {}
        for conflict in waiting:
            try:
                with transaction.atomic():
                    decide(request, conflict)
            except Refusal as refusal:
                text = refusal_text(refusal)
                refused[text] = refused.get(text, 0) + 1
        for text, count in refused.items():
            messages.error(request, text if count == 1 else f"{text} ({count})")

    def _undo_page(self, request: HttpRequest, change_set: ChangeSet) -> HttpResponse:
        actor = _actor(request)
        undo = _undo_of(change_set)
        if not undoing.may_undo(change_set, actor) and (undo is None or undo.actor_id != actor.pk):
            raise PermissionDenied
        context = self._context(request, change_set) | {"undo": undo, "title": gettext("Undo")}
        if undo is None:
            against = undoing.refusal(change_set, actor=actor)
            context["refused"] = refusal_text(against) if against else ""
            context["previews"] = [] if against else _previews(change_set, actor)
            context["blocked_count"] = sum(len(preview["blocked"]) for preview in context["previews"])
        else:
            context |= _conflicts(undo, actor) | {"job": undo.job}
            context["made"] = ChangeSet.objects.filter(uid=undo.uid).first()
        return TemplateResponse(request, "admin/history/undo.html", context)

    def size_view(self, request: HttpRequest) -> HttpResponse:
        if not _actor(request).is_superuser:
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": gettext("Size of history"),
            "size": size_selectors.size(),
            "limits": size_selectors.limits(),
        }
        return TemplateResponse(request, "admin/history/size.html", context)

    def _change_set(self, request: HttpRequest, pk: int | str) -> ChangeSet:
        """Return a set that the person made, or that the policy shows them."""
        rows: QuerySet[ChangeSet] = ChangeSet.objects.visible_to(_actor(request))
        rows |= ChangeSet.objects.filter(actor=_actor(request))
        rows = rows.select_related("actor", "job", "reverts", "reverted_by")
        change_set = rows.filter(pk=_number(str(pk))).first()
        if change_set is None:
            raise Http404
        return change_set

    def _context(self, request: HttpRequest, change_set: ChangeSet) -> dict[str, Any]:
        actor = _actor(request)
        words = Words(actor)
        stories.expect_who(words, change_set)
        related = [one for one in (change_set.reverts, getattr(change_set, "reverted_by", None)) if one]
        titles.attach([change_set, *related], actor=actor)
        if getattr(change_set, "is_vague", False):
            change_set.title = titles.in_short(change_set)  # type: ignore[attr-defined]
        return self.admin_site.each_context(request) | {
            "opts": self.opts,
            "original": self.what(change_set),
            "title": self.what(change_set),
            "change_set": change_set,
            "who": stories.who(words, change_set),
            # What undid it, or what it undoes, may be somebody else's.
            "openable": sets.visible(related, actor=actor),
            "state": _state(change_set),
        }


def _state(change_set: ChangeSet) -> str:
    if getattr(change_set, "reverted_by", None) is not None:
        return gettext("undone")
    return gettext("an undo") if change_set.reverts_id else ""


def _undo_of(change_set: ChangeSet) -> Undo | None:
    found = Undo.objects.select_related("actor", "job").filter(change_set=change_set).first()
    if found is not None:
        found.change_set = change_set
    return found


def _keep(request: HttpRequest, conflict: Conflict) -> None:
    undoing.keep_row(conflict.pk, actor=_actor(request))


def _put_back(request: HttpRequest, conflict: Conflict) -> None:
    columns = request.POST.getlist("column") if "has_columns" in request.POST else None
    seen = request.POST.get("seen") or None
    undoing.put_back_row(conflict.pk, actor=_actor(request), columns=columns, seen=seen)


def _previews(change_set: ChangeSet, actor: User) -> list[dict[str, Any]]:
    found = []
    for preview in undoing.preview_undo(change_set, actor=actor):
        counts: dict[str, int] = {}
        for row in preview.blocked:
            label = str(Conflict.Kind(row.kind).label)
            counts[label] = counts.get(label, 0) + 1
        found.append(vars(preview) | {"name": stories.model_name(preview.label), "reasons": counts})
    return found


def _conflicts(undo: Undo, actor: User) -> dict[str, Any]:
    waiting = undo.conflicts.filter(outcome=Conflict.Outcome.OPEN)
    shown = conflict_selectors.show(
        list(waiting.select_related("undo").order_by("pk")[:CONFLICTS_SHOWN]), actor=actor
    )
    return {
        "conflicts": shown,
        "waiting": waiting.count(),
        "decided": undo.conflicts.exclude(outcome=Conflict.Outcome.OPEN).count(),
        "can_put_back_all": any(one.can_put_back for one in shown),
    }


def _linked(models: list[stories.ModelStory]) -> list[stories.ModelStory]:
    """Give each row that has a page its address."""
    for model in models:
        for row in model.rows:
            row.url = "" if row.kind == "deleted" else _url(row)
    return models


def _url(row: stories.RowStory) -> str:
    opts = row.model._meta
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.row_id])
    except NoReverseMatch:
        return ""
