"""How a model says whose its rows are, and the queryset that asks the policy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from apps.accounts.models import User

_Model_co = TypeVar("_Model_co", bound=models.Model, covariant=True)


@dataclass(frozen=True)
class Rule:
    """
    Whose a row is, in look-up paths from its model; every scoped model carries one as `access`.

    :param owner: path to the owning user, for the reach "own"
    :param team: path to the team, for the reaches "team" and "subtree"
    :param via: paths to the rows that decide instead, for a part of a whole (a deal line: "deal"); any will
        do
    :param passes: actions on such a part that are the same action on the whole, besides seeing it (an approval is
        approved by who may approve the deal); any other is changing the whole
    :param shared: whoever holds the permission at all sees every row (stages, products, tags)
    :param unowned: rows without owner and team are seen, and only seen, by whoever holds the permission
    :param by_roles_alone: single rows are not shared with people whom no role lets at them
    """

    owner: str | None = None
    team: str | None = None
    via: tuple[str, ...] = ()
    passes: frozenset[str] = frozenset()
    shared: bool = False
    unowned: bool = False
    by_roles_alone: bool = False


class ScopedQuerySet(models.QuerySet[_Model_co]):
    """Rows of a model that carries a :class:`Rule`."""

    def visible_to(self, actor: "User", action: str = "view") -> Self:
        """Keep the rows on which the policy lets `actor` do `action` ("view", "change", "win", …)."""
        from apps.accounts import access  # noqa: PLC0415 - the policy reads models that use it

        return self.filter(access.scope(actor, action, self.model))

    def active(self) -> Self:
        """Keep the rows that are not in the trash."""
        return self.filter(archived_at__isnull=True)
