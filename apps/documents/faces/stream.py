"""
The stream of a document ("document:42"): that something moved of what its page shows.

What it has become is asked for by who may, as everywhere.
"""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Sum, Value

from apps.accounts import access
from apps.accounts.models import User
from apps.documents.models import Approval, Document, DriveBinding, Rendition, ShareLink, SignatureRequest
from apps.events.models import Aggregate
from apps.events.streams import StreamEvent

# Numbers never begin anew: they go with the row.
_EPOCH = "moves"
# As many digits as a key of a row may have.
_LONGEST = 18
# What of a document tells facts of its own, and what they call it.
_PARTS: dict[str, Any] = {"approval": Approval, "share_link": ShareLink, "signature": SignatureRequest}


class DocumentStream:
    """
    Serves what moves on the pages of documents. Implements :class:`apps.events.streams.StreamSource`.

    Its number grows with each fact about the document and its parts, and with what moves without one: its previews, and
    where it stands in Google Drive. It leaps, which tells those who watch to look anew.
    """

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        if not key.isascii() or not key.isdecimal() or len(key) > _LONGEST:
            return False
        condition = access.scope(cast(User, actor), "view", Document)
        return Document.objects.filter(condition, pk=int(key)).exists()

    def head(self, key: str) -> tuple[str, int]:
        document_id = int(key)
        return _EPOCH, _facts(document_id) + _previews(document_id) + _standings(document_id)

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        _epoch, head = self.head(key)
        return [StreamEvent(head, {})] if head > after else []

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        """There is nothing to tell but that it has moved: the page reads the document anew."""
        _epoch, head = self.head(key)
        return head, {}


def _facts(document_id: int) -> int:
    """Count the facts that were told about a document and its parts."""
    first, *others = (
        model.objects.filter(document=document_id).order_by().values_list(Value(name), "pk")
        for name, model in _PARTS.items()
    )
    parts = [f"{name}/{pk}" for name, pk in first.union(*others, all=True)]
    told = Aggregate.objects.filter(subject__in=[f"document/{document_id}", f"drive/{document_id}", *parts])
    return int(told.aggregate(total=Sum("sequence", default=0))["total"])


def _previews(document_id: int) -> int:
    """Count what was made of a document's contents, or refused."""
    settled = Rendition.objects.exclude(state=Rendition.State.PENDING)
    return settled.filter(source__versions__document=document_id).distinct().count()


def _standings(document_id: int) -> int:
    """Return a number that is another, and greater, whenever a document stands otherwise in Drive: milliseconds."""
    moved = DriveBinding.objects.filter(document=document_id).values_list("updated_at", flat=True)
    return sum(int(at.timestamp() * 1000) for at in moved)
