"""What was sent out to be signed, and on a document's page, approval and signing with what can be done about them."""

from datetime import datetime, time
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service
from apps.documents.admin.approvals import approval_context
from apps.documents.admin.panels import Command, Panel, add_command, add_panel
from apps.documents.faces.links import signing_link
from apps.documents.models import Approval, Document, SignatureRecipient, SignatureRequest
from apps.documents.services import approvals, signing
from apps.documents.services.approvals import Ask
from apps.documents.services.signing import Party

# As many of the past as tell how it went.
EARLIER = 5


class PartyRow(forms.Form):
    """One line of whom a document is sent to."""

    name = forms.CharField(label=_("Name"), max_length=150)
    email = forms.EmailField(label=_("E-mail"))


@admin.register(SignatureRequest)
class SignatureRequestAdmin(ScopedModelAdmin):
    """What was sent out to be signed, and how far it is."""

    ordering = ("-id",)
    list_display = ("document", "state", "created_by", "created_at", "expires_at", "closed_at")
    list_display_links = ("document",)
    list_select_related = ("document", "created_by")
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    search_fields = ()
    actions = None
    fields = (
        *("document", "document_version", "state", "message", "reason", "digest"),
        *("created_by", "created_at", "expires_at", "closed_at"),
    )
    readonly_fields = fields
    change_form_outer_before_template = "admin/documents/signing/page.html"
    empty_title = _("Nothing was sent out to be signed")
    empty_text = _(
        "Send a document out on its own page: whoever gets the link reads it, and accepts or declines."
    )

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/documents-approval.css")}

    def has_add_permission(self, request: HttpRequest) -> bool:
        # On the page of the document.
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # By the buttons alone.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"documents_signaturerequest_{name}",
            )
            for name, view in (("cancel", self.cancel_view), ("resend", self.resend_view))
        ]
        return [*pages, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        context = {} if row is None else {"asked": signature_context(request, row), "row": row}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, context | (extra_context or {})
        )
        return answer

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take a request back."""
        row = self._visible(request, object_id)
        reason = request.POST.get("reason", "")
        actor = actor_of(request)
        if call_service(request, signing.cancel_signature_request, row.pk, actor=actor, reason=reason):
            messages.success(request, gettext("Taken back. Its links have ended."))
        return HttpResponseRedirect(reverse("admin:documents_document_change", args=[row.document_id]))

    def resend_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send somebody another link."""
        row = self._visible(request, object_id)
        given = request.POST.get("recipient", "")
        sent = call_service(
            request,
            signing.resend_link,
            row.pk,
            recipient_id=int(given) if given.isdecimal() else 0,
            link=signing_link(request),
            actor=actor_of(request),
        )
        if sent:
            messages.success(request, gettext("Another link is on its way; the earlier one has ended."))
        return HttpResponseRedirect(reverse("admin:documents_document_change", args=[row.document_id]))

    def _visible(self, request: HttpRequest, pk: int) -> SignatureRequest:
        row: SignatureRequest | None = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        return row


def signature_context(request: HttpRequest, row: SignatureRequest) -> dict[str, Any]:
    """Return what is shown of one signature request: its recipients, what happened, and what can be done."""
    is_open = row.state == SignatureRequest.State.OPEN
    return {
        "request": row,
        "is_open": is_open,
        "recipients": list(row.recipients.order_by("place", "id")),
        "asked_state": SignatureRecipient.State.ASKED,
        "lock_at": settings.SIGNATURE_WRONG_CODES,
        "events": list(row.events.select_related("recipient").order_by("position")),
        "may_change": is_open and access.can(actor_of(request), "change", row),
    }


# On the page of a document


