"""
POSTs that move money, over REST: each says under which Idempotency-Key it comes, and is carried out once.

The order is that of all services: may the caller, then the key, then the effect; answer and effect are written together.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.response import Response

from apps.events.failpoints import failpoint
from apps.payments.services import idempotency
from apps.payments.services.idempotency import Asked

REPLAYED = "Idempotent-Replayed"
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "Names this request, in at most 255 characters. The same key with the same body gets the same answer, with the "
        "header Idempotent-Replayed, for a week; with another body it gets 422, and 409 while the first is under way. "
        "A refusal is not kept: the key may come again."
    ),
)


class KeyRequired(exceptions.APIException):
    """This request moves money, and has to say under which key it comes."""

    status_code = 400
    default_code = "idempotency_key_required"
    default_detail = _("Send an Idempotency-Key with whatever moves money.")


class IdempotentMixin:
    """A viewset some of whose POSTs are carried out once for each key."""

    def once(self, work: Callable[[], Response]) -> Response:
        """
        Carry a POST out in one transaction with the record of what is answered, or answer as before.

        :param work: does it and returns the answer; whether the caller may, has been asked before
        :raises KeyRequired: the request has no key
        """
        view: Any = self
        request = view.request
        key = request.headers.get("Idempotency-Key", "").strip()
        if not key:
            raise KeyRequired
        asked = Asked(view.actor, f"{request.method} {request.path}"[:200], key, request.data)
        with transaction.atomic():
            known = idempotency.claim(asked)
            if known is None:
                response = work()
                etag = response.headers.get("ETag", "")
                idempotency.keep(asked, response.status_code, response.data, etag=etag)
        failpoint("payments.committed")
        if known is None:
            return response
        headers = {REPLAYED: "true"} | ({"ETag": known.etag} if known.etag else {})
        return Response(known.response, known.status_code, headers=headers)
