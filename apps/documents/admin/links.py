"""Share links in the admin: on the page of a document, as a list of all, and each with its log."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service, refusal_text
from apps.common.templatetags.artel import when
from apps.documents.addresses import address_of
from apps.documents.admin.panels import Panel, add_panel
from apps.documents.models import Bundle, Document, ShareLink
from apps.documents.services import sharing as services
from apps.documents.services.sharing import LEAST_PASSWORD, Terms

# Days that a link may be given with one click; others are the day that somebody writes.
_DAYS = (1, 7, 30, 90)
_SHOWN, _VISITS = 10, 200
Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


class LinkForm(forms.Form):
    """On which terms something is shared."""

    note = forms.CharField(label=_("For whom"), max_length=200, required=False)
    days = forms.TypedChoiceField(label=_("Works for"), coerce=int, initial=7)
    max_downloads = forms.IntegerField(
        label=_("Downloads at most"), required=False, min_value=1, max_value=2**31 - 1
    )
    password = forms.CharField(label=_("Password"), required=False, strip=False, max_length=128)
    has_preview = forms.BooleanField(label=_("Show pages before the download"), required=False, initial=True)
    is_newest = forms.BooleanField(label=_("Always the newest version"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days = [count for count in _DAYS if count <= settings.SHARE_LINK_MAX_DAYS] or [
            settings.SHARE_LINK_MAX_DAYS
        ]
        field: Any = self.fields["days"]
        field.choices = [(count, _days(count)) for count in days]

    def terms(self) -> Terms:
        """Return what was chosen, as the service takes it."""
        said = dict(self.cleaned_data)
        return Terms(expires_at=timezone.now() + timedelta(days=said.pop("days")), **said)


def _days(count: int) -> str:
    return gettext("a day") if count == 1 else gettext("%(count)d days") % {"count": count}


@admin.register(ShareLink)
class ShareLinkAdmin(ScopedModelAdmin):
    """Links are made and taken back by :mod:`apps.documents.services.sharing`; this asks and shows."""

    list_display = ("what", "note", "state_badge", "used", "until", "created_by", "made")
    list_display_links = ("what",)
    list_select_related = ("document", "bundle", "created_by")
    search_fields = ("note",)
    ordering = ("-id",)
    short_list = "People share a few documents a day."
    actions = None
    empty_title = _("What you have shared by link")
    empty_text = _("On the page of a document, “Share…” makes a link for somebody without an account.")

    class Media:
        css = {"all": ("css/documents-serving.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    # The list

    @display(description=_("what"))
    def what(self, link: ShareLink) -> str:
        return str(link)

    @display(description=_("state"))
    def state_badge(self, link: ShareLink) -> str:
        return _badge(link)

    @display(description=_("downloads"))
    def used(self, link: ShareLink) -> str:
        return _used(link)

    @display(description=_("ends"), ordering="expires_at")
    def until(self, link: ShareLink) -> str:
        return when(link.expires_at)

    @display(description=_("created"), ordering="-id")
    def made(self, link: ShareLink) -> str:
        return when(link.created_at)

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                "new/<str:kind>/<int:shared_id>/",
                view(never_cache(self.new_view)),
                name="documents_sharelink_new",
            ),
            path("<int:pk>/revoke/", view(require_POST(self.revoke_view)), name="documents_sharelink_revoke"),
        ]
        return [*own, *super().get_urls()]

    # Making one

    def new_view(self, request: HttpRequest, kind: str, shared_id: int) -> HttpResponseBase:
        """Ask on which terms something is shared; then show the address, this once."""
        shared = self._subject(request, kind, shared_id)
        form = LinkForm(request.POST or None)
        refused = ""
        if request.method == "POST" and form.is_valid():
            service = services.share_document if kind == "document" else services.share_bundle
            try:
                link, token = service(shared.pk, form.terms(), actor=actor_of(request))
            except Refusal as refusal:
                refused = refusal_text(refusal)
            else:
                address = request.build_absolute_uri(reverse("documents:share", args=[token]))
                made = {"title": gettext("The link is made"), "link": link, "address": address}
                return self._page(request, "made", {**made, "back": _page_of(shared)})
        context = {
            "title": gettext("Share: %(name)s") % {"name": shared},
            "form": form,
            "is_document": kind == "document",
            "least_password": LEAST_PASSWORD,
            "refused": refused,
            "back": _page_of(shared),
        }
        return self._page(request, "new", context, status=422 if refused or form.errors else 200)

    def _subject(self, request: HttpRequest, kind: str, pk: int) -> Document | Bundle:
        """Return what is to be shared, as long as the person may. :raises Http404: they do not see it"""
        models: dict[str, tuple[type[Document | Bundle], str]] = {
            "document": (Document, "share"),
            "bundle": (Bundle, "change"),
        }
        if kind not in models:
            raise Http404
        model, action = models[kind]
        rows = model._base_manager.filter(access.scope(actor_of(request), "view", model))
        shared = rows.filter(pk=pk).first()
        if shared is None:
            raise Http404
        access.require(actor_of(request), action, shared)
        return shared

    # The page of one

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        link = self._link(request, int(object_id))
        context = {
            "title": str(link),
            "original": link,
            "link": link,
            "badge": _badge(link),
            "used": _used(link),
            "shared_url": _page_of(link.document or link.bundle),
            "may_revoke": _may_revoke(request, link),
            "visits": link.visits.order_by("-pk")[:_VISITS],
        }
        return self._page(request, "page", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        link = self._link(request, pk)
        if call_service(request, services.revoke_link, pk, actor=actor_of(request)):
            messages.success(request, gettext("The link leads nowhere any more."))
        return HttpResponseRedirect(_page_of(link.document or link.bundle))

    def _link(self, request: HttpRequest, pk: int) -> ShareLink:
        rows: QuerySet[ShareLink] = self.get_queryset(request)
        link = (
            rows.select_related("document", "version", "bundle", "created_by", "revoked_by")
            .filter(pk=pk)
            .first()
        )
        if link is None:
            raise Http404
        return link

    def _page(
        self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media} | context
        return TemplateResponse(request, f"admin/documents/links/{name}.html", whole, status=status)


def _may_revoke(request: HttpRequest, link: ShareLink) -> bool:
    """Tell whether somebody may take back a link that works as yet."""
    shared, action = (link.document, "share") if link.document else (link.bundle, "change")
    is_open = link.state() is ShareLink.State.OPEN
    return is_open and shared is not None and access.can(actor_of(request), action, shared)


def _badge(link: ShareLink) -> str:
    state = link.state()
    tone = "good" if state is ShareLink.State.OPEN else ""
    return render_to_string("admin/documents/links/state.html", {"label": state.label, "tone": tone})


def _used(link: ShareLink) -> str:
    return f"{link.downloads} / {link.max_downloads}" if link.max_downloads else str(link.downloads)


def _page_of(shared: Document | Bundle | None) -> str:
    """Return the admin's page of what a link leads to."""
    kind = "document" if isinstance(shared, Document) else "bundle"
    place = address_of(f"admin:documents_{kind}_change", shared.pk) if shared else ""
    return place or reverse("admin:documents_sharelink_changelist")


def links_of(request: HttpRequest, shared: Document | Bundle) -> dict[str, Any]:
    """Tell the links to something, and whether the person may make another."""
    kind, action = ("document", "share") if isinstance(shared, Document) else ("bundle", "change")
    may_share = access.can(actor_of(request), action, shared)
    links = ShareLink.objects.filter(**{kind: shared}).order_by("-pk")[:_SHOWN]
    is_active = getattr(shared, "archived_at", None) is None
    return {
        "links": [
            {
                "link": link,
                "badge": _badge(link),
                "used": _used(link),
                "may_revoke": may_share and link.state() is ShareLink.State.OPEN,
            }
            for link in links
        ],
        "share_url": (
            reverse("admin:documents_sharelink_new", args=[kind, shared.pk])
            if may_share and is_active
            else ""
        ),
    }


def _links(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    if document.current_version_id is None:
        return None
    found = links_of(request, document)
    return found if found["links"] or found["share_url"] else None


add_panel(Panel("links", _("Links"), "admin/documents/panels/links.html", _links, 65))
