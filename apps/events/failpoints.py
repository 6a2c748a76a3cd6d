"""
Places where a test makes a process die, as a power cut would.

ARTEL_FAILPOINT="relay.after_publish:2" kills the process with SIGKILL at its second pass of that place. It
works only where settings.FAILPOINTS is on, which is nowhere but in tests.
"""

import os
import signal
from collections import Counter

from django.conf import settings

_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die here, if this is the place and the pass that ARTEL_FAILPOINT names."""
    if settings.FAILPOINTS:
        _pass(name)


def _pass(name: str) -> None:
    place, _colon, nth = os.environ.get("ARTEL_FAILPOINT", "").partition(":")
    if place != name:
        return
    _passes[name] += 1
    if _passes[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
