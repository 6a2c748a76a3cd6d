"""What the pages of deals, companies and people have in common: the timeline, the cards beside it, and the form."""

from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from apps.crm.admin.cards import Card, card_of, cards_of, render_card
from apps.crm.admin.timeline import TimelinePages
from apps.crm.models import Company, Person


class AroundPages(TimelinePages):
    """
    Pages of what business is about: a header, the timeline with the cards beside it, and the form under them.

    A form that comes back with a refusal stands above all this, for it is what its reader waits for.

    :cvar header_template: what stands on top
    """

    header_template = "admin/rows/commands.html"
    change_form_outer_before_template = "admin/crm/page/before.html"
    change_form_outer_after_template = "admin/crm/page/after.html"

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/timeline.css",)}
        js: ClassVar[tuple[str, ...]] = ("js/cards.js", "js/timeline.js")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.card_view))
        name = f"crm_{self.opts.model_name}_card"
        return [path("<int:object_id>/cards/<slug:name>/", view, name=name), *super().get_urls()]

    def card_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponse:
        """Return one card of a row; nothing where there is nothing to show to this person."""
        card = card_of(self.model, name)
        row = self.get_queryset(request).filter(pk=object_id).first()
        if card is None or row is None:
            raise Http404
        return HttpResponse(card.make(row, request) or "", headers={"Cache-Control": "no-store"})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"header_template": self.header_template, "is_form_first": request.method == "POST"}
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, context | (extra_context or {})
        )
        return response

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = [self._shown(request, row, card) for card in cards_of(self.model)]
        return {
            **super().page_context(request, row),
            "cards": [card for card in shown if card],
            "about": _about(row),
            "may_change": self.has_change_permission(request, row),
        }

    def _shown(self, request: HttpRequest, row: Any, card: Card) -> SafeString | None:
        if not card.is_deferred:
            return card.make(row, request)
        url = reverse(f"admin:crm_{self.opts.model_name}_card", args=[row.pk, card.name])
        return render_card(request, "admin/crm/cards/deferred.html", {"card": card, "url": url})


def _about(row: Any) -> dict[str, Any]:
    """Return what something made from this page would belong to."""
    if isinstance(row, Company):
        return {"kind": "company", "company": row.pk, "company_name": str(row)}
    if isinstance(row, Person):
        return {"kind": "person", "person": row.pk, "person_name": str(row)}
    found = {"kind": "deal"}
    for name in ("company", "person"):
        if (other := getattr(row, name)) is not None:
            found |= {name: other.pk, f"{name}_name": str(other)}
    return found
