"""
allauth's own limits, of mails asked for and pages posted to, counted exactly and in the same place as all others.

allauth offers no hook for this: it keeps lists of times in Django's cache under a lock that it waits a second for, and
fails where the cache does. What counts one rate, and what clears them, is replaced; which action has which rate is still
`ACCOUNT_RATE_LIMITS`.
"""

from dataclasses import dataclass
from typing import Any

from allauth.core.exceptions import RateLimited
from allauth.core.internal import ratelimit
from django.http import HttpRequest

from apps.common.limits import Counter, Limit, give_back, look, take


@dataclass(frozen=True)
class Usage:
    """An attempt that was counted."""

    counter: Counter

    def rollback(self) -> None:
        give_back(self.counter)


def install() -> None:
    """Let allauth count here. :raises AttributeError: this allauth counts in another way"""
    ratelimit._consume_single_rate  # noqa: B018 - a new name would leave the limits unguarded in silence
    ratelimit._consume_single_rate = consume_rate
    ratelimit.clear  # noqa: B018 - the same: right codes would be counted as wrong ones
    ratelimit.clear = take_back


def consume_rate(
    request: HttpRequest,
    *,
    app: str,
    action: str,
    rate: ratelimit.Rate,
    key: Any = None,
    user: Any = None,
    dry_run: bool = False,
    raise_exception: bool = False,
) -> Usage | None:
    """
    Count one attempt, or with `dry_run` only look.

    :raises RateLimited: there were too many, and `raise_exception` is set; None without it
    """
    counter = _counter(request, app=app, action=action, rate=rate, key=key, user=user)
    answer = look(counter) if dry_run else take(counter)
    if answer.is_allowed:
        return Usage(counter)
    if raise_exception:
        raise RateLimited
    return None


def take_back(
    request: HttpRequest,
    *,
    app: str,
    action: str,
    config: dict[str, str] | None = None,
    key: Any = None,
    user: Any = None,
) -> None:
    """
    Take back the attempt that turned out right, and no other.

    allauth forgets the wrong ones as well: somebody's logging in would let whoever guesses beside them begin anew.
    """
    rates = ratelimit.get_rates(app=app, action=action, config=config)
    give_back(*(_counter(request, app=app, action=action, rate=rate, key=key, user=user) for rate in rates))


def _counter(
    request: HttpRequest, *, app: str, action: str, rate: ratelimit.Rate, key: Any, user: Any
) -> Counter:
    subject = ratelimit.get_cache_key(request, app=app, action=action, rate=rate, key=key, user=user)
    return Counter(f"{app}.{action}", subject, Limit(rate.amount, rate.duration))
