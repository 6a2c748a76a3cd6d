"""Recording what happens on the way to a signature: in the caller's transaction, with where it came from."""

from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import record_auth_event
from apps.common.origin import origin
from apps.documents import access_events
from apps.documents.models import SignatureEvent, SignatureHead, SignatureRecipient, SignatureRequest

Kind = SignatureEvent.Kind


def record(
    request: SignatureRequest, kind: Kind, *, recipient: SignatureRecipient | None = None, **data: Any
) -> SignatureEvent:
    """
    Write an event down; the database puts it at the end of its request's chain.

    :param data: what else is worth knowing, and never a code or the secret of a link
    """
    came = origin.get()
    return SignatureEvent.objects.create(
        request=request,
        recipient=recipient,
        kind=kind,
        at=timezone.now(),
        address=came.address,
        agent=came.agent,
        digest=request.digest,
        data=data,
    )


def head_of(request: SignatureRequest) -> SignatureHead:
    """Return where the chain of a request ends."""
    return SignatureHead.objects.get(pk=request.pk)


def anchor(request: SignatureRequest, *, actor: User) -> None:
    """Write where the chain of a request that has ended stands into the record of access, which is chained itself."""
    data = {
        "state": request.get_state_display(),
        "request": request.pk,
        "document": request.document_id,
        "head": str(head_of(request)),
    }
    record_auth_event(access_events.ENDED, user=request.created_by, actor=actor, data=data)
