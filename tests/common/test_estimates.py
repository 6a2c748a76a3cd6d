"""How many rows there are: exact where it is cheap to know, and said honestly where it is not."""

import pytest
from django.db import connection
from django.utils import translation

from apps.common.lists.estimates import FEW, Count, about, counted, estimate
from apps.crm.models import Company
from tests.crm import factories


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1_003, "about 1,000"),
        (4_449, "about 4,400"),
        (12_345, "about 12 thousand"),
        (985_547, "about 990 thousand"),
        (999_999, "about 1 million"),
        (1_240_000, "about 1.2 million"),
        (2_000_000, "about 2 million"),
        (34_567_890, "about 35 million"),
    ],
)
def test_an_estimate_says_no_more_than_it_knows(number: int, text: str) -> None:
    with translation.override("en"):
        assert about(number).replace("\u202f", ",") == text


def test_numbers_have_their_rows_beside_them() -> None:
    with translation.override("en"):
        assert counted(Count(1, is_exact=True), "deal", "deals") == "1 deal"
        assert counted(Count(0, is_exact=True), "deal", "deals") == "0 deals"
        assert counted(Count(1_200_000, is_exact=False), "deal", "deals") == "about 1.2 million deals"


@pytest.mark.django_db
def test_few_are_counted_and_many_are_not() -> None:
    owner = factories.make_user()
    Company.objects.bulk_create(Company(name=f"Company {n}", owner=owner) for n in range(FEW - 1))
    few = estimate(Company.objects.all(), at_least=101)
    assert few.is_exact
    assert few == FEW - 1
    Company.objects.bulk_create(Company(name=f"More {n}", owner=owner) for n in range(2_000))
    with connection.cursor() as cursor:
        cursor.execute("analyze crm_company")
    many = estimate(Company.objects.all(), at_least=101)
    assert not many.is_exact
    assert many == pytest.approx(3_000, rel=0.2)


@pytest.mark.django_db
def test_what_is_certain_is_the_least() -> None:
    assert estimate(Company.objects.none(), at_least=5_000) == 5_000
