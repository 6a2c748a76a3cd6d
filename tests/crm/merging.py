"""Two companies, or two people, around whom everything stands that can be merged."""

from typing import Any

from django.contrib.contenttypes.models import ContentType

from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Employment, Person, Tag
from apps.documents.models import DocumentLink
from tests.crm import factories
from tests.documents.factories import make_document


def link(document: Any, row: Any, owner: User, role: str = "ATTACHMENT") -> DocumentLink:
    return DocumentLink.objects.create(
        document=document,
        target_type=ContentType.objects.get_for_model(row),
        target_id=row.pk,
        target_name=str(row),
        role=role,
        created_by=owner,
    )


def contact(holder: Any, kind: str, value: str, **fields: Any) -> ContactPoint:
    column = "company" if isinstance(holder, Company) else "person"
    return ContactPoint.objects.create(kind=kind, raw=value, value=value, **{column: holder}, **fields)


def two_companies(owner: User) -> tuple[Company, Company]:
    """Make two companies with 30 relations of every kind to the second, and some to the first."""
    above, below = factories.make_company("Above"), factories.make_company("Below")
    winner = factories.make_company("Gamma", owner=owner, city="Riga")
    loser = factories.make_company(
        "ООО Gamma", owner=owner, parent=above, tax_id="7707083893", city="Perm", domain="gamma.example"
    )
    Company.objects.filter(pk=below.pk).update(parent=loser)
    factories.make_company("Below, too", parent=loser)
    for number in range(10):
        factories.make_deal(f"Deal {number}", owner=owner, company=loser)
    factories.make_deal("Won", owner=owner, company=loser, status="WON")
    factories.make_deal("Lost", owner=owner, company=loser, status="LOST")
    factories.make_deal("Of the winner", owner=owner, company=winner)
    tags = [Tag.objects.create(name=name) for name in ("one", "two", "three")]
    winner.tags.set(tags[:2])
    loser.tags.set(tags[1:])
    contact(winner, "EMAIL", "one@gamma.example", is_primary=True)
    contact(loser, "EMAIL", "two@gamma.example", is_primary=True)
    contact(loser, "PHONE", "+74951234567", is_primary=True)
    contact(loser, "PHONE", "+74951234569")
    contact(loser, "TELEGRAM", "@gamma", is_primary=True)
    contact(loser, "PHONE", "+74951234568", archived_at=loser.created_at)
    people = [factories.make_person(f"Person{number}", owner=owner) for number in range(5)]
    for person in people:
        Employment.objects.create(person=person, company=loser, title="clerk")
    # Two who work at both, one of them at the loser in the first place.
    Employment.objects.create(person=people[0], company=winner, is_primary=False)
    both = factories.make_person("Both", owner=owner)
    Employment.objects.create(person=both, company=winner, title="chief")
    Employment.objects.create(person=both, company=loser, title="adviser", is_primary=False)
    papers = [make_document(owner, f"Paper {number}", f"{number}".encode()) for number in range(4)]
    for paper in papers:
        link(paper, loser, owner)
    link(papers[0], winner, owner)
    link(papers[0], loser, owner, "CONTRACT")
    return winner, loser


def two_people(owner: User) -> tuple[Person, Person]:
    """Make two people, the second with relations of every kind."""
    shared, other = factories.make_company("Shared"), factories.make_company("Other")
    winner = factories.make_person("Anna", owner=owner)
    loser = factories.make_person("Anna", family_name="Ivanova", owner=owner, job_title="buyer")
    for number in range(5):
        factories.make_deal(f"Deal {number}", owner=owner, person=loser)
    Employment.objects.create(person=winner, company=shared, is_primary=False)
    Employment.objects.create(person=loser, company=shared, title="buyer")
    Employment.objects.create(person=loser, company=other, is_primary=False)
    contact(winner, "EMAIL", "anna@one.example", is_primary=True)
    contact(loser, "EMAIL", "anna@two.example", is_primary=True)
    contact(loser, "TELEGRAM", "@anna", is_primary=True)
    loser.tags.add(Tag.objects.create(name="one"))
    link(make_document(owner, "Paper", b"paper"), loser, owner)
    return winner, loser
