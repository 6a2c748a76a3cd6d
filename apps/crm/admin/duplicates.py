"""Rows that may be the same: on their page, while one is being written, and as a list; and the page that merges two."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.crm.admin.merge_form import differing_fields
from apps.crm.admin.pages import AroundPages
from apps.crm.admin.stories import may_see, standing
from apps.crm.duplicates import finding, pairs
from apps.crm.models import Company, ContactPoint, Deal, Duplicated, Person
from apps.crm.services import duplicates, merge_rules, merging
from apps.crm.timeline.reading import last_contact
from apps.history.context import current
from apps.history.models import ChangeSet

# What a page of the list of pairs holds.
_PAGE = 50
_MOST_CONTACTS = 20
# What the form of a new row says of it.
_TYPED = ("name", "given_name", "family_name", "tax_id", "country", "domain")


class MergeableAdmin(AroundPages):
    """
    Pages of rows that may stand twice.

    :cvar merge: the service that makes one row part of another
    """

    merge: Any

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"crm_{self.opts.model_name}"
        own = [
            path("duplicates/", view(require_GET(self.pairs_view)), name=f"{name}_duplicates"),
            path(
                "duplicates/search/", view(require_POST(self.search_view)), name=f"{name}_duplicates_search"
            ),
            path("duplicates/hint/", view(require_GET(self.hint_view)), name=f"{name}_duplicates_hint"),
            path("<int:object_id>/merge/", view(self.merge_view), name=f"{name}_merge"),
            path("<int:object_id>/dismiss/", view(require_POST(self.dismiss_view)), name=f"{name}_dismiss"),
        ]
        if self.model is Company:
            own.append(path("duplicates/", view(require_GET(self.pairs_view)), name="crm_duplicates"))
        return [*own, *super().get_urls()]

    # On the page of a row

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None and row.merged_into_id is not None:
            return self._gone(request, row)
        return super().change_view(request, object_id, form_url, extra_context)

    def _gone(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Lead from the address of a row that was merged to the one that it is part of by now."""
        target = merging.merged_into(row)
        if target is None or not may_see(actor_of(request), target):
            messages.warning(
                request, _("“%(row)s” has been merged into a row that you may not see.") % {"row": row}
            )
            return HttpResponseRedirect(self._list_url())
        messages.info(request, _("“%(row)s” has been merged into this.") % {"row": row})
        return HttpResponseRedirect(self._address_of(target.pk))

    def _address_of(self, pk: int) -> str:
        return reverse(f"admin:crm_{self.opts.model_name}_change", args=[pk])

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        is_asked = row.archived_at is None and self.may("change", request, row)
        actor = actor_of(request)
        found = finding.candidates(row, actor=actor) if is_asked else []
        name = str(self.opts.model_name)
        deals = Deal.objects.visible_to(actor).active().filter(**{name: row})
        return {
            **super().page_context(request, row),
            "standing": standing(deals),
            "deals_url": f"{reverse('admin:crm_deal_changelist')}?{name}__id__exact={row.pk}",
            "last_contact": last_contact(row, actor=actor),
            "candidates": found,
            "merge_url": f"admin:crm_{self.opts.model_name}_merge",
            "dismiss_url": f"admin:crm_{self.opts.model_name}_dismiss",
            "page_url": f"admin:crm_{self.opts.model_name}_change",
            "may_merge": row.archived_at is None and self.may("merge", request, row),
        }

    def dismiss_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Say that two rows are not the same, or take that back."""
        self._visible(request, object_id)
        other = _number(request.POST.get("other", ""))
        is_taken_back = request.POST.get("again") == "1"
        actor = actor_of(request)
        if is_taken_back:
            self._reconsider(request, object_id, other, actor)
        elif call_service(request, duplicates.dismiss_duplicate, self._model, object_id, other, actor=actor):
            messages.success(request, _("Remembered: these are not the same."))
        if request.POST.get("from") == "list":
            return HttpResponseRedirect(f"{self._pairs_url()}{'?dismissed=1' if is_taken_back else ''}")
        return HttpResponseRedirect(self._address_of(object_id))

    def _reconsider(self, request: HttpRequest, object_id: int, other: int, actor: User) -> None:
        def run() -> bool:
            duplicates.reconsider_duplicate(self._model, object_id, other, actor=actor)
            return True

        if call_service(request, run):
            messages.success(request, _("These two are looked at again."))

    @property
    def _model(self) -> type[Company] | type[Person]:
        model: Any = self.model
        return model

    def _visible(self, request: HttpRequest, pk: int) -> Any:
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    # While one is being written

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        hint = {"hint_url": reverse(f"admin:crm_{self.opts.model_name}_duplicates_hint")}
        response: HttpResponse = super().add_view(request, form_url, hint | (extra_context or {}))
        return response

    def hint_view(self, request: HttpRequest) -> HttpResponse:
        """Show what may be the same as what somebody is writing, as far as they see it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        values = {name: request.GET.get(name, "")[:300] for name in _TYPED}
        kinds, raws = request.GET.getlist("kind"), request.GET.getlist("raw")
        known = set(ContactPoint.Kind.values)
        written = [
            (kind, raw) for kind, raw in zip(kinds[:_MOST_CONTACTS], raws, strict=False) if kind in known
        ]
        found = finding.find(self._model, finding.probe_from(values, written), actor=actor_of(request))
        context = {"candidates": found, "page_url": f"admin:crm_{self.opts.model_name}_change"}
        return TemplateResponse(
            request, "admin/crm/duplicates/hint.html", context, headers={"Cache-Control": "no-store"}
        )

    # The list

    def pairs_view(self, request: HttpRequest) -> HttpResponse:
        """List the pairs that may be the same, of which the person sees both rows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        is_dismissed = request.GET.get("dismissed") == "1"
        start = _number(request.GET.get("from", ""))
        rows = list(pairs.pairs_for(actor, self._model, is_dismissed=is_dismissed)[start : start + _PAGE + 1])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Duplicates"),
            "pairs": pairs.with_rows(rows[:_PAGE], self._model),
            "tabs": self._tabs(request),
            "is_dismissed": is_dismissed,
            "next_from": start + _PAGE if len(rows) > _PAGE else None,
            "here": self._pairs_url(),
            "search_url": reverse(f"admin:crm_{self.opts.model_name}_duplicates_search"),
            "merge_url": f"admin:crm_{self.opts.model_name}_merge",
            "dismiss_url": f"admin:crm_{self.opts.model_name}_dismiss",
            "page_url": f"admin:crm_{self.opts.model_name}_change",
            "may_search": duplicates.may_search(actor),
            "may_merge": self.may("merge", request),
        }
        return TemplateResponse(request, "admin/crm/duplicates/list.html", context)

    def _pairs_url(self) -> str:
        return reverse(f"admin:crm_{self.opts.model_name}_duplicates")

    def _tabs(self, request: HttpRequest) -> list[dict[str, Any]]:
        return [
            {
                "title": pairs.MODELS[kind]._meta.verbose_name_plural,
                "url": reverse(f"admin:{kind.value.replace('.', '_')}_duplicates"),
                "is_here": pairs.MODELS[kind] is self.model,
            }
            for kind in Duplicated
            if access.can_any(actor_of(request), "view", pairs.MODELS[kind])
        ]

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Start a look through all rows, and lead to its job."""
        job = call_service(
            request,
            duplicates.search_duplicates,
            actor=actor_of(request),
            is_whole=bool(request.POST.get("whole")),
        )
        if job is None:
            return HttpResponseRedirect(self._pairs_url())
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))

    # Merging

    def merge_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show two rows side by side, and make the second part of the first."""
        winner = self._visible(request, object_id)
        if winner.merged_into_id is not None:
            return self._gone(request, winner)
        other = request.POST.get("with") or request.GET.get("with", "")
        loser = self._other(request, winner, other)
        if loser is None:
            return self._choose_other(request, winner)
        if loser.merged_into_id is not None:
            return self._gone(request, loser)
        for row, action in ((winner, "merge"), (loser, "merge"), (winner, "change"), (loser, "archive")):
            if not self.may(action, request, row):
                raise PermissionDenied(_("You may not merge these two."))
        fields = differing_fields(winner, loser, request.POST, actor=actor_of(request))
        if request.method == "POST" and self._run_merge(request, winner, loser, fields):
            return HttpResponseRedirect(self._address_of(winner.pk))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Merge two companies") if self.model is Company else _("Merge two people"),
            "winner": winner,
            "loser": loser,
            "versions": {
                "winner": request.POST.get("winner_version", winner.version),
                "loser": request.POST.get("loser_version", loser.version),
            },
            "fields": fields,
            "moving": merge_rules.moving(loser, actor=actor_of(request)),
            "here": request.path,
            "swap_url": f"{reverse(f'admin:crm_{self.opts.model_name}_merge', args=[loser.pk])}?with={winner.pk}",
            "page_url": f"admin:crm_{self.opts.model_name}_change",
        }
        return TemplateResponse(request, "admin/crm/duplicates/merge.html", context)

    def _other(self, request: HttpRequest, winner: Any, given: str) -> Any:
        pk = _number(given)
        return self.get_queryset(request).filter(pk=pk).exclude(pk=winner.pk).first() if pk else None

    def _choose_other(self, request: HttpRequest, winner: Any) -> HttpResponse:
        """Ask which row is to become part of this one: the likeliest, and those that a name is typed for."""
        if not self.may("merge", request, winner):
            raise PermissionDenied
        term = request.GET.get("q", "").strip()[:200]
        found: QuerySet[Any] = self.get_queryset(request).none()
        if term:
            found, _many = self.get_search_results(request, self.get_queryset(request), term)
            found = found.filter(archived_at=None).exclude(pk=winner.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Merge with…"),
            "winner": winner,
            "term": term,
            "candidates": finding.candidates(winner, actor=actor_of(request)),
            "found": found[:20],
            "here": request.path,
            "page_url": f"admin:crm_{self.opts.model_name}_change",
        }
        return TemplateResponse(request, "admin/crm/duplicates/choose.html", context)

    def _run_merge(self, request: HttpRequest, winner: Any, loser: Any, fields: list[Any]) -> bool:
        service = type(self).merge
        merged = call_service(
            request,
            service,
            winner.pk,
            loser.pk,
            actor=actor_of(request),
            choices={each.name: each.chosen for each in fields},
            expected_version=_number(request.POST.get("winner_version", "")),
            loser_version=_number(request.POST.get("loser_version", "")),
        )
        if merged is None:
            return False
        work = current()
        made = ChangeSet.objects.filter(uid=work.uid).first() if work is not None else None
        text = _("Merged.")
        if made is not None:
            url = reverse("admin:history_undo", args=[made.pk])
            text = format_html('{} <a class="art-link" href="{}">{}</a>', text, url, _("Undo"))
        messages.success(request, text)
        return True


def _number(text: str) -> int:
    """Return a key that somebody sent; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