def _panel(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    actor = actor_of(request)
    asked = Approval.objects.visible_to(actor).filter(document=document).order_by("-pk")
    sent = SignatureRequest.objects.visible_to(actor).filter(document=document).order_by("-pk")
    shown = [approval_context(request, each) for each in asked[:EARLIER]]
    requests = [signature_context(request, each) for each in sent[:EARLIER]]
    if not shown and not requests:
        return None
    return {
        "approvals": shown,
        "requests": requests,
        "warning": approvals.warning_before_version(document),
        "back": request.get_full_path(),
    }


def _send_for_approval(request: HttpRequest, pk: int, version: int | None) -> None:
    said = request.POST
    route = said.get("route", "")
    people = [Ask(assignee_id=int(each), place=place) for place, each in _chosen(said.getlist("assignee"))]
    sent = call_service(
        request,
        approvals.request_approval,
        pk,
        actor=actor_of(request),
        route_id=int(route) if route.isdecimal() else None,
        steps=() if route.isdecimal() else people,
        note=said.get("note", ""),
        expected_version=version,
    )
    if sent is not None:
        messages.success(request, gettext("Sent to be approved."))


def _chosen(given: list[str]) -> list[tuple[int, str]]:
    """Return who was chosen, one after the other."""
    return list(enumerate((each for each in given if each.isdecimal()), start=1))


def _cancel_approval(request: HttpRequest, pk: int, version: int | None) -> None:
    actor = actor_of(request)
    found = Approval.objects.visible_to(actor).filter(document=pk, state=Approval.State.OPEN).first()
    reason = request.POST.get("reason", "")
    if found is None:
        messages.error(request, gettext("This approval has ended."))
    elif call_service(request, approvals.cancel_approval, found.pk, actor=actor, reason=reason):
        messages.success(request, gettext("Taken back. It is a draft again."))


def _send_for_signature(request: HttpRequest, pk: int, version: int | None) -> None:
    said = request.POST
    parties, refused = _parties(said.getlist("name"), said.getlist("email"), is_in_order="in_order" in said)
    until = forms.DateField(required=False).clean(said.get("until") or None)
    if refused or until is None:
        messages.error(request, refused or gettext("Say until when it can be accepted."))
        return
    sent = call_service(
        request,
        signing.request_signature,
        pk,
        parties=parties,
        expires_at=timezone.make_aware(datetime.combine(until, time.max)),
        message=said.get("message", ""),
        link=signing_link(request),
        actor=actor_of(request),
        expected_version=version,
    )
    if sent is not None:
        messages.success(request, gettext("Sent out to be signed."))


def _parties(names: list[str], emails: list[str], *, is_in_order: bool) -> tuple[list[Party], str]:
    """Return whom a form names, line by line, or why not; lines without an address are left out."""
    parties: list[Party] = []
    for name, email in zip(names, emails, strict=False):
        if not name.strip() and not email.strip():
            continue
        row = PartyRow({"name": name, "email": email})
        if not row.is_valid():
            return [], gettext("“%(name)s”, “%(email)s”: name a person and their address.") % {
                "name": name,
                "email": email,
            }
        place = len(parties) + 1 if is_in_order else 1
        parties.append(Party(row.cleaned_data["name"], row.cleaned_data["email"], place))
    return parties, ""


def _is_draft(document: Document) -> bool:
    is_ready = document.status == Document.Status.DRAFT and _has_content(document)
    return document.archived_at is None and is_ready and not _open_requests(document)


def _is_in_review(document: Document) -> bool:
    return document.archived_at is None and document.status == Document.Status.IN_REVIEW


def _can_be_sent_out(document: Document) -> bool:
    is_ready = document.status in (Document.Status.DRAFT, Document.Status.APPROVED) and _has_content(document)
    return document.archived_at is None and is_ready and not _open_requests(document)


def _has_content(document: Document) -> bool:
    return document.current_version_id is not None


def _open_requests(document: Document) -> bool:
    return document.signature_requests.filter(state=SignatureRequest.State.OPEN).exists()


add_panel(Panel("signing", _("Approval and signing"), "admin/documents/signing/panel.html", _panel, order=40))
add_command(
    Command(
        "send_for_approval",
        _("Send for approval"),
        "change",
        _send_for_approval,
        is_possible=_is_draft,
        template="admin/documents/approval/ask.html",
        order=30,
    )
)
add_command(
    Command(
        "cancel_approval",
        _("Cancel approval"),
        "change",
        _cancel_approval,
        is_possible=_is_in_review,
        template="admin/documents/approval/ask_cancel.html",
        order=30,
    )
)
add_command(
    Command(
        "send_for_signature",
        _("Send for signature"),
        "change",
        _send_for_signature,
        is_possible=_can_be_sent_out,
        template="admin/documents/signing/ask.html",
        order=31,
    )
)
