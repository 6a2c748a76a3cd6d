"""Saved views: one's own, and those a team shares; nobody changes another's."""

from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.lists.models import SavedView
from apps.lists.services import views
from tests.accounts.factories import make_member, make_team

if TYPE_CHECKING:
    from apps.accounts.models import User

pytestmark = pytest.mark.django_db
PAGE = "crm.deal.board:1"


@pytest.fixture
def anna() -> "User":
    return make_member(make_team("North"), "salesperson", "Anna")


@pytest.fixture
def boris(anna: "User") -> "User":
    return make_member(anna.memberships.get().team, "salesperson", "Boris")


def names(user: "User", page: str = PAGE) -> list[str]:
    return [view.name for view in views.views_of(user, page)]


def test_a_view_is_its_owners_until_it_is_shared(anna: "User", boris: "User") -> None:
    stranger = make_member(make_team("South"), "salesperson", "Stranger")
    view = views.save_view(anna, PAGE, "Hot", {"q": "hot"})
    views.save_view(anna, "crm.company", "Other", {})
    assert (names(anna), names(boris)) == (["Hot"], [])
    views.change_view(view.pk, actor=anna, is_shared=True)
    assert [names(user) for user in (anna, boris, stranger)] == [["Hot"], ["Hot"], []]
    for act in (
        lambda: views.change_view(view.pk, actor=boris, name="Mine now"),
        lambda: views.delete_view(view.pk, actor=boris),
    ):
        with pytest.raises(PermissionDenied):
            act()
    with pytest.raises(SavedView.DoesNotExist):
        views.delete_view(view.pk, actor=stranger)
    views.change_view(view.pk, actor=anna, is_shared=False)
    assert names(boris) == []
    views.delete_view(view.pk, actor=anna)
    assert names(anna) == []


def test_who_reaches_everything_is_not_shown_what_others_keep_for_themselves(anna: "User") -> None:
    administrator = make_member(make_team("Top"), "administrator", "Olga")
    views.save_view(anna, PAGE, "Hot", {})
    views.remember_view(anna, PAGE, {"q": "x"})
    assert names(administrator) == []


def test_what_was_used_last_is_one_row_and_nobody_elses(anna: "User", boris: "User") -> None:
    for text in ("a", "b"):
        views.remember_view(anna, PAGE, {"q": text})
    (last,) = views.views_of(anna, PAGE)
    assert (last.name, last.params) == ("", {"q": "b"})
    assert views.views_of(boris, PAGE) == []


def test_names_are_there_and_unique_and_one_view_opens_first(anna: "User", boris: "User") -> None:
    first = views.save_view(anna, PAGE, "  Hot   ones ", {})
    assert first.name == "Hot ones"
    with pytest.raises(ValidationError, match="Give the view a name"):
        views.save_view(anna, PAGE, " \t", {})
    with pytest.raises(ValidationError, match="of this name already"):
        views.save_view(anna, PAGE, "HOT ONES", {})
    views.save_view(boris, PAGE, "Hot ones", {})
    second = views.save_view(anna, PAGE, "Cold", {})
    for view in (first, second):
        views.change_view(view.pk, actor=anna, is_default=True)
    assert [view.name for view in SavedView.objects.filter(is_default=True)] == ["Cold"]
    assert names(anna) == ["Hot ones", "Cold"]


def test_there_is_an_end_to_views(anna: "User", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 1)
    views.save_view(anna, PAGE, "One", {})
    with pytest.raises(ValidationError) as refused:
        views.save_view(anna, PAGE, "Two", {})
    assert refused.value.code == "too_many"
    views.save_view(anna, "crm.company", "Two", {})


def test_an_auditor_keeps_views_too_and_sharing_wants_a_team(anna: "User") -> None:
    auditor = make_member(make_team("Audit"), "auditor", "Martin")
    assert views.save_view(auditor, PAGE, "Mine", {}).owner == auditor
    auditor.memberships.all().delete()
    with pytest.raises(PermissionDenied):
        views.save_view(type(auditor).objects.get(pk=auditor.pk), PAGE, "More", {})
