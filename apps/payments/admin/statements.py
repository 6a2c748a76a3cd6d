"""Bank accounts and files of banks in the admin: upload, look at what would come, import, take back."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, refusal_text
from apps.common.amounts import to_decimal
from apps.common.templatetags.artel import number, when
from apps.documents.models import LegalEntity
from apps.lists.admin.rows import ArchivableAdmin, TrashFilter, badge
from apps.payments.models import BankAccount, StatementFile
from apps.payments.services import bank_accounts, statements
from apps.payments.statements import csvfile
from apps.payments.statements.facts import StatementError
from apps.payments.statements.planning import Plan
from apps.payments.statements.words import notice_text
from apps.payments.statements.words import refusal_text as words_of

Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)
State = StatementFile.State
_TONES = {State.APPLIED: "WON", State.READ: "OPEN", State.UNDONE: "LOST", State.DISCARDED: ""}
_FIELD_NAMES = {
    "date": _("day"),
    "value_date": _("value day"),
    "amount": _("amount, with its sign"),
    "income": _("came in"),
    "expense": _("went out"),
    "currency": _("currency"),
    "own_account": _("our account"),
    "name": _("other side"),
    "tax_id": _("their tax id"),
    "account": _("their account"),
    "bank_code": _("their bank"),
    "purpose": _("purpose"),
    "reference": _("number"),
    "bank_reference": _("bank's reference"),
}
_DELIMITERS = {";": ";", ",": ",", "\t": _("tab"), "|": "|"}
_DATES = {
    "%d.%m.%Y": "31.12.2026",
    "%Y-%m-%d": "2026-12-31",
    "%d/%m/%Y": "31/12/2026",
    "%m/%d/%Y": "12/31/2026",
}


@admin.register(BankAccount)
class BankAccountAdmin(ArchivableAdmin):
    """Our accounts with banks."""

    add_label = _("New bank account")
    create = staticmethod(bank_accounts.create_bank_account)
    change = staticmethod(bank_accounts.change_bank_account)
    archive = staticmethod(bank_accounts.archive_bank_account)
    restore = staticmethod(bank_accounts.restore_bank_account)
    ordering = ("id",)
    short_list = "A company has a few accounts."
    list_display = ("__str__", "number", "currency", "legal_entity", "bank_name")
    list_select_related = ("legal_entity",)
    list_filter = (TrashFilter,)
    search_fields = ("name", "number")
    search_help_text = _("Name or number")
    empty_title = _("Accounts come with their statements")
    empty_text = _("Upload a file of your bank: the account it is about is written down by itself.")
    fields = (("legal_entity", "name"), ("number", "currency"), ("bank_name", "bank_code"))


@admin.register(StatementFile)
class StatementFileAdmin(ScopedModelAdmin):
    """Everything is done by the services; this asks and shows."""

    list_display = ("filename", "format", "state_badge", "what_came", "created")
    list_filter = ("state", "format")
    search_fields = ("filename",)
    search_help_text = _("A part of the name")
    ordering = ("-id",)
    actions = None
    add_label = _("Upload a statement")
    empty_title = _("What the bank says")
    empty_text = _(
        "Download a statement from your bank as camt.053, MT940, 1C or CSV, and upload it here. You see what it would"
        " bring before anything is written, and a file that comes twice adds nothing."
    )
    empty_action = _("Upload a statement")

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/bank.css")}

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The page of a file is never Django's form; its services ask for the right themselves.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    # The list

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, file: StatementFile) -> SafeString:
        return badge(file.get_state_display(), _TONES[State(file.state)])

    @admin.display(description=_("lines"))
    def what_came(self, file: StatementFile) -> str:
        if "new" not in file.counts:
            return "–"
        new = file.counts["new"]
        return ngettext("%(count)s new line", "%(count)s new lines", new) % {"count": number(new)}

    @admin.display(description=_("when"), ordering="-id")
    def created(self, file: StatementFile) -> str:
        return when(file.created_at)

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        does: dict[str, Callable[[HttpRequest, int], HttpResponse]] = {
            "layout": self._layout,
            "apply": self._apply,
            "undo": self._undo,
            "discard": self._discard,
        }
        own = [
            path(f"<int:pk>/{name}/", view(self._posted(do)), name=f"payments_statementfile_{name}")
            for name, do in does.items()
        ]
        return [*own, *super().get_urls()]

    def _posted(self, do: Callable[[HttpRequest, int], HttpResponse]) -> Callable[..., HttpResponse]:
        """Wrap what a form of the page does: what is refused is shown there."""

        @method_decorator(require_POST)
        def posted(_self: object, request: HttpRequest, pk: int) -> HttpResponse:
            self._file(request, pk)
            try:
                with transaction.atomic():
                    return do(request, pk)
            except Refusal as refusal:
                return self._show(request, pk, refused=refusal_text(refusal))

        return lambda request, pk: posted(self, request, pk)

    def _file(self, request: HttpRequest, pk: int) -> StatementFile:
        file: StatementFile | None = self.get_queryset(request).filter(pk=pk).first()
        if file is None:
            raise Http404
        return file

    # Upload

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        refused = ""
        if request.method == "POST":
            file = request.FILES.get("file")
            try:
                if file is None:
                    raise ValidationError(gettext("Choose a file first."))
                made = statements.upload_statement(file, file.name or "", actor=actor_of(request))
                return HttpResponseRedirect(_url(made.pk))
            except Refusal as refusal:
                refused = refusal_text(refusal)
        context = {
            "refused": refused,
            "filename": getattr(request.FILES.get("file"), "name", ""),
            "max_bytes": settings.STATEMENT_MAX_BYTES,
            "title": gettext("Upload a statement"),
        }
        return self._page(request, "admin/payments/bank/upload.html", context, status=422 if refused else 200)

    # The page of one file

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

    def _show(self, request: HttpRequest, pk: int, refused: str = "") -> HttpResponse:
        file = self._file(request, pk)
        actor = actor_of(request)
        may = self.may("change", request, file)
        context: dict[str, Any] = {
            "file": file,
            "original": file,
            "title": file.filename,
            "refused": refused,
            "state": badge(file.get_state_display(), _TONES[State(file.state)]),
            "may": may,
        }
        if file.state == State.READ:
            plan = statements.rehearse_statement(pk, actor=actor)
            context |= _plan_context(plan) | {
                "entities": list(
                    LegalEntity.objects.visible_to(actor).active().order_by("-is_default", "name")
                ),
                "is_table": file.format == StatementFile.Format.CSV,
            }
            if file.format == StatementFile.Format.CSV:
                context |= _layout_context(file)
        else:
            context["imported"] = [
                {
                    "row": row,
                    "opening": _amount(row.opening_minor, row.account.currency),
                    "closing": _amount(row.closing_minor, row.account.currency),
                }
                for row in file.statements.select_related("account").order_by("position")[:200]
            ]
            context["notices"] = [notice_text(each) for each in statements.notices_of(file)]
        return self._page(request, "admin/payments/bank/file.html", context, status=422 if refused else 200)

    def _page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, template, whole, status=status)

    # What its forms do

    def _layout(self, request: HttpRequest, pk: int) -> HttpResponse:
        columns = {
            field: int(request.POST[f"field-{field}"])
            for field in csvfile.FIELDS
            if request.POST.get(f"field-{field}", "").isdecimal()
        }
        layout: dict[str, Any] = {"columns": columns}
        for key in ("delimiter", "date_format", "decimal", "account", "currency"):
            if key in request.POST:
                layout[key] = request.POST[key]
        statements.correct_statement(pk, actor=actor_of(request), layout=layout)
        return HttpResponseRedirect(_url(pk))

    def _apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        entity = request.POST.get("legal_entity", "")
        file = statements.apply_statement(
            pk, actor=actor_of(request), legal_entity_id=int(entity) if entity.isdecimal() else None
        )
        count = file.counts["new"]
        text = ngettext("%(count)s new line is here.", "%(count)s new lines are here.", count)
        messages.success(request, text % {"count": number(count)})
        return HttpResponseRedirect(_url(pk))

    def _undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        statements.undo_statement(pk, actor=actor_of(request))
        messages.success(request, gettext("The import was taken back. Its lines are gone."))
        return HttpResponseRedirect(_url(pk))

    def _discard(self, request: HttpRequest, pk: int) -> HttpResponse:
        statements.discard_statement(pk, actor=actor_of(request))
        messages.success(request, gettext("The file is not imported."))
        return HttpResponseRedirect(reverse("admin:payments_statementfile_changelist"))


def _plan_context(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan,
        "unreadable": words_of(plan.refusal) if plan.refusal else "",
        "planned": [
            {
                "each": each,
                "opening": _amount(each.statement.opening, each.statement.currency),
                "closing": _amount(each.statement.closing, each.statement.currency),
                "came": to_decimal(
                    sum(line.amount for line in each.statement.lines if line.amount > 0),
                    each.statement.currency,
                ),
                "went": to_decimal(
                    -sum(line.amount for line in each.statement.lines if line.amount < 0),
                    each.statement.currency,
                ),
            }
            for each in plan.statements[:200]
        ],
        "notices": list(
            dict.fromkeys(notice_text(notice) for each in plan.statements for notice in each.notices)
        )[:20],
    }


def _layout_context(file: StatementFile) -> dict[str, Any]:
    try:
        look = csvfile.look_at(statements.content_of(file))
    except StatementError:
        return {"fields": []}
    layout = asdict(look.layout) | file.layout
    return {
        "names": look.names,
        "sample": look.sample[:5],
        "layout": layout,
        "fields": [
            {"key": key, "label": _FIELD_NAMES[key], "at": layout["columns"].get(key)}
            for key in csvfile.FIELDS
        ],
        "dates": list(_DATES.items()),
        "decimals": [(",", "1234,56"), (".", "1234.56")],
    }


def _amount(minor: int | None, currency: str) -> Any:
    return None if minor is None else to_decimal(minor, currency)


def _url(pk: int) -> str:
    return reverse("admin:payments_statementfile_change", args=[pk])
