"""Which pages there are views of, and what each of them has to choose from; apps and their admin classes say so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.lists.models import SavedView

Names = Callable[[User], Sequence[str]]


def _none(_actor: User) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class ViewedPage:
    """
    A page of which views are kept.

    :ivar model: whose rows it shows
    :ivar address: where it is; filters and all else follow as its query
    :ivar columns: the names of those that can be chosen, for whoever asks
    :ivar sortable: the names of those that it can be sorted by
    :ivar layouts: the ways in which it shows its rows, the usual one first
    """

    model: type[Model]
    address: Callable[[SavedView], str]
    columns: Names = field(default=_none)
    sortable: Names = field(default=_none)
    layouts: Sequence[str] = (SavedView.Layout.LIST,)


_pages: dict[str, ViewedPage] = {}


def register_page(name: str, page: ViewedPage) -> None:
    """Offer views of a page. :param name: as in "crm.deal"; what follows a colon says which of several alike"""
    _pages[name] = page


def page_of(name: str, actor: User) -> ViewedPage:
    """
    Return a page that `actor` may look at.

    :raises ValidationError: there is none of this name, or not for them ("unknown_page")
    """
    page = _pages.get(name.partition(":")[0])
    if page is None or not access.can_any(actor, "view", page.model):
        text = _("There is no page of this name to keep views of.")
        raise ValidationError({"page": ValidationError(text, code="unknown_page")})
    return page


def address_of(view: SavedView) -> str:
    """Return where a view is looked at; "" for a page that is not there any more."""
    page = _pages.get(view.page.partition(":")[0])
    return page.address(view) if page is not None else ""
