"""Papers follow a deal to whoever has it, and know what they belong to by its present name."""

import pytest

from apps.accounts.models import Team, User
from apps.crm import receivers
from apps.crm.services import companies, deals
from apps.documents.models import Document, DocumentLink
from apps.documents.services import documents
from apps.documents.services.documents import Target
from apps.events.models import Event
from tests.crm.factories import make_company, make_deal
from tests.documents.factories import make_document

pytestmark = pytest.mark.django_db


def hear(kind: str) -> None:
    """Let the receivers of the sales side hear the latest fact of a kind."""
    event = Event.objects.filter(type=kind).latest("pk")
    for fact, hears in {
        "crm.deal.assigned.v1": receivers.let_papers_follow_deal,
        "crm.deal.changed.v1": receivers.rename_papers_of_deal,
        "crm.company.changed.v1": receivers.rename_papers_of_company,
    }.items():
        if fact == kind:
            hears(event)


def test_papers_go_with_their_deal(
    anna: User, boris: User, lena: User, team: Team, document: Document
) -> None:
    deal = make_deal(owner=anna, team=team)
    other = make_deal("other", owner=anna, team=team)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    # It belonged to another deal in the first place.
    second = make_document(anna, team=team)
    documents.link_document(second.pk, Target("crm.deal", other.pk), actor=anna)
    documents.link_document(second.pk, Target("crm.deal", deal.pk), actor=anna)
    # It was somebody else's.
    lenas = make_document(lena, team=team)
    documents.link_document(lenas.pk, Target("crm.deal", deal.pk), actor=lena)
    deals.assign_deal(deal.pk, owner_id=boris.pk, actor=lena)
    hear("crm.deal.assigned.v1")
    owners = dict(Document.objects.values_list("pk", "owner__name"))
    assert owners == {document.pk: "Boris Sell", second.pk: "Anna Sell", lenas.pk: "Lena Lead"}
    told = Event.objects.filter(type="documents.document.changed.v1").latest("pk")
    assert told.actor == User.objects.system()
    assert told.data["owner"]["name"] == "Boris Sell"
    # Hearing it again changes nothing.
    count = Event.objects.count()
    hear("crm.deal.assigned.v1")
    assert Event.objects.count() == count


def test_facts_out_of_order_end_with_the_last_owner(
    anna: User, boris: User, lena: User, team: Team, document: Document
) -> None:
    deal = make_deal(owner=anna, team=team)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    deals.assign_deal(deal.pk, owner_id=boris.pk, actor=lena)
    deals.assign_deal(deal.pk, owner_id=lena.pk, actor=lena)
    for event in Event.objects.filter(type="crm.deal.assigned.v1").order_by("-pk"):
        receivers.let_papers_follow_deal(event)
    assert Document.objects.get().owner == lena


def test_a_new_name_is_known(anna: User, team: Team, document: Document) -> None:
    deal = make_deal("Forty desks", owner=anna, team=team)
    company = make_company("Mebel", owner=anna)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    documents.link_document(document.pk, Target("crm.company", company.pk), actor=anna)
    version = Document.objects.get().version
    deals.change_deal(deal.pk, actor=anna, title="Fifty desks")
    companies.change_company(company.pk, actor=anna, name="Mebel AG")
    hear("crm.deal.changed.v1")
    hear("crm.company.changed.v1")
    assert set(DocumentLink.objects.values_list("target_name", flat=True)) == {"Fifty desks", "Mebel AG"}
    # That is no change of the document.
    assert Document.objects.get().version == version
