"""The page by which a customer reads a quote, and accepts or rejects it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.common.links import digest_of
from apps.crm.models import Quote
from apps.crm.services import quotes
from apps.documents.faces.serving import respond_with

View = Callable[..., Any]
# Of an address, whatever links it opens: nobody reads faster.
_LIMIT = Limit(240, 60)
# Nothing on the page acts, and nothing of it leads away or into another page.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class AcceptForm(forms.Form):
    """Who accepts, that they agree, and to what."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    has_agreed = forms.BooleanField(label=_("I accept this quote and its terms"), required=False)
    paper_digest = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)


class RejectForm(forms.Form):
    """Why somebody rejects it."""

    reason = forms.CharField(
        label=_("Why not"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


def limited(view: View) -> View:
    """Let an address open pages of quotes only so often."""

    @wraps(view)
    def within_limit(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        counter = Counter("quotes", limited_address(client_address(request)), _LIMIT)
        if not take(counter).is_allowed:
            return _strict(render(request, "documents/sign/too_many.html", status=429))
        return view(request, *args, **kwargs)

    return within_limit


@public("whoever holds the link that they were sent, and nobody else, answers by it")
@limited
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def quote(request: HttpRequest, token: str) -> HttpResponse:
    """Show a customer what they are offered, and take their answer."""
    digest = digest_of(token)
    try:
        found = quotes.open_link(digest)
        _speak(request, found)
        if request.method == "POST":
            return _answered(request, token, found)
        if request.method == "GET":
            quotes.note_view(digest)
        return _page(request, token, found)
    except ObjectDoesNotExist:
        return _nowhere(request)


@public("whoever holds the link that they were sent, and nobody else, reads by it")
@limited
@require_safe
def paper(request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer with the quote as a PDF. :raises Http404: the content is lost"""
    try:
        document = quotes.open_link(digest_of(token)).document
    except ObjectDoesNotExist:
        return _nowhere(request)
    if document is None or document.current_version is None:
        return _nowhere(request)
    response = respond_with(document.current_version, request, as_attachment="keep" in request.GET)
    # A browser that others may use does not keep what a link led to.
    response["Cache-Control"] = "private, no-store"
    return response


def _nowhere(request: HttpRequest) -> HttpResponse:
    """Answer for a link that never was, has ended or was sent anew: nobody learns which."""
    return _strict(render(request, "documents/sign/nowhere.html", status=404))


def _speak(request: HttpRequest, found: Quote) -> None:
    """Speak the language of the quote, unless the customer has chosen another."""
    if settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(found.locale)
        request.LANGUAGE_CODE = found.locale


def _answered(request: HttpRequest, token: str, found: Quote) -> HttpResponse:
    """Do what a button asks for, and come back to the page; a refusal is shown where the person is looking."""
    action = request.POST.get("action", "")
    forms_of: dict[str, type[forms.Form]] = {"accept": AcceptForm, "reject": RejectForm}
    if action not in forms_of:
        return _page(request, token, found, status=400)
    form = forms_of[action](request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            if action == "accept":
                quotes.accept_quote(digest_of(token), **said)
            else:
                quotes.reject_quote(digest_of(token), reason=said["reason"])
            return _strict(HttpResponseRedirect(reverse("crm:quote", args=[token])))
        except ValidationError as refused:
            by_field = refused.error_dict if hasattr(refused, "error_dict") else {NON_FIELD_ERRORS: [refused]}
            for field, errors in by_field.items():
                form.add_error(field if field in form.fields else None, errors)
    # As it is now: it may have been answered a moment ago.
    return _page(request, token, quotes.open_link(digest_of(token)), form=form, status=400)


def _page(
    request: HttpRequest, token: str, found: Quote, *, form: forms.Form | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "quote": found,
        "lines": found.lines.select_related("quote").order_by("position"),
        "taxes": [row for row in found.tax_rows() if row["rate"] is not None],
        "token": token,
        "is_open": found.status == Quote.Status.SENT,
        "form": form
        if isinstance(form, AcceptForm)
        else AcceptForm(initial={"name": found.recipient_name, "paper_digest": found.paper_digest}),
        "reject_form": form if isinstance(form, RejectForm) else RejectForm(),
        "is_rejecting": isinstance(form, RejectForm),
    }
    return _strict(render(request, "crm/quote/page.html", context, status=status))


def _strict(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = _POLICY
    # Our own pages alone are told the address; forms need that to show where they come from.
    response["Referrer-Policy"] = "same-origin"
    # Django logs the address of what is refused, and here that is a secret.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
