"""The address under which a calendar finds somebody's tasks: whoever knows it reads them, without a session."""

from datetime import timedelta
from hashlib import sha256

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.notifications.calendars import calendar_of
from apps.notifications.models import Task
from apps.notifications.services.feeds import open_feed

# Of an address, whatever secrets it tries; calendars ask each quarter of an hour.
_LIMIT = Limit(120, 60)
# What was done lately stays to be seen; what is far away is nobody's plan.
_BACK, _AHEAD = timedelta(days=60), timedelta(days=400)
_MOST = 2000


@public("whoever holds the secret address, which its owner may take back at any time")
@require_safe
def feed(request: HttpRequest, secret: str) -> HttpResponse:
    """Answer with the tasks of the address's owner, as far as they may see them by now."""
    if not take(Counter("calendars", limited_address(client_address(request)), _LIMIT)).is_allowed:
        return HttpResponse(status=429)
    try:
        owner = open_feed(secret).owner
    except ObjectDoesNotExist:
        # Nobody learns whether it ever was.
        return HttpResponse(status=404)
    now = timezone.now()
    tasks = Task.objects.visible_to(owner).active().filter(assignee=owner)
    tasks = tasks.filter(due_at__gte=now - _BACK, due_at__lt=now + _AHEAD)
    with translation.override(owner.locale or translation.get_language()):
        name = _("Tasks of %(name)s") % {"name": owner.name}
    host = request.get_host().partition(":")[0]
    body = calendar_of(tasks.order_by("due_at", "pk")[:_MOST], name=name, host=host).encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    response = HttpResponse(body, content_type="text/calendar; charset=utf-8", headers={"ETag": tag})
    response["Cache-Control"] = "private, max-age=300"
    response["Content-Disposition"] = 'inline; filename="artel.ics"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
