"""Whom a request is about, and where the platform keeps something about them."""

from collections.abc import Iterator

from apps.common.personal import Key, Place, Subject, places
from apps.crm.models import ContactPoint, Deal, DealParticipant, Person
from apps.documents.models import DocumentLink


def subject_of(person: Person) -> Subject:
    """Return a person as a subject: with those who were merged into them, and how all of them are reached."""
    people = _with_merged(person.pk)
    points = list(ContactPoint.objects.filter(person__in=people).exclude(value=""))
    names = Person.objects.filter(pk__in=people, erased_at=None).exclude(family_name="")
    words = {point.raw for point in points} | {point.value for point in points}
    words |= set(names.values_list("full_name", flat=True))
    subject = Subject(
        keys={"crm.person": people},
        # As they were written, too: letters are addressed so.
        contacts=frozenset((point.kind, form) for point in points for form in (point.raw, point.value)),
        words=frozenset(words),
    )
    links = DocumentLink.objects.filter(
        target_type__app_label="crm", target_type__model="person", target_id__in=people
    )
    subject.named_in = {
        "crm.deal": _deals_naming(people),
        # Those that are kept; of the others facts say nothing any more.
        "documents.document": sorted(set(links.order_by().values_list("document_id", flat=True))),
    }
    return subject


def _with_merged(person_id: int) -> list[int]:
    found: list[int] = [person_id]
    last = found
    while last := list(
        Person.objects.filter(merged_into__in=last).order_by("pk").values_list("pk", flat=True)
    ):
        found += last
    return found


def to_erase(subject: Subject, *, searches: bool) -> Iterator[tuple[Place, list[Key]]]:
    """
    Yield each place with what is to be erased there; what follows from rows is looked for by those that go.

    :param searches: whether also where all rows have to be gone through, which takes as long as there are
    """
    for place in places():
        if place.is_searched and not searches:
            continue
        found = place.found(subject)
        if place.keys is None:
            subject.keys[place.label] = found
        yield place, found


def to_tell(subject: Subject) -> Iterator[Place]:
    """Yield the places of which a person is told, with the rows of each known to those that follow."""
    for place in places():
        if place.keys is None and place.is_told:
            subject.keys[place.label] = sorted(place.rows(subject).order_by().values_list("pk", flat=True))
        if place.is_told:
            yield place


def _deals_naming(people: list[int]) -> list[int]:
    """Return the deals whose facts and files name the person."""
    # Each by its own index; one condition on both would go through all deals.
    own = Deal.objects.filter(person__in=people).order_by().values_list("pk", flat=True)
    shared = DealParticipant.objects.filter(person__in=people).order_by().values_list("deal_id", flat=True)
    return sorted({*own, *shared})
