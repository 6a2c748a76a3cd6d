"""Rows that are created many at a time are recorded by their keys, and told as if each had been written down."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Person, Tag
from apps.history.models import Change, ChangeSet, Creation
from apps.history.selectors import sets, stories, titles
from apps.history.services import undoing
from apps.history.tasks import expire_history
from apps.history.tracking import tracked
from tests.history.factories import changes_of, everything, recorded, set_of, undo

pytestmark = pytest.mark.django_db

ROWS = 30


def make_people(actor: User, count: int = ROWS) -> list[Person]:
    """Create people, each with a phone, by two statements."""
    people = Person.objects.bulk_create(Person(given_name=f"Eva {n}", owner=actor) for n in range(count))
    ContactPoint.objects.bulk_create(
        ContactPoint(person=person, kind="PHONE", raw=f"+7495{person.pk:07d}", value=f"+7495{person.pk:07d}")
        for person in people
    )
    return people


def written(person: Person) -> list[tuple[str, int]]:
    """Return what is written of a person, in order, with the sets that it belongs to."""
    found = Change.objects.filter(model="crm.person", row_id=str(person.pk)).order_by("id")
    return list(found.values_list("op", "change_set_id"))


def ids_of(work_set: ChangeSet, label: str, size: int) -> list[str]:
    """Return all rows of a set, asked for by pages."""
    found: list[str] = []
    while page := sets.row_ids(work_set.pk, label, found[-1] if found else "", size):
        found += page
    return found


def test_nothing_but_their_keys_is_written(admin: User) -> None:
    with recorded(admin) as work:
        people = make_people(admin)
    made = set_of(work)
    assert not made.changes.exists()
    (creation,) = made.creations.filter(model="crm.person")
    assert (creation.rows.lower, creation.rows.upper) == (people[0].pk, people[-1].pk + 1)
    changes = changes_of(work, Person)
    assert [change.row_id for change in changes] == [str(person.pk) for person in people]
    assert [change.pk for change in changes] == list(
        range(creation.first_change, creation.first_change + ROWS)
    )
    assert all(
        change.new and change.new["given_name"] == p.given_name
        for change, p in zip(changes, people, strict=True)
    )
    assert [(one.label, one.created, one.total) for one in sets.touched(made.pk)] == [
        ("crm.person", ROWS, ROWS),
        ("crm.contactpoint", ROWS, ROWS),
    ]
    assert not sets.is_empty(made)


def test_keys_that_were_left_out_are_not_taken_for_rows(admin: User) -> None:
    with recorded(admin):
        first = make_people(admin)
    keys = [person.pk for person in first]
    missing = {keys[3], keys[4], keys[20]}
    base = keys[-1] + 1000
    with recorded(admin) as work:
        Person.objects.bulk_create(
            Person(pk=base + key, given_name="Eva", owner=admin) for key in keys if key not in missing
        )
    made = set_of(work)
    assert made.creations.count() == 3
    assert sets.touched(made.pk)[0].created == ROWS - 3
    expected = [str(base + key) for key in keys if key not in missing]
    for size in (1, 2, 7, 100):
        assert ids_of(made, "crm.person", size) == expected
    gap = str(base + keys[3])
    assert sets.created_in(made.pk, [f"crm.person:{gap}", f"crm.person:{expected[0]}"]) == {
        f"crm.person:{expected[0]}"
    }


@pytest.mark.parametrize("step", [1, 2])
def test_ids_that_others_drew_meanwhile_are_left_out(admin: User, step: int) -> None:
    """Every second id goes to somebody else: no range may count on those that are not its own, nor on keys between."""
    with connection.cursor() as cursor:
        cursor.execute("alter sequence history_change_id_seq increment by 2")
    with recorded(admin) as work:
        Person.objects.bulk_create(
            Person(pk=10_000_000 + n * step, given_name=f"Eva {n}", owner=admin) for n in range(ROWS)
        )
    assert set_of(work).creations.count() == ROWS
    changes = changes_of(work, Person)
    assert [int(change.row_id) for change in changes] == [10_000_000 + n * step for n in range(ROWS)]
    assert [change.pk - changes[0].pk for change in changes] == [n * 2 for n in range(ROWS)]


@pytest.mark.parametrize("count", [1, ROWS])
def test_the_first_change_writes_what_was_created(admin: User, count: int) -> None:
    with recorded(admin) as work:
        people = make_people(admin)
    told = {
        change.row_id: (change.pk, change.at, change.about, change.new) for change in changes_of(work, Person)
    }
    some = people[:count]
    with recorded(admin) as later:
        Person.objects.filter(pk__in=[person.pk for person in some]).update(given_name="Ida")
        Person.objects.filter(pk__in=[person.pk for person in some]).update(given_name="Eda")
    made, changed = set_of(work), set_of(later)
    for person in some:
        assert written(person) == [("I", made.pk), ("U", changed.pk), ("U", changed.pk)]
    again = {
        change.row_id: (change.pk, change.at, change.about, change.new) for change in changes_of(work, Person)
    }
    assert again == told
    assert sets.touched(made.pk)[0].created == ROWS
    assert sorted(ids_of(made, "crm.person", 7)) == sorted(told)


@pytest.mark.parametrize("count", [1, ROWS])
def test_a_deletion_writes_what_was_created(admin: User, count: int) -> None:
    with recorded(admin) as work:
        tags = Tag.objects.bulk_create(Tag(name=f"Tag {n}") for n in range(ROWS))
    told = {change.row_id: change.new for change in changes_of(work, Tag)}
    with recorded(admin):
        Tag.objects.filter(pk__in=[tag.pk for tag in tags[:count]]).delete()
    assert {change.row_id: change.new for change in changes_of(work, Tag)} == told
    assert Change.objects.filter(model="crm.tag", op="I").count() == count


def test_a_change_that_is_none_by_itself_writes_it_too(admin: User) -> None:
    """Otherwise the row would be told with a version that it was not created with."""
    with recorded(admin) as work:
        people = make_people(admin)
    with recorded(admin):
        Person.objects.filter(pk=people[0].pk).update(version=2)
    assert written(people[0]) == [("I", set_of(work).pk)]
    assert changes_of(work, Person)[0].new["version"] == 1  # type: ignore[index]


def test_the_story_of_a_row_and_its_parts(admin: User) -> None:
    with recorded(admin, label="An import") as work:
        people = make_people(admin)
    person = people[5]
    with recorded(admin, label="By hand") as later:
        person.contact_points.update(is_primary=True)
    entries = stories.story(person, actor=admin).entries
    assert [(entry.change_set.label, entry.kind) for entry in entries] == [
        ("By hand", "changed"),
        ("An import", "created"),
    ]
    lines = {line.label: line.new for line in entries[1].lines}
    assert lines["First name"] == "Eva 5"
    assert any("+7495" in text for text in lines.values())
    assert [change.change_set_id for change in stories.latest("crm.person", str(person.pk), limit=9)] == [
        set_of(later).pk,
        set_of(work).pk,
        set_of(work).pk,
    ]


def test_a_long_story_has_pages(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "PAGE", 7)
    person = Person.objects.create(given_name="Eva", owner=admin)
    with recorded(admin):
        ContactPoint.objects.bulk_create(
            ContactPoint(person=person, kind="PHONE", raw=f"+7495{n:07d}", value=f"+7495{n:07d}")
            for n in range(ROWS)
        )
    lines, before = [], None
    while True:
        page = stories.story(person, actor=admin, before=before)
        lines += [line for entry in page.entries for line in entry.lines if line.is_part]
        before = page.older
        if before is None:
            break
    assert len(lines) == len({line.new for line in lines}) == ROWS


def test_a_set_is_called_by_what_it_created(admin: User) -> None:
    with recorded(admin) as work:
        people = make_people(admin)
    assert titles.in_short(set_of(work)) == f"People: {ROWS} created"
    Person.objects.filter(pk=people[0].pk).update(given_name="Ida")
    assert titles.in_short(set_of(work)) == f"People: {ROWS} created"


def test_undo_takes_back_what_is_as_it_was_created(admin: User) -> None:
    before = everything()
    with recorded(admin) as work:
        people = make_people(admin)
    people[1].contact_points.update(raw="8 495")
    Person.objects.filter(pk=people[2].pk).update(given_name="Ida")
    preview = {one.label: len(one.blocked) for one in undoing.preview_undo(set_of(work), actor=admin)}
    assert preview == {"crm.person": 2, "crm.contactpoint": 0}
    undone = undo(set_of(work), admin)
    assert {(c.row_id, c.kind) for c in undone.conflicts.all()} == {
        (str(people[1].pk), "CHANGED"),
        (str(people[2].pk), "CHANGED"),
    }
    undone.conflicts.all().delete()
    Person.objects.filter(pk__in=[people[1].pk, people[2].pk]).delete()
    assert everything() == before


def test_rows_come_back_and_go_again(admin: User) -> None:
    with recorded(admin) as work:
        make_people(admin)
    after = everything()
    subject = set_of(work)
    for _round in range(3):
        undone = undo(subject, admin)
        assert not undone.conflicts.exists()
        subject = ChangeSet.objects.get(uid=undone.uid)
    assert Person.objects.count() == 0
    undone = undo(subject, admin)
    assert everything() == after
    # One row now has three lives, each of which belongs to another set.
    person = Person.objects.order_by("pk")[0]
    assert [op for op, _set in written(person)] == ["I", "D", "I", "D"]
    assert len(stories.story(person, actor=admin).entries) == 5


def test_nobody_else_is_told_more_than_before(admin: User, boris: User) -> None:
    with recorded(admin) as work:
        make_people(admin)
    (people, _points) = stories.told(set_of(work), actor=boris)
    assert (people.rows, people.unseen) == ([], 20)


def test_what_expires_leaves_nothing(admin: User) -> None:
    with recorded(admin) as work:
        people = make_people(admin)
    Person.objects.filter(pk=people[0].pk).update(given_name="Ida")
    made = set_of(work)
    ChangeSet.objects.filter(pk=made.pk).update(at=timezone.now() - timedelta(days=10_000))
    expire_history()
    assert not Creation.objects.filter(change_set=made.pk).exists()
    assert not Change.objects.filter(change_set=made.pk).exists()
    Person.objects.filter(pk=people[1].pk).update(given_name="Ida")
    assert [op for op, _set in written(people[1])] == ["U"]


def test_the_way_back_writes_every_creation(admin: User) -> None:
    """What the migration before knows is what this one has recorded."""
    with recorded(admin) as work:
        people = make_people(admin)
        Company.objects.bulk_create(Company(name=f"Company {n}", owner=admin) for n in range(ROWS))
    Person.objects.filter(pk=people[0].pk).update(given_name="Ida")
    models = (Person, ContactPoint, Company)
    told = [[(c.pk, c.row_id, c.about, c.at, c.new) for c in changes_of(work, model)] for model in models]
    with connection.cursor() as cursor:
        cursor.execute(import_module("apps.history.migrations.0005_creations").SPELL_OUT)
    Creation.objects.all().delete()
    again = [[(c.pk, c.row_id, c.about, c.at, c.new) for c in changes_of(work, model)] for model in models]
    assert again == told


@pytest.mark.django_db(transaction=True)
def test_who_changes_one_row_does_not_wait_for_who_changes_another() -> None:
    tags = Tag.objects.bulk_create(Tag(name=f"Tag {n}") for n in range(ROWS))
    beside = connection.copy()
    try:
        with transaction.atomic():
            Tag.objects.filter(pk=tags[0].pk).update(name="Mine")
            with beside.cursor() as cursor:
                cursor.execute("set lock_timeout = '5s'")
                cursor.execute("update crm_tag set name = 'Theirs' where id = %s", [tags[1].pk])
    finally:
        beside.close()
    model = tracked("crm.tag")
    assert model is not None
    assert Change.objects.filter(model=model.label, op="I").count() == 2
