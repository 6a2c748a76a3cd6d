"""Numbers without a gap, whoever draws them at once and whoever gives them back."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections, transaction

from apps.accounts.models import User
from apps.documents.models import Document, DocumentType, NumberSequence
from apps.documents.services import documents
from apps.documents.services.numbers import next_in_series, next_number, number_document
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.crm.test_deal_constraints import refused_by
from tests.documents.factories import kind, make_document
from tests.documents.papers.factories import make_entity


class Changed(Exception):
    """Somebody thinks better of it."""


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_some_of_whom_think_better_of_it() -> None:
    barrier, chance = Barrier(10), random.Random(7)
    gives_back = [chance.random() < 0.3 for _n in range(100)]
    assert 0 < sum(gives_back) < 100

    def draw(place: int) -> int | None:
        if place < 10:
            barrier.wait(timeout=30)
        try:
            with transaction.atomic():
                number = next_in_series("race", year=2026)
                if gives_back[place]:
                    raise Changed
                return number
        except Changed:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        drawn = [number for number in pool.map(draw, range(100)) if number is not None]
    assert sorted(drawn) == list(range(1, 101 - sum(gives_back)))
    assert NumberSequence.objects.get(series="race").last == len(drawn)


@pytest.mark.django_db(transaction=True)
def test_one_document_numbered_many_times_at_once_has_one_number() -> None:
    admin = User.objects.create(name="Ada", email="ada@example.org", is_superuser=True)
    document = make_document(admin, type=kind("contract"))
    barrier = Barrier(8)

    def number(_place: int) -> str | None:
        barrier.wait(timeout=30)
        try:
            return number_document(document.pk, actor=User.objects.get(pk=admin.pk), year=2026).number
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(number, range(8))) == {"C-2026-00001"}
    assert NumberSequence.objects.get().last == 1
    assert Event.objects.filter(type="documents.document.changed.v1").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_number_is_drawn_in_the_transaction_that_uses_it() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        next_in_series("alone", year=2026)


@pytest.mark.django_db
def test_each_type_and_year_counts_for_itself(admin: User) -> None:
    contract, act = kind("contract"), kind("act")
    assert [next_number(contract, year=2026) for _n in range(2)] == ["C-2026-00001", "C-2026-00002"]
    assert next_number(act, year=2026) == "A-2026-00001"
    assert next_number(contract, year=2027) == "C-2027-00001"
    assert next_number(contract, year=2026) == "C-2026-00003"


@pytest.mark.django_db
def test_a_series_without_a_year_runs_on(admin: User) -> None:
    DocumentType.objects.filter(code="act").update(number_pattern="ACT {number}")
    assert next_number(kind("act"), year=2026) == "ACT 1"
    assert next_number(kind("act"), year=2027) == "ACT 2"


@pytest.mark.django_db
def test_each_of_our_companies_counts_for_itself(admin: User) -> None:
    other = make_entity(name="Other", is_default=False, number_prefix="B-")
    assert next_number(kind("contract"), year=2026, entity=make_entity()) == "C-2026-00001"
    assert next_number(kind("contract"), year=2026, entity=other) == "B-C-2026-00001"


@pytest.mark.django_db
def test_numbers_that_were_brought_along_are_passed_over(admin: User) -> None:
    for number in ("C-2026-00001", "C-2026-00002"):
        make_document(admin, type=kind("contract"), number=number)
    document = make_document(admin, type=kind("contract"))
    assert number_document(document.pk, actor=admin, year=2026).number == "C-2026-00003"


@pytest.mark.django_db
def test_a_document_keeps_its_number(admin: User) -> None:
    document = make_document(admin, type=kind("contract"))
    number = number_document(document.pk, actor=admin, year=2026).number
    assert number_document(document.pk, actor=admin, year=2027).number == number
    for other in ("'C-9'", "null"):
        change = f"update documents_document set number = {other} where id = %s"
        assert refused_by(change, document.pk) == "document_number_stays"


@pytest.mark.django_db
def test_who_may_not(admin: User) -> None:
    contract = make_document(admin, type=kind("contract"))
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    with pytest.raises(PermissionDenied):
        number_document(contract.pk, actor=auditor)
    with pytest.raises(ValidationError) as refused:
        number_document(make_document(admin, type=kind("file")).pk, actor=admin)
    assert refused.value.code == "not_numbered"
    documents.archive_document(contract.pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        number_document(contract.pk, actor=admin)
    assert refused.value.code == "archived"
    Document.objects.filter(pk=contract.pk).update(archived_at=None, status="VOID")
    with pytest.raises(ValidationError) as refused:
        number_document(contract.pk, actor=admin)
    assert refused.value.code == "document_final"
    assert not NumberSequence.objects.exists()
