"""Who may import what."""

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.imports.fields import ImportKind
from apps.crm.models import ImportBatch


def require_import(actor: User, kind: ImportKind) -> None:
    """
    Insist that `actor` may import rows of a kind: add imports, and add and change such rows.

    :raises PermissionDenied: they may not
    """
    access.require(actor, "add", ImportBatch)
    access.require(actor, "add", kind.model)
    access.require(actor, "change", kind.model)
