"""The page by which somebody outside accepts a document: they read it, get a code by mail, and answer."""

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
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.documents.faces.links import signing_link
from apps.documents.faces.previews import preview_for, respond_with_page
from apps.documents.faces.serving import respond_with
from apps.documents.models import SignatureRecipient, SignatureRequest
from apps.documents.selectors import pictured_pages
from apps.documents.services import accepting

State = SignatureRecipient.State
View = Callable[..., Any]
# Of an address, whatever links it opens: nobody reads faster.
_LIMIT = Limit(240, 60)
# Nothing on the page acts, and nothing of it leads away or into another page.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class AnswerForm(forms.Form):
    """A code, and the reason of who declines."""

    code = forms.CharField(
        label=_("Code from the letter"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    reason = forms.CharField(
        label=_("Why you decline"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)


class ReadForm(forms.Form):
    """That somebody has read the document."""

    has_read = forms.BooleanField(label=_("I have read this document"), required=False)


def limited(view: View) -> View:
    """Let an address open pages of signing only so often."""

    @wraps(view)
    def within_limit(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        counter = Counter("signing", limited_address(client_address(request)), _LIMIT)
        if not take(counter).is_allowed:
            return _strict(render(request, "documents/sign/too_many.html", status=429))
        return view(request, *args, **kwargs)

    return within_limit


@public("whoever holds the link that they were sent, and nobody else, answers by it")
@limited
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Show somebody what they are asked to accept, and take their answer."""
    try:
        recipient = accepting.open_link(token)
        _speak(request, recipient)
        if request.method == "POST":
            return _answered(request, token, recipient)
        if request.method == "GET":
            accepting.note_view(token)
        return _page(request, token, recipient)
    except ObjectDoesNotExist:
        return _nowhere(request)


@public("whoever holds the link that they were sent, and nobody else, reads by it")
@limited
@require_safe
def content(request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer with what was sent out. :raises Http404: the content is lost"""
    try:
        version = accepting.open_link(token).request.document_version
        response = respond_with(version, request, as_attachment="keep" in request.GET)
        if request.method == "GET":
            accepting.note_opened(token)
    except ObjectDoesNotExist:
        return _nowhere(request)
    return _unkept(response)


@public("whoever holds the link that they were sent, and nobody else, reads by it")
@limited
@require_safe
def picture(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    """Show the picture of a page of what was sent out."""
    try:
        version = accepting.open_link(token).request.document_version
        return _unkept(respond_with_page(version, request, number))
    except (ObjectDoesNotExist, ValidationError):
        return _nowhere(request)


@public("whoever has accepted by the link that they were sent keeps the evidence of it")
@limited
@require_safe
def evidence(request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer with the evidence of a complete request. :raises Http404: its content is lost"""
    try:
        paper = accepting.open_link(token).request.evidence
    except ObjectDoesNotExist:
        return _nowhere(request)
    if paper is None or paper.current_version is None:
        return _nowhere(request)
    return _unkept(respond_with(paper.current_version, request, as_attachment=True))


def _unkept(response: HttpResponseBase) -> HttpResponseBase:
    """Keep a browser that others may use from keeping what a link led to."""
    response["Cache-Control"] = "private, no-store"
    return response


def _nowhere(request: HttpRequest) -> HttpResponse:
    """Answer for a link that never was, has ended or was sent anew: nobody learns which."""
    return _strict(render(request, "documents/sign/nowhere.html", status=404))


def _speak(request: HttpRequest, recipient: SignatureRecipient) -> None:
    """Speak the language that the sender has chosen for somebody, unless they have chosen another."""
    if recipient.locale and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(recipient.locale)
        request.LANGUAGE_CODE = recipient.locale


def _answered(request: HttpRequest, token: str, recipient: SignatureRecipient) -> HttpResponse:
    """Do what a button asks for, and come back to the page; a refusal is shown where the person is looking."""
    deeds: dict[str, Callable[[HttpRequest, str, forms.Form], None]] = {
        "code": _send_code,
        "accept": _accept,
        "decline": _decline,
    }
    action = request.POST.get("action", "")
    if action not in deeds:
        return _page(request, token, recipient, status=400)
    form: forms.Form = ReadForm(request.POST) if action == "code" else AnswerForm(request.POST)
    if form.is_valid():
        try:
            deeds[action](request, token, form)
            return _strict(HttpResponseRedirect(reverse("documents:accept", args=[token])))
        except ValidationError as refused:
            _add(form, refused)
    # As it is now: it may have been answered, or locked, a moment ago.
    return _page(request, token, accepting.open_link(token), form=form, action=action, status=400)


def _send_code(request: HttpRequest, token: str, form: forms.Form) -> None:
    accepting.send_code(token, has_read=form.cleaned_data["has_read"])


def _accept(request: HttpRequest, token: str, form: forms.Form) -> None:
    said = form.cleaned_data
    accepting.accept(token, code=said["code"], digest=said["digest"], link=signing_link(request))


def _decline(request: HttpRequest, token: str, form: forms.Form) -> None:
    accepting.decline(token, code=form.cleaned_data["code"], reason=form.cleaned_data["reason"])


def _add(form: forms.Form, refused: ValidationError) -> None:
    by_field = refused.error_dict if hasattr(refused, "error_dict") else {NON_FIELD_ERRORS: [refused]}
    for field, errors in by_field.items():
        form.add_error(field if field in form.fields else None, errors)


def _page(
    request: HttpRequest,
    token: str,
    recipient: SignatureRecipient,
    *,
    form: forms.Form | None = None,
    action: str = "",
    status: int = 200,
) -> HttpResponse:
    asked = recipient.request
    version = asked.document_version
    initial = {"digest": asked.digest}
    context = {
        "recipient": recipient,
        "asked": asked,
        "document": asked.document,
        "version": version,
        "pages": _pages(asked),
        "token": token,
        "address": _masked(recipient.email),
        "is_open": recipient.state == State.ASKED,
        "is_locked": accepting.is_locked(recipient),
        "has_code": accepting.has_code(recipient),
        "is_complete": asked.state == SignatureRequest.State.COMPLETED,
        "read_form": form if isinstance(form, ReadForm) else ReadForm(),
        "form": form if isinstance(form, AnswerForm) else AnswerForm(initial=initial),
        "is_declining": action == "decline",
        "now": timezone.now(),
    }
    return _strict(render(request, "documents/sign/page.html", context, status=status))


def _pages(asked: SignatureRequest) -> list[int]:
    """List the pages that there are pictures of; where nobody has asked for any, they are made now."""
    blob = asked.document_version.blob
    preview_for(blob)
    return pictured_pages(blob)


def _masked(email: str) -> str:
    """Return an address as its owner knows it again, and nobody else learns it."""
    name, _at, host = email.partition("@")
    return f"{name[:1]}•••@{host}"


def _strict(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = _POLICY
    # Our own pages alone are told the address; forms need that to show where they come from.
    response["Referrer-Policy"] = "same-origin"
    # Django logs the address of what is refused, and here that is a secret.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
