"""The inbox among the pages of the admin: what somebody was told, by what it is about. Everybody's own."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import access
from apps.accounts.faces.visible import actor_of
from apps.accounts.models import User
from apps.accounts.services.in_person import require_in_person
from apps.common.admin import call_service
from apps.notifications.models import Verdict
from apps.notifications.selectors.inbox import groups_of, items_of, mutes_of
from apps.notifications.services import inbox

# As many as somebody looks through; what is older is found over REST.
SHOWN = 100
_BOXES: list[tuple[str, Any]] = [("", _("Inbox")), ("unread", _("Unread")), ("archived", _("Archive"))]


def inbox_urls(view: Callable[[Any], Any]) -> list[URLPattern]:
    """Return the addresses of the inbox among those of the admin. :param view: the site's way to guard a page"""
    pages: list[tuple[str, Any, str]] = [
        ("inbox/", require_GET(inbox_view), "inbox"),
        ("inbox/<int:pk>/", require_GET(open_view), "inbox_open"),
        ("inbox/mark/", require_POST(mark_view), "inbox_mark"),
        ("inbox/mark-all/", require_POST(mark_all_view), "inbox_mark_all"),
        ("inbox/mute/", require_POST(mute_view), "inbox_mute"),
        ("inbox/unmute/", require_POST(unmute_view), "inbox_unmute"),
    ]
    return [path(route, view(page), name=name) for route, page, name in pages]


def inbox_view(request: HttpRequest) -> HttpResponse:
    """Show one's own inbox, what is unread of it, or the archive: grouped by what it is about."""
    actor = actor_of(request)
    box = request.GET.get("box", "")
    items = items_of(inbox.in_box(actor, box)[:SHOWN], reader=actor)
    page = reverse("admin:inbox")
    context = {
        **admin.site.each_context(request),
        "title": gettext("Inbox"),
        "groups": groups_of(items),
        "latest": items[0].row.pk if items else None,
        "box": box,
        "tabs": [
            {"title": title, "url": f"{page}?box={key}" if key else page, "is_here": key == box}
            for key, title in _BOXES
        ],
        "mutes": mutes_of(actor),
        "may_why": access.can_any(actor, "view", Verdict),
    }
    return TemplateResponse(request, "admin/notifications/inbox/page.html", context)


def open_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Open what a notification is about, which reads it."""
    actor = actor_of(request)
    row = inbox.inbox_of(actor).filter(pk=pk).first()
    if row is None:
        raise Http404
    if actor.impersonation is None:
        inbox.mark([row.pk], actor=actor, as_what="read")
    item = items_of([row], reader=actor)[0]
    return HttpResponseRedirect(
        item.target.url if item.target and item.target.url else reverse("admin:inbox")
    )


def mark_view(request: HttpRequest) -> HttpResponse:
    """Mark what was chosen."""
    actor = _in_person(request)
    ids = [key for part in request.POST.get("ids", "").split(",") if (key := _key(part))]
    try:
        inbox.mark(ids[:500], actor=actor, as_what=request.POST.get("as_what", ""))
    except KeyError:
        raise Http404 from None
    return _answer(request)


def mark_all_view(request: HttpRequest) -> HttpResponse:
    """Mark all that was on the page."""
    actor, as_what = _in_person(request), request.POST.get("as_what", "")
    if as_what not in {"read", "archived"}:
        raise Http404
    inbox.mark_all(actor=actor, as_what=as_what, until_id=_key(request.POST.get("until", "")) or None)
    return _answer(request)


def mute_view(request: HttpRequest) -> HttpResponse:
    """Mute a thing."""
    actor = _in_person(request)
    about = (request.POST.get("type", ""), _key(request.POST.get("id", "")))
    call_service(request, inbox.mute, *about, actor=actor)
    return _answer(request)


def unmute_view(request: HttpRequest) -> HttpResponse:
    """Hear of a thing again."""
    actor = _in_person(request)
    try:
        inbox.unmute(_key(request.POST.get("mute", "")), actor=actor)
    except ObjectDoesNotExist:
        raise Http404 from None
    return _answer(request)


def _in_person(request: HttpRequest) -> User:
    actor = actor_of(request)
    require_in_person(actor)
    return actor


def _key(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _answer(request: HttpRequest) -> HttpResponse:
    page, box = reverse("admin:inbox"), request.POST.get("box", "")
    return HttpResponseRedirect(f"{page}?box={box}" if box in {"unread", "archived"} else page)
