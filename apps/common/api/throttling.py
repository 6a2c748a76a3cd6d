"""How often the API may be asked: per key, per person, and per address where nobody says who they are."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take

_WINDOW_SECONDS = 60


class RequestLimit(BaseThrottle):
    """Refuses with 429 and `Retry-After`; a limit of 0 is none, and asks Redis nothing."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        counter = _counter(request)
        if not counter.limit.count:
            return True
        answer = take(counter)
        self._wait = answer.wait
        return answer.is_allowed

    def wait(self) -> float:
        return self._wait


def _counter(request: Request) -> Counter:
    user = request.user
    if not user.is_authenticated:
        limit = Limit(settings.API_LIMIT_ANONYMOUS, _WINDOW_SECONDS)
        return Counter("api", f"address {limited_address(client_address(request))}", limit)
    key_id = getattr(user, "key_id", None)
    subject = f"user {user.pk}" if key_id is None else f"key {key_id}"
    return Counter("api", subject, Limit(settings.API_LIMIT, _WINDOW_SECONDS))
