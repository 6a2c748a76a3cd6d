"""The words of the protocol that the server says over a socket or as server-sent events."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from apps.events.streams import StreamEvent


def _text(**message: Any) -> str:
    return json.dumps(message, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


def welcome(streams: Mapping[str, tuple[str, int]], denied: Iterable[str]) -> str:
    """What is watched from now on, with epoch and last number; what may not be; seconds between beats."""
    shown = {name: {"epoch": epoch, "head": head} for name, (epoch, head) in streams.items()}
    return _text(
        op="welcome", streams=shown, denied=sorted(denied), heartbeat=settings.STREAM_HEARTBEAT_SECONDS
    )


def event(stream: str, event: StreamEvent) -> str:
    """One thing that happened."""
    return _text(op="event", stream=stream, seq=event.seq, data=event.data)


def reset(stream: str, epoch: str, seq: int, state: Mapping[str, Any]) -> str:
    """Start over from the whole state as of a number."""
    return _text(op="reset", stream=stream, epoch=epoch, seq=seq, state=state)


def heartbeat(heads: Mapping[str, int]) -> str:
    """All is well, and these are the last numbers."""
    return _text(op="heartbeat", heads=heads)


def denied(streams: Iterable[str]) -> str:
    """These may not be watched any more."""
    return _text(op="denied", streams=sorted(streams))


def error(code: str) -> str:
    """What was sent is not understood."""
    return _text(op="error", code=code)
