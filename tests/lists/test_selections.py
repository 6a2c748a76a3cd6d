"""A selection is the rows as they were when somebody chose them, and only those within reach."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.crm.models import Deal
from apps.lists.models import SelectedRow, Selection
from apps.lists.services.selections import KEPT, expire_selections, freeze, in_selection, keys_after
from tests.crm.factories import make_admin, make_deal, make_salesperson

pytestmark = pytest.mark.django_db


def chosen(selection: Selection) -> list[int]:
    return [key for _position, key in keys_after(selection.pk, 0, 1000)]


def test_rows_are_kept_in_the_order_of_the_list() -> None:
    admin = make_admin()
    deals = [make_deal(title, owner=admin) for title in ["b", "c", "a"]]
    by_title = freeze(Deal.objects.order_by("-title"), actor=admin)
    assert chosen(by_title) == [deals[1].pk, deals[0].pk, deals[2].pk]
    assert by_title.count == 3
    assert [position for position, _key in keys_after(by_title.pk, 1, 5)] == [2, 3]


def test_what_comes_later_does_not_belong_to_it() -> None:
    admin = make_admin()
    before = make_deal(owner=admin)
    selection = freeze(Deal.objects.all(), actor=admin)
    make_deal(owner=admin)
    assert chosen(selection) == [before.pk]
    assert list(in_selection(selection)) == [before]


def test_only_rows_within_reach_are_chosen() -> None:
    anna, ilya = make_salesperson("anna"), make_salesperson("ilya")
    mine, _theirs = make_deal(owner=anna), make_deal(owner=ilya)
    assert chosen(freeze(Deal.objects.all(), actor=anna)) == [mine.pk]
    with pytest.raises(ValidationError) as refused:
        freeze(Deal.objects.filter(owner=ilya), actor=anna)
    assert refused.value.code == "nothing_selected"
    assert Selection.objects.count() == 1


def test_too_much_at_once_is_refused_and_leaves_nothing() -> None:
    admin = make_admin()
    for _ in range(3):
        make_deal(owner=admin)
    with pytest.raises(ValidationError) as refused:
        freeze(Deal.objects.all(), actor=admin, at_most=2)
    assert refused.value.code == "too_many_rows"
    assert not SelectedRow.objects.exists()
    assert freeze(Deal.objects.all(), actor=admin, at_most=3).count == 3


def test_one_statement_freezes_any_number_of_rows(django_assert_max_num_queries: object) -> None:
    admin = make_admin()
    for _ in range(20):
        make_deal(owner=admin)
    # Savepoint, selection, rows, count, savepoint.
    with django_assert_max_num_queries(5):  # type: ignore[operator]
        freeze(Deal.objects.all(), actor=admin)


def test_old_selections_are_forgotten() -> None:
    admin = make_admin()
    make_deal(owner=admin)
    old, young = (freeze(Deal.objects.all(), actor=admin) for _ in range(2))
    Selection.objects.filter(pk=old.pk).update(created_at=timezone.now() - KEPT - timedelta(hours=1))
    assert expire_selections() == 1
    assert list(Selection.objects.all()) == [young]
    assert set(SelectedRow.objects.values_list("selection", flat=True)) == {young.pk}
