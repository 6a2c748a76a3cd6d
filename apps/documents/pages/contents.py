"""The addresses of contents, for people who are logged in: the policy is asked for each version."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.faces.declared import own_only
from apps.accounts.models import User
from apps.documents.faces.previews import respond_with_page, respond_with_preview, respond_with_thumbnail
from apps.documents.faces.serving import respond_with
from apps.documents.models import DocumentVersion

_WHY = "asks the access policy for the version, and knows nothing of what that does not show"


@own_only(_WHY)
@login_required
@require_safe
def content(request: HttpRequest, version_id: int) -> HttpResponseBase:
    """Show a version's content where that does no harm, or hand it out: always, if so asked (`?download`)."""
    version = _visible(request, version_id)
    return respond_with(version, request, as_attachment="download" in request.GET)


@own_only(_WHY)
@login_required
@require_safe
def preview(request: HttpRequest, version_id: int) -> HttpResponseBase:
    """Show what stands for a version's content, or say why nothing does."""
    version = _visible(request, version_id)
    with _nothing_there():
        return respond_with_preview(version, request)


@own_only(_WHY)
@login_required
@require_safe
def page(request: HttpRequest, version_id: int, number: int) -> HttpResponseBase:
    """Show the picture of a page."""
    version = _visible(request, version_id)
    with _nothing_there():
        return respond_with_page(version, request, number)


@own_only(_WHY)
@login_required
@require_safe
def thumbnail(request: HttpRequest, version_id: int) -> HttpResponseBase:
    """Show the small picture of a version; a picture of any file where there is none."""
    response = respond_with_thumbnail(_visible(request, version_id), request)
    return response or _any_file()


@contextmanager
def _nothing_there() -> Iterator[None]:
    """Say of what there is no preview of that there is none."""
    try:
        yield
    except ValidationError as refused:
        raise Http404(refused.messages[0]) from refused


def _any_file() -> HttpResponse:
    response = redirect(static("img/documents-file.svg"))
    # There may be a picture soon.
    response["Cache-Control"] = "private, no-store"
    return response


def _visible(request: HttpRequest, version_id: int) -> DocumentVersion:
    """Return a version that the person sees. :raises Http404: there is none for them"""
    user = request.user
    rows = DocumentVersion.objects.select_related("blob")
    found = rows.visible_to(user).filter(pk=version_id).first() if isinstance(user, User) else None
    if found is None:
        raise Http404(_("There is no such version, or you may not see it."))
    return found
