"""A fact as others are told it: a CloudEvent (https://cloudevents.io, version 1.0)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from apps.events.models import Event

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"


def cloud_event(event: Event) -> dict[str, Any]:
    """Return an event with all of its attributes, its data last."""
    # Names of extensions are lower-case letters and digits, and their values plain.
    told = attributes(str(event.uid), event.type, event.subject, event.at) | {"sequence": str(event.sequence)}
    if event.actor_id is not None:
        told["actor"] = str(event.actor_id)
    return told | {"data": event.data}


def attributes(message_id: str, event_type: str, subject: str, at: datetime) -> dict[str, Any]:
    """Return what every CloudEvent of ours says about itself."""
    return {
        "specversion": "1.0",
        "id": message_id,
        "source": settings.OIDC_ISSUER,
        "type": event_type,
        "subject": subject,
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }


def written(body: Mapping[str, Any]) -> bytes:
    """Write a CloudEvent down: the same each time."""
    return json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":")).encode()
