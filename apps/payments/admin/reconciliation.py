"""Bank lines in the admin: the list, and the screen on which each becomes a payment, by keyboard alone if one likes."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, refusal_text
from apps.accounts.models import User
from apps.common.amounts import to_decimal, to_minor
from apps.common.templatetags.artel import day, money
from apps.crm.models import Company
from apps.lists.admin.rows import badge, marked
from apps.payments.admin.entered import decimal_of
from apps.payments.matching.finding import candidates_for, known_payments, owed_in
from apps.payments.matching.scoring import SURE
from apps.payments.matching.words import reason_words
from apps.payments.models import BankLine, BankMatch, Payment
from apps.payments.services import bank_lines, matching

Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)
# Lines that stand beside the one that is looked at.
_BESIDE = 12
_FOUND = 8


class StandingFilter(DropdownFilter):
    """Where a line stands."""

    title = _("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("To be matched")), ("matched", _("Matched")), ("aside", _("Set aside"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BankLine]) -> QuerySet[BankLine]:
        by_value = {
            "open": Q(open_minor__gt=0, set_aside_at=None),
            "matched": Q(open_minor=0),
            "aside": Q(set_aside_at__isnull=False),
        }
        return queryset.filter(by_value[self.value()]) if self.value() in by_value else queryset


@admin.register(BankLine)
class BankLineAdmin(ScopedModelAdmin):
    """Movements on our accounts; what each is, is said on the screen of reconciliation."""

    list_display = ("line_cell", "booked_on", "other_cell", "purpose_cell", "amount_cell", "standing_cell")
    list_display_links = ("line_cell",)
    list_select_related = ("account",)
    list_filter = (StandingFilter, "account", ("booked_on", RangeDateFilter))
    extra_lookups = ("statement",)
    search_fields = ("counterparty_name", "purpose")
    search_help_text = _("Other side, purpose")
    ordering = ("-booked_on", "-id")
    actions = None
    empty_title = _("Lines come with statements")
    empty_text = _("Upload a file of your bank, and each movement on your accounts stands here.")

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/bank.css")}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    # The list

    @admin.display(description=_("line"), ordering="id")
    def line_cell(self, line: BankLine) -> SafeString:
        return marked("crm-number", f"№ {line.pk}")

    @admin.display(description=_("other side"), ordering="counterparty_name")
    def other_cell(self, line: BankLine) -> str:
        return line.counterparty_name or "–"

    @admin.display(description=_("purpose"))
    def purpose_cell(self, line: BankLine) -> str:
        return line.purpose[:80] or "–"

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount_cell(self, line: BankLine) -> SafeString:
        return marked("crm-amount", _money(line.amount_minor, line))

    @admin.display(description=_("standing"))
    def standing_cell(self, line: BankLine) -> SafeString:
        return _standing(line)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("reconcile/", view(require_GET(self.reconcile_view)), name="payments_bankline_reconcile"),
            path("<int:pk>/match/", view(self._posted(self._match)), name="payments_bankline_match"),
            path("<int:pk>/aside/", view(self._posted(self._aside)), name="payments_bankline_aside"),
            path("<int:pk>/back/", view(self._posted(self._back)), name="payments_bankline_back"),
            path("<int:pk>/release/", view(self._posted(self._release)), name="payments_bankline_release"),
        ]
        return [*own, *super().get_urls()]

    def _posted(self, do: Any) -> Any:
        """Wrap what a form of the screen does: what is refused is shown at the line."""

        @method_decorator(require_POST)
        def posted(_self: object, request: HttpRequest, pk: int) -> HttpResponse:
            line = self._line(request, pk)
            try:
                response: HttpResponse = do(request, line)
            except Refusal as refusal:
                return self._screen(request, line, refused=refusal_text(refusal))
            return response

        return lambda request, pk: posted(self, request, pk)

    def _line(self, request: HttpRequest, pk: int) -> BankLine:
        line: BankLine | None = self.get_queryset(request).select_related("account").filter(pk=pk).first()
        if line is None:
            raise Http404
        return line

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self._screen(request, self._line(request, int(object_id)))

    # The screen

    def reconcile_view(self, request: HttpRequest) -> HttpResponse:
        """Show the next line that is to be matched; where there is none, what to do next."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        after = request.GET.get("after", "")
        waiting = self._waiting(request)
        line = None
        if after.isdecimal() and len(after) <= 18:
            known = self.get_queryset(request).filter(pk=int(after)).first()
            if known is not None:
                line = waiting.filter(
                    Q(booked_on__gt=known.booked_on) | Q(booked_on=known.booked_on, pk__gt=known.pk)
                ).first()
        line = line or waiting.first()
        return self._screen(request, line)

    def _waiting(self, request: HttpRequest) -> QuerySet[BankLine]:
        """Return what nobody has decided on, what came in before what went out."""
        side = {"amount_minor__lt": 0} if request.GET.get("side") == "out" else {"amount_minor__gt": 0}
        rows = self.get_queryset(request).filter(open_minor__gt=0, set_aside_at=None, **side)
        return rows.select_related("account").order_by("booked_on", "pk")

    def _screen(self, request: HttpRequest, line: BankLine | None, refused: str = "") -> HttpResponse:
        side = request.GET.get("side") or ("in" if line is None or line.is_income else "out")
        actor = actor_of(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Reconciliation"),
            "media": self.media,
            "line": line,
            "side": side,
            "refused": refused,
            "progress": self._progress(request),
            "query": request.GET.get("q", "").strip()[:100],
            "done": self._done(request),
        }
        if line is not None:
            context |= self._line_context(request, line, actor)
        template = "admin/payments/bank/reconcile.html"
        return TemplateResponse(request, template, context, status=422 if refused else 200)

    def _progress(self, request: HttpRequest) -> dict[str, Any]:
        rows = self.get_queryset(request).order_by()
        counted = rows.aggregate(
            came=Count("pk", filter=Q(amount_minor__gt=0)),
            came_open=Count("pk", filter=Q(amount_minor__gt=0, open_minor__gt=0, set_aside_at=None)),
            went=Count("pk", filter=Q(amount_minor__lt=0)),
            went_open=Count("pk", filter=Q(amount_minor__lt=0, open_minor__gt=0, set_aside_at=None)),
        )
        done = counted["came"] - counted["came_open"]
        return {**counted, "done": done, "share": 100 * done // counted["came"] if counted["came"] else 0}

    def _done(self, request: HttpRequest) -> BankMatch | None:
        """Return what was matched just now, so that it can be taken back at once."""
        given = request.GET.get("done", "")
        if not given.isdecimal() or len(given) > 18:
            return None
        matches = BankMatch.objects.visible_to(actor_of(request)).filter(pk=int(given), released_at=None)
        return matches.select_related("line__account", "payment").first()

    def _line_context(self, request: HttpRequest, line: BankLine, actor: User) -> dict[str, Any]:
        waiting = self._waiting(request)
        beside = list(waiting.filter(booked_on__gte=line.booked_on).exclude(pk=line.pk)[:_BESIDE])
        before = waiting.filter(
            Q(booked_on__lt=line.booked_on) | Q(booked_on=line.booked_on, pk__lt=line.pk)
        ).last()
        is_open = line.open_minor > 0 and line.set_aside_at is None
        options = _options(line, actor) if is_open else []
        query = request.GET.get("q", "").strip()[:100]
        found = _search(line, query, actor) if query and is_open and line.is_income else []
        may = self.may("change", request, line)
        return {
            "amount": _money(line.amount_minor, line),
            "left": _money(line.open_minor, line),
            "is_partly": bool(line.matched_minor) and line.open_minor > 0,
            "is_open": is_open,
            "may": may,
            "may_match": may and is_open and line.is_income and access.can_any(actor, "add", Payment),
            "standing": _standing(line),
            "options": options,
            "found": found,
            "splits": _splits(line, options, found),
            "left_plain": to_decimal(line.open_minor, line.account.currency),
            "beside": [{"row": row, "amount": _money(row.amount_minor, row)} for row in beside],
            "previous": before,
            "following": beside[0] if beside else None,
            "matches": line.matches.filter(released_at=None).select_related("payment"),
        }

    # What its forms do

    def _match(self, request: HttpRequest, line: BankLine) -> HttpResponse:
        actor = actor_of(request)
        kind, _colon, names = request.POST.get("choice", "").partition(":")
        ids = [int(each) for each in names.split(",") if each.isdecimal() and len(each) <= 18]
        if kind == "p" and len(ids) == 1:
            made = matching.match_payment(
                line.pk, actor=actor, payment_id=ids[0], why=matching.Why(("recorded",), None)
            )
        elif kind == "c" and len(ids) == 1:
            made = matching.match_line(line.pk, actor=actor, company_id=ids[0])
        elif kind == "i" and ids:
            parts = [matching.Part(each) for each in ids]
            made = matching.match_line(line.pk, actor=actor, parts=parts, why=_why(line, ids, actor))
        elif kind == "split":
            made = matching.match_line(line.pk, actor=actor, parts=_split_parts(request, line))
        else:
            raise ValidationError(gettext("Choose what this line is."), code="required")
        url = reverse("admin:payments_bankline_reconcile")
        return HttpResponseRedirect(f"{url}?{urlencode({'after': line.pk, 'done': made.pk})}")

    def _aside(self, request: HttpRequest, line: BankLine) -> HttpResponse:
        bank_lines.set_aside(line.pk, actor=actor_of(request), reason=request.POST.get("reason", ""))
        messages.success(request, gettext("Set aside. It stays in the list, and can be put back."))
        values = {"after": line.pk, "side": "in" if line.is_income else "out"}
        return HttpResponseRedirect(f"{reverse('admin:payments_bankline_reconcile')}?{urlencode(values)}")

    def _back(self, request: HttpRequest, line: BankLine) -> HttpResponse:
        bank_lines.put_back(line.pk, actor=actor_of(request))
        return HttpResponseRedirect(reverse("admin:payments_bankline_change", args=[line.pk]))

    def _release(self, request: HttpRequest, line: BankLine) -> HttpResponse:
        given = request.POST.get("match", "")
        if not given.isdecimal() or len(given) > 18 or not line.matches.filter(pk=int(given)).exists():
            raise Http404
        reason = request.POST.get("reason", "").strip() or gettext("Matched by mistake")
        matching.unmatch_line(int(given), actor=actor_of(request), reason=reason)
        messages.success(request, gettext("The match was taken back."))
        return HttpResponseRedirect(reverse("admin:payments_bankline_change", args=[line.pk]))


def _options(line: BankLine, actor: User) -> list[dict[str, Any]]:
    """Return what a line may be as the screen shows it, the likeliest first."""
    currency = line.account.currency
    found: list[dict[str, Any]] = [
        {
            "value": f"p:{each.payment.pk}",
            "title": gettext("Payment %(payment)s of %(day)s")
            % {"payment": each.payment, "day": day(each.payment.received_date)},
            "who": str(each.payment.company or each.payment.person or each.payment.payer_name),
            "amount": money(each.payment.amount, currency),
            "reasons": reason_words(each.reasons),
            "confidence": each.confidence,
            "parts": [],
        }
        for each in known_payments(line, actor=actor)
    ]
    for each in candidates_for(line, actor=actor):
        numbers = ", ".join(owed.number for owed, _amount in each.parts)
        found.append(
            {
                "value": "i:" + ",".join(str(owed.invoice_id) for owed, _amount in each.parts),
                "title": gettext("Invoices %(numbers)s") % {"numbers": numbers}
                if len(each.parts) > 1
                else gettext("Invoice %(number)s") % {"number": numbers},
                "who": each.parts[0][0].customer,
                "amount": money(to_decimal(each.amount, currency), currency),
                "due": money(to_decimal(sum(owed.due for owed, _amount in each.parts), currency), currency),
                "reasons": reason_words(each.reasons),
                "confidence": each.confidence,
                "parts": [
                    (owed.invoice_id, owed.number, owed.customer, owed.due) for owed, _amount in each.parts
                ],
            }
        )
    found.sort(key=lambda option: -option["confidence"])
    for option in found:
        option["is_sure"] = option["confidence"] >= SURE
    return found


def _search(line: BankLine, query: str, actor: User) -> list[dict[str, Any]]:
    """Return invoices that are to be paid and companies that may have paid, as somebody looks for them."""
    currency = line.account.currency
    invoices = owed_in(currency, actor=actor).filter(
        Q(number__icontains=query) | Q(customer_name__icontains=query)
    )
    found: list[dict[str, Any]] = [
        {
            "value": f"i:{row.pk}",
            "title": gettext("Invoice %(number)s") % {"number": row.number},
            "who": row.customer_name,
            "amount": money(row.due, currency),
            "parts": [(row.pk, row.number, row.customer_name, row.due_minor)],
        }
        for row in invoices.order_by("due_date", "pk")[:_FOUND]
    ]
    companies = (
        Company.objects.visible_to(actor).active().filter(name__icontains=query).order_by("name", "pk")
    )
    found += [
        {
            "value": f"c:{company.pk}",
            "title": str(company),
            "who": gettext("paid ahead, for no invoice yet"),
            "amount": _money(line.open_minor, line),
            "parts": [],
        }
        for company in companies[:_FOUND]
    ]
    return found


def _splits(line: BankLine, *groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the single invoices of what is offered, over which a line may be split."""
    currency = line.account.currency
    seen: dict[int, dict[str, Any]] = {}
    for option in (option for group in groups for option in group):
        for pk, number, customer, due in option["parts"]:
            plain = to_decimal(due, currency)
            seen.setdefault(
                pk,
                {"pk": pk, "number": number, "who": customer, "due": money(plain, currency), "plain": plain},
            )
    return list(seen.values())


def _split_parts(request: HttpRequest, line: BankLine) -> list[matching.Part]:
    parts = []
    for name, text in request.POST.items():
        pk = name.removeprefix("part-")
        if not name.startswith("part-") or not pk.isdecimal() or len(pk) > 18 or not str(text).strip():
            continue
        amount = decimal_of(str(text))
        if amount is None:
            raise ValidationError(gettext("“%(value)s” is no amount.") % {"value": text}, code="amount")
        parts.append(matching.Part(int(pk), to_minor(amount, line.account.currency)))
    if not parts:
        raise ValidationError(gettext("Say how much of the line is for which invoice."), code="required")
    return parts


def _why(line: BankLine, ids: list[int], actor: User) -> matching.Why | None:
    for each in candidates_for(line, actor=actor):
        if [owed.invoice_id for owed, _amount in each.parts] == ids:
            return matching.Why(each.reasons, each.confidence)
    return None


def _standing(line: BankLine) -> SafeString:
    if line.set_aside_at is not None:
        return badge(gettext("set aside"), "")
    if line.open_minor == 0:
        return badge(gettext("matched"), "WON")
    if line.matched_minor:
        return badge(gettext("partly matched"), "OPEN")
    return badge(gettext("to be matched"), "OPEN")


def _money(minor: int, line: BankLine) -> str:
    return money(to_decimal(minor, line.account.currency), line.account.currency)
