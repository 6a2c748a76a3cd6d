"""What stands beside the form of a deal: its lines, its quotes, and what it lacks to go on."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from rest_framework.exceptions import ValidationError as InvalidInput

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service, visible_rows
from apps.common.api.problems import exception_handler
from apps.common.templatetags.artel import money
from apps.crm import criteria
from apps.crm.api.quotes import WholeLinesSerializer, new_lines, preview_of, set_lines
from apps.crm.criteria import Asked, stored, told, verdicts
from apps.crm.models import Deal, DealLine, Product, Quote, StageApproval
from apps.crm.services import contracts, lines, quotes
from apps.crm.services.prices import price_of
from apps.crm.totals import totals_of_lines
from apps.lists.admin.rows import Command

# As many products as a line offers at once, and quotes as the card lists.
OFFERED = 12
_REFUSALS = (PermissionDenied, ValidationError, ObjectDoesNotExist, InvalidInput)


class DealCards(ScopedModelAdmin):
    """The addresses of the cards, among those of deals."""

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("<int:deal_id>/lines/", self.lines_view, "lines"),
            ("<int:deal_id>/lines/preview/", self.lines_preview, "lines_preview"),
            ("<int:deal_id>/lines/products/", self.lines_products, "lines_products"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"crm_deal_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def cards_context(self, request: HttpRequest, deal: Deal) -> dict[str, Any]:
        """Return what the cards show."""
        may_change = self.has_change_permission(request, deal)
        is_agreed = deal.amount_mode == Deal.AmountMode.QUOTE
        return {
            "lines_card": {
                "data": _lines_data(deal, self._urls(deal)),
                "may_change": may_change and not is_agreed,
                "is_agreed": is_agreed,
                "rows": list(lines.lines_of(deal)),
            },
            "contract_card": _contract_card(self, request, deal),
        }

    def _urls(self, deal: Deal) -> dict[str, str]:
        names = {"save": "lines", "preview": "lines_preview", "products": "lines_products"}
        return {key: reverse(f"admin:crm_deal_{name}", args=[deal.pk]) for key, name in names.items()}

    # Lines

    def _asked_for(self, request: HttpRequest, deal_id: int, *, method: str) -> Deal:
        deal: Deal | None = self.get_queryset(request).filter(pk=deal_id).first()
        if deal is None or request.method != method:
            raise Http404
        return deal

    def lines_view(self, request: HttpRequest, deal_id: int) -> HttpResponse:
        """Write all lines of the editor."""
        deal = self._asked_for(request, deal_id, method="POST")

        def write() -> dict[str, Any]:
            given, version = _given(request)
            changed = set_lines(deal.pk, given, actor=actor_of(request), expected_version=version)
            return _lines_data(Deal.objects.get(pk=changed.pk), self._urls(deal)) | {
                "amount": money(changed.amount, changed.currency)
            }

        return _answer(write)

    def lines_preview(self, request: HttpRequest, deal_id: int) -> HttpResponse:
        """Tell what the lines of the editor come to."""
        deal = self._asked_for(request, deal_id, method="POST")

        def preview() -> dict[str, Any]:
            given, _version = _given(request)
            built, totals = lines.totals_of_new(deal, new_lines(given["lines"]), actor=actor_of(request))
            return _shown(preview_of(built, totals))

        return _answer(preview)

    def lines_products(self, request: HttpRequest, deal_id: int) -> HttpResponse:
        """Offer products whose name or SKU holds what was typed, each with its price of today."""
        deal = self._asked_for(request, deal_id, method="GET")
        term = request.GET.get("q", "").strip()
        found = visible_rows(actor_of(request), Product).filter(archived_at=None)
        named = found.filter(name__icontains=term) | found.filter(sku__icontains=term)
        offered = []
        for product in named.order_by("name")[:OFFERED]:
            price = price_of(product, deal.currency)
            offered.append(
                {
                    "id": product.pk,
                    "name": product.name,
                    "unit": product.unit,
                    "price": None if price.amount is None else str(price.amount),
                    "tax_rate": None if product.tax_rate is None else str(product.tax_rate.normalize()),
                    "is_tax_included": price.is_tax_included,
                    "said": " · ".join(filter(None, [product.sku, money(price.amount, deal.currency)])),
                }
            )
        return JsonResponse({"results": offered})

    # Commands

    def card_commands(self) -> dict[str, Command]:
        """Return what the buttons of the cards do."""
        return {
            "quote": self._new_quote,
            "ask-approval": self._ask_approval,
            "approve": self._approve,
            "refuse": self._refuse,
        }

    def _new_quote(self, request: HttpRequest, pk: int, version: int | None) -> None:
        if call_service(request, quotes.create_quote, pk, actor=actor_of(request)):
            messages.success(request, gettext("A draft is there. Look it over and send it."))

    def _ask_approval(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said = {name: request.POST.get(name, "") for name in ("criterion", "note")}
        if call_service(request, contracts.request_approval, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Asked. Whoever may approve it sees it here."))

    def _approve(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._decide(request, pk, is_approved=True)

    def _refuse(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._decide(request, pk, is_approved=False)

    def _decide(self, request: HttpRequest, pk: int, *, is_approved: bool) -> None:
        waiting = StageApproval.objects.filter(deal=pk, decision=StageApproval.Decision.WAITING)
        given = request.POST.get("approval", "")
        approval = waiting.filter(pk=int(given) if given.isdecimal() and len(given) < 19 else 0).first()
        if approval is None:
            messages.error(request, gettext("Somebody has decided this already."))
            return
        said: dict[str, Any] = {"is_approved": is_approved, "reason": request.POST.get("reason", "")}
        if call_service(request, contracts.decide_approval, approval.pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Approved.") if is_approved else gettext("Refused."))


def _given(request: HttpRequest) -> tuple[dict[str, Any], int | None]:
    """Return the lines of the editor. :raises InvalidInput: they are not as they should be"""
    try:
        body = json.loads(request.body)
    except ValueError:
        raise InvalidInput(gettext("This request cannot be understood.")) from None
    version = body.get("version") if isinstance(body, dict) else None
    # Choices of products are asked within the policy, as over REST.
    request.user = actor_of(request)
    serializer = WholeLinesSerializer(data=body, context={"request": request})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data), version if isinstance(version, int) else None


def _answer(run: Callable[[], dict[str, Any]]) -> JsonResponse:
    """Answer with what came of it, or with the refusal as a problem document."""
    try:
        return JsonResponse(run())
    except _REFUSALS as refused:
        problem = exception_handler(refused, {})
        if problem is None:
            raise
        return JsonResponse(problem.data, status=problem.status_code)


def _shown(preview: dict[str, Any]) -> dict[str, Any]:
    """Add to a preview how its amounts are written: the page reckons and rounds nothing."""
    currency = preview["currency"]

    def said(amount: str | None) -> str:
        return "–" if amount is None else money(Decimal(amount), currency)

    return {
        "lines": [line | {"said": said(line["amount"])} for line in preview["lines"]],
        "taxes": [
            {"label": gettext("VAT %(rate)s %%") % {"rate": each["rate"]}, "said": said(each["tax"])}
            for each in preview["taxes"]
            if each["rate"] is not None
        ],
        "net": said(preview["net"]),
        "total": said(preview["total"]),
    }


def _lines_data(deal: Deal, urls: dict[str, str]) -> dict[str, Any]:
    """Return what the editor begins with."""
    rows: list[DealLine] = list(lines.lines_of(deal))
    totals = totals_of_lines(rows, deal.currency)
    return {
        "version": deal.version,
        "amount_mode": deal.amount_mode,
        "currency": deal.currency,
        "urls": urls,
        "lines": [
            {
                "id": line.pk,
                "product": line.product_id,
                "product_name": str(line.product) if line.product else "",
                "description": line.description,
                "quantity": f"{line.quantity.normalize():f}",
                "unit": line.unit,
                "unit_price": None if line.unit_price is None else str(line.unit_price),
                "discount_percent": f"{line.discount_percent.normalize():f}",
                "tax_rate": None if line.tax_rate is None else f"{line.tax_rate.normalize():f}",
                "is_tax_included": line.is_tax_included,
            }
            for line in rows
        ],
        "totals": _shown(preview_of(rows, totals)),
        "words": {
            "product": gettext("Product or description"),
            "quantity": gettext("Quantity"),
            "unit": gettext("Unit"),
            "price": gettext("Price"),
            "discount": gettext("Discount, %"),
            "tax": gettext("VAT, %"),
            "included": gettext("VAT included"),
            "remove": gettext("Remove line"),
            "move": gettext("Move line: Alt and the arrow keys, or drag"),
            "net": gettext("Without VAT"),
            "total": gettext("Total"),
            "saved": gettext("Saved"),
            "unsaved": gettext("Not saved yet"),
            "offline": gettext("This did not reach the server. Try again."),
        },
    }


# Quotes


def quotes_card(deal: Deal, *, may_change: bool) -> dict[str, Any]:
    """Return the quotes of a deal, and whether one may be begun."""
    found = list(deal.quotes.order_by("-revision"))
    for quote in found:
        # Their amounts are written from what they hold themselves.
        quote.deal = deal
    is_draft = any(quote.status == Quote.Status.DRAFT for quote in found)
    is_open = deal.status == Deal.Status.OPEN and deal.amount_mode != Deal.AmountMode.QUOTE
    return {
        "rows": [
            {
                "quote": quote,
                "url": reverse("admin:crm_quote_change", args=[quote.pk]),
                "status": quote.get_status_display(),
            }
            for quote in found
        ],
        "may_add": may_change and is_open and not is_draft,
    }


# The contract of the stage


def _contract_card(admin: ScopedModelAdmin, request: HttpRequest, deal: Deal) -> dict[str, Any] | None:
    """Return what the stage of an open deal asks for, and what of it is there; None where it asks for nothing."""
    wanted = stored(deal.stage.exit_criteria)
    if not wanted or deal.status != Deal.Status.OPEN:
        return None
    asked = [Asked(deal.pk, deal.stage_id, one) for one in wanted]
    approvals = StageApproval.objects.filter(deal=deal, stage=deal.stage_id).select_related(
        "requested_by", "decided_by"
    )
    latest = {approval.criterion: approval for approval in approvals.order_by("pk")}
    may_decide = access.can(actor_of(request), "approve", deal)
    rows = []
    for question, is_met in zip(asked, verdicts(asked), strict=True):
        kind = criteria.kind_of(question.criterion.kind)
        is_approval = kind is not None and kind.code == "approval"
        approval = latest.get(question.criterion.key) if is_approval else None
        is_waiting = approval is not None and approval.decision == StageApproval.Decision.WAITING
        rows.append(
            {
                "missing": told(question),
                "is_met": is_met,
                "is_approval": is_approval,
                "approval": approval,
                "may_ask": is_approval and not is_met and not is_waiting,
                "may_decide": is_waiting and may_decide,
            }
        )
    return {
        "rows": rows,
        "stage": deal.stage,
        "is_met": all(row["is_met"] for row in rows),
        "may_change": admin.has_change_permission(request, deal),
    }
