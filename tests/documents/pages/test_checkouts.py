"""Working on a document alone, and getting it back from whoever has forgotten it."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services import checkouts, documents
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_content
from tests.documents.test_services import code_of

pytestmark = pytest.mark.django_db


def test_it_is_taken_for_a_while_and_given_back(anna: User, lena: User, document: Document) -> None:
    taken = checkouts.check_out_document(document.pk, actor=anna, hours=2)
    assert taken.is_checked_out
    assert timezone.now() + timedelta(hours=1.9) < (taken.checked_out_until or timezone.now())
    with pytest.raises(ValidationError) as refused:
        documents.add_version(document.pk, make_content(b"two"), actor=lena)
    assert code_of(refused) == "checked_out"
    given = checkouts.check_in_document(document.pk, actor=anna)
    assert (given.is_checked_out, given.checked_out_by) == (False, None)
    assert documents.add_version(document.pk, make_content(b"two"), actor=lena).number == 2
    told = Event.objects.filter(type__contains="checked").order_by("pk")
    assert [event.type for event in told] == [
        "documents.document.checked_out.v1",
        "documents.document.checked_in.v1",
    ]
    assert [event.data["by"]["name"] for event in told] == ["Anna Sell", "Anna Sell"]


def test_whoever_has_it_may_have_it_for_longer(anna: User, document: Document) -> None:
    first = checkouts.check_out_document(document.pk, actor=anna, hours=1).checked_out_until
    second = checkouts.check_out_document(document.pk, actor=anna, hours=9).checked_out_until
    assert first is not None
    assert second is not None
    assert second - first > timedelta(hours=7)


def test_nobody_takes_what_somebody_has(anna: User, lena: User, document: Document) -> None:
    checkouts.check_out_document(document.pk, actor=lena)
    with pytest.raises(ValidationError) as refused:
        checkouts.check_out_document(document.pk, actor=anna)
    assert code_of(refused) == "checked_out"
    with pytest.raises(ValidationError) as refused:
        checkouts.check_in_document(document.pk, actor=anna)
    assert code_of(refused) == "checked_out"
    # The time is over: it is anybody's.
    Document.objects.update(checked_out_until=timezone.now() - timedelta(seconds=1))
    assert checkouts.check_out_document(document.pk, actor=anna).checked_out_by == anna


def test_who_gives_documents_away_takes_one_back(anna: User, lena: User, document: Document) -> None:
    checkouts.check_out_document(document.pk, actor=anna)
    checkouts.check_in_document(document.pk, actor=lena)
    assert Document.objects.get().checked_out_by is None
    with pytest.raises(ValidationError) as refused:
        checkouts.check_in_document(document.pk, actor=lena)
    assert code_of(refused) == "not_checked_out"


@pytest.mark.parametrize("hours", [0, -1, 15 * 24])
def test_not_for_ever(anna: User, document: Document, hours: int) -> None:
    with pytest.raises(ValidationError) as refused:
        checkouts.check_out_document(document.pk, actor=anna, hours=hours)
    assert code_of(refused) == "hours"


@pytest.mark.parametrize(("state", "code"), [("SIGNED", "document_final"), ("VOID", "document_final")])
def test_what_is_final_is_not_worked_on(anna: User, document: Document, state: str, code: str) -> None:
    Document.objects.update(status=state)
    with pytest.raises(ValidationError) as refused:
        checkouts.check_out_document(document.pk, actor=anna)
    assert code_of(refused) == code


def test_who_only_reads_takes_nothing(document: Document) -> None:
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    with pytest.raises(PermissionDenied):
        checkouts.check_out_document(document.pk, actor=auditor)


def test_a_salesperson_gives_no_document_away(anna: User, lena: User, document: Document) -> None:
    with pytest.raises(PermissionDenied):
        documents.change_document(document.pk, actor=anna, owner_id=lena.pk)
    changed = documents.change_document(document.pk, actor=lena, owner_id=lena.pk)
    assert changed.owner == lena
