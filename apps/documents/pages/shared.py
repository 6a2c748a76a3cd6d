"""The page behind a share link, for people without an account: what it is, a look at it, and a button that gives it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core import signing
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.documents.faces.previews import preview_for, respond_with_page
from apps.documents.faces.serving import respond_with, respond_with_bundle
from apps.documents.models import ShareLink
from apps.documents.selectors import pictured_pages
from apps.documents.services import sharing
from apps.documents.services.sharing import Visitor

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
_COOKIE = "artel_share"
_SALT = "documents.share"
# So long a password that was given opens the link in the same browser.
_UNLOCKED_SECONDS = 3600
# Nothing but our own styles and pictures. That nobody else hears the address is said of all pages: to say "no-referrer"
# here would have browsers hide from us, too, where the form comes from.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Robots-Tag": "noindex",
}
_WHY = "whoever holds a share link, and nobody else, sees by it what it leads to"


def _limited(view: View) -> View:
    """Let nobody look for links by trying."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        address = limited_address(client_address(request))
        answer = take(Counter("share_views", address, Limit(settings.SHARE_VIEWS, 60)))
        if answer.is_allowed:
            return view(request, *args, **kwargs)
        return _page(
            request, "documents/shared_often.html", {}, 429, {"Retry-After": str(int(answer.wait) + 1)}
        )

    return cast(View, limited)


@public(_WHY)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_limited
def share(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show what a link leads to, ask for its password, give the file to whoever presses the button."""
    try:
        link = sharing.open_link(token)
        if link.has_password and not _is_unlocked(request, link):
            return _ask(request, link)
        if request.method == "POST" and "download" in request.POST:
            return _given(request, sharing.take_download(link, _visitor(request)))
    except (ObjectDoesNotExist, Http404):
        return _nowhere(request)
    sharing.note_opened(link, _visitor(request))
    return _page(request, "documents/shared.html", {"token": token, **_shown(link)})


@public(_WHY)
@require_safe
@_limited
def page(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    """Show the picture of a page of what a link leads to."""
    try:
        link = sharing.open_link(token)
    except ObjectDoesNotExist:
        return _nowhere(request)
    version = sharing.shared_version(link)
    if version is None or not link.has_preview or (link.has_password and not _is_unlocked(request, link)):
        return _nowhere(request)
    try:
        return respond_with_page(version, request, number)
    except ValidationError:
        return _nowhere(request)


def _ask(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Ask for the password, and remember in this browser that it was right."""
    refused = ""
    if request.method == "POST" and "password" in request.POST:
        try:
            if sharing.try_password(link, request.POST["password"], _visitor(request)):
                return _unlocked(request, link)
            refused = _("This is not the password of this link.")
        except ValidationError as error:
            refused = error.messages[0]
    return _page(request, "documents/shared_password.html", {"refused": refused}, 403 if refused else 200)


def _unlocked(request: HttpRequest, link: ShareLink) -> HttpResponse:
    response = HttpResponseRedirect(request.path, headers=_HEADERS)
    response.status_code = 303
    response.set_cookie(
        _COOKIE,
        signing.dumps(_proof(link), salt=_SALT),
        max_age=_UNLOCKED_SECONDS,
        path=request.path,
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
    return response


def _is_unlocked(request: HttpRequest, link: ShareLink) -> bool:
    try:
        proof = signing.loads(request.COOKIES.get(_COOKIE, ""), salt=_SALT, max_age=_UNLOCKED_SECONDS)
    except signing.BadSignature:
        return False
    return isinstance(proof, str) and constant_time_compare(proof, _proof(link))


def _proof(link: ShareLink) -> str:
    return f"{link.pk} {link.digest}"


def _given(request: HttpRequest, link: ShareLink) -> HttpResponseBase:
    version = sharing.shared_version(link)
    if version is not None:
        response = respond_with(version, request, as_attachment=True)
    elif link.bundle is not None:
        response = respond_with_bundle(link.bundle, request)
    else:
        raise ShareLink.DoesNotExist
    # Not for the browser to keep: another download is another one.
    response["Cache-Control"] = "private, no-store"
    return response


def _shown(link: ShareLink) -> dict[str, Any]:
    version = sharing.shared_version(link)
    pages: list[int] = []
    if version is not None and link.has_preview:
        preview_for(version.blob)
        pages = pictured_pages(version.blob)
    return {
        "link": link,
        "title": link.document.title if link.document else link.bundle,
        "version": version,
        "size": version.blob.size if version else link.bundle.size if link.bundle else None,
        "file_name": version.file_name if version else link.bundle.file_name if link.bundle else "",
        "pages": pages,
        "left": None if link.max_downloads is None else link.max_downloads - link.downloads,
    }


def _nowhere(request: HttpRequest) -> HttpResponse:
    """Answer for a link that never was, is over, was used up or taken back: nobody learns which."""
    return _page(request, "documents/shared_nowhere.html", {}, 404)


def _page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    response = render(request, template, context, status=status)
    for name, value in {**_HEADERS, **(headers or {})}.items():
        response[name] = value
    return response


def _visitor(request: HttpRequest) -> Visitor:
    return Visitor(client_address(request), request.headers.get("User-Agent", ""))
