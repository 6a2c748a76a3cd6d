"""How often the API may be asked: per key, per person, and per address where nobody says who they are."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take
from apps.common.shares import Shares

_WINDOW_SECONDS = 60
# 12 of 6000: with eight processes somebody may be refused after 5904 calls of a minute. Small limits are kept exactly.
_shares = Shares(one_of=500)


class RequestLimit(BaseThrottle):
    """Refuses with 429 and `Retry-After`; a limit of 0 is none, and asks Redis nothing."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        counter = _counter(request)
        if not counter.limit.count:
            return True
        answer = _shares.take(counter)
        self._wait = answer.wait
        return answer.is_allowed

    def wait(self) -> float:
        return self._wait


def throttled_stranger(request: Request) -> Throttled | None:
    """
    Count a call by somebody who does not say who they are, or lies; return what to answer when there were too many.

    Throttles come to know of neither, for they are asked after the permissions.
    """
    counter = _counter_of_strangers(request)
    answer = take(counter) if counter.limit.count else None
    return None if answer is None or answer.is_allowed else Throttled(answer.wait)


def _counter_of_strangers(request: Request) -> Counter:
    address = limited_address(client_address(request))
    return Counter("api", f"address {address}", Limit(settings.API_LIMIT_ANONYMOUS, _WINDOW_SECONDS))


def _counter(request: Request) -> Counter:
    user = request.user
    if not user.is_authenticated:
        return _counter_of_strangers(request)
    key_id = getattr(user, "key_id", None)
    subject = f"user {user.pk}" if key_id is None else f"key {key_id}"
    return Counter("api", subject, Limit(settings.API_LIMIT, _WINDOW_SECONDS))
