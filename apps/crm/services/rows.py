"""What every service here does the same way: find and lock, look up what an argument names, write, and set tags."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.owned_rows import (
    archive,
    first_team,
    insert,
    locked,
    named,
    owner_and_team,
    require_active,
    require_named,
    restore,
)
from apps.accounts.rows import differing, insertion_of, prepare, put, refusal, refusals, write
from apps.crm.models import Company, Deal, Lead, Person, Tag

__all__ = [
    "archive",
    "differing",
    "first_team",
    "insert",
    "insertion_of",
    "locked",
    "named",
    "named_tags",
    "owner_and_team",
    "prepare",
    "put",
    "refusal",
    "refusals",
    "require_active",
    "require_named",
    "require_unerased",
    "require_unmerged",
    "restore",
    "set_tags",
    "write",
]


def require_unmerged(row: Company | Person) -> None:
    """Insist that a row is not part of another. :raises ValidationError: it is (code "merged")"""
    if row.merged_into_id is not None:
        raise ValidationError(
            _("This has been merged into another. Undo the merge to get it back."), code="merged"
        )


def require_unerased(row: Person) -> None:
    """Insist that a person has not been erased. :raises ValidationError: they have (code "erased")"""
    if row.erased_at is not None:
        raise ValidationError(_("This person has been erased, and does not come back."), code="erased")


_Tagged = Company | Person | Deal | Lead


def set_tags(row: _Tagged, tags: Iterable[Tag]) -> bool:
    """Set a row's tags; tell whether that changed anything."""
    wanted = {tag.pk for tag in tags}
    if wanted == set(row.tags.values_list("pk", flat=True)):
        return False
    row.tags.set(wanted)
    return True


def named_tags(tag_ids: Iterable[int], *, actor: User) -> list[Tag]:
    """Return the tags with these ids. :raises ValidationError: one of them does not exist for the actor"""
    ids = set(tag_ids)
    tags = list(Tag.objects.visible_to(actor).filter(pk__in=ids))
    if len(tags) != len(ids):
        raise refusal("tags", _("There is no such tag."), code="not_found")
    return tags
