"""Letters of which nobody knows what they are about: a list, and a page where somebody says so."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service
from apps.common.templatetags.artel import when
from apps.crm.models import Company, Deal, Person, UnmatchedMail
from apps.crm.services import mail
from apps.lists.admin.rows import badge

State = UnmatchedMail.State


class LinkForm(forms.Form):
    """What a letter is about: the number of a deal, or the name of a company or a person."""

    about = forms.CharField(max_length=200)

    def target(self, request: HttpRequest) -> tuple[str, int]:
        """Return what was named. :raises ValidationError: nothing that the person sees has this name, or several"""
        actor, name = actor_of(request), self.cleaned_data["about"].strip()
        found: list[tuple[str, int]] = []
        for model, column in ((Deal, "number"), (Company, "name"), (Person, "full_name")):
            rows: Any = model.objects.visible_to(actor).active().filter(**{f"{column}__iexact": name})[:2]
            found += [(str(model._meta.model_name), row.pk) for row in rows]
        if len(found) != 1:
            text = _("There are several of this name.") if found else _("Nothing has this name or number.")
            raise ValidationError(text, code="not_found")
        return found[0]


@admin.register(UnmatchedMail)
class UnmatchedMailAdmin(ScopedModelAdmin):
    """Nothing here is edited; a letter is linked to what it is about, or put aside."""

    list_display = ("subject_cell", "sender_cell", "received_cell", "state_cell")
    list_display_links = ("subject_cell",)
    list_filter = ("state",)
    ordering = ("-id",)
    actions = None
    fields = ("sender", "subject", "excerpt", "received_at", "state")
    change_form_outer_before_template = "admin/crm/mail/deal_with.html"
    empty_title = gettext_lazy("Letters that fit nothing are shown here")
    empty_text = gettext_lazy(
        "A letter finds its deal, company or person by what it answers or by who wrote it. One that finds "
        "nothing waits here until somebody says what it is about."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnmatchedMail]:
        rows: QuerySet[UnmatchedMail] = super().get_queryset(request)
        return rows.defer("raw")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:object_id>/link/", view(require_POST(self.link_view)), name="crm_unmatchedmail_link"),
            path(
                "<int:object_id>/dismiss/",
                view(require_POST(self.dismiss_view)),
                name="crm_unmatchedmail_dismiss",
            ),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        may = row is not None and row.state == State.WAITING and self.may("change", request, row)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {"row": row, "may_link": may, **(extra_context or {})}
        )
        return response

    def link_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Link a letter to what somebody has named."""
        form = LinkForm(request.POST)
        if not form.is_valid():
            messages.error(request, _("Say what it is about."))
            return self._back(object_id)
        activity = call_service(
            request, lambda: mail.link_mail(object_id, about=form.target(request), actor=actor_of(request))
        )
        if activity is None:
            return self._back(object_id)
        messages.success(request, _("The letter stands in the timeline now."))
        name, pk = form.target(request)
        return HttpResponseRedirect(reverse(f"admin:crm_{name}_change", args=[pk]))

    def dismiss_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Put a letter aside."""
        if call_service(request, mail.dismiss_mail, object_id, actor=actor_of(request)):
            messages.success(request, _("Put aside."))
        return HttpResponseRedirect(reverse("admin:crm_unmatchedmail_changelist"))

    def _back(self, pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:crm_unmatchedmail_change", args=[pk]))

    @admin.display(description=gettext_lazy("subject"))
    def subject_cell(self, row: UnmatchedMail) -> str:
        return row.subject or "–"

    @admin.display(description=gettext_lazy("from"))
    def sender_cell(self, row: UnmatchedMail) -> str:
        return f"{row.sender_name} <{row.sender}>" if row.sender_name else row.sender

    @admin.display(description=gettext_lazy("received"), ordering="id")
    def received_cell(self, row: UnmatchedMail) -> str:
        return when(row.received_at)

    @admin.display(description=gettext_lazy("state"))
    def state_cell(self, row: UnmatchedMail) -> str:
        return badge(str(row.get_state_display()), "OPEN" if row.state == State.WAITING else "")
