"""What may be changed of many documents at once, and by which services."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.documents.models import Document
from apps.documents.services import bulk
from apps.lists.bulk import Operation, column, deed, register

# Each goes through the service for one, which takes some ten milliseconds.
_FEW = 100


def declare() -> None:
    """Declare what people change of documents in bulk; called when the app is ready."""
    change, archive, restore = bulk.change_documents, bulk.archive_documents, bulk.restore_documents
    owner, team = column(Document, "owner", rows=_colleagues), column(Document, "team")
    register(
        Document,
        [
            Operation((column(Document, "folder"), column(Document, "tags")), change, at_once=_FEW),
            Operation((owner, team), change, action="assign", at_once=_FEW),
            Operation((deed("archive", _("Move to the trash")),), archive, action="archive", at_once=_FEW),
            Operation(
                (deed("restore", _("Restore from the trash")),), restore, action="archive", at_once=_FEW
            ),
        ],
        counted=_counted,
    )


def _counted(count: int) -> str:
    return ngettext("%(count)s document", "%(count)s documents", count) % {"count": number(count)}


def _colleagues(actor: User) -> QuerySet[User]:
    visible = access.scope(actor, "view", User)
    return User.objects.filter(visible, is_active=True, kind=User.Kind.HUMAN).order_by("name")
