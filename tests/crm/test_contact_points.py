"""The form in which contacts compare."""

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.crm.contact_points import normalise
from apps.crm.models import ContactPoint, Person
from apps.crm.services import contacts, people


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("EMAIL", " Anna.Smith@Example.ORG ", "anna.smith@example.org"),
        ("EMAIL", "mailto:a@b.ru", "a@b.ru"),
        ("EMAIL", "почта@пример.рф".replace("почта", "info"), "info@xn--e1afmkfd.xn--p1ai"),
        ("EMAIL", "a\u200b@b.ru", "a@b.ru"),
        ("PHONE", "8 (495) 123-45-67", "+74951234567"),
        ("PHONE", "+1 212 555 0100", "+12125550100"),
        ("PHONE", "tel:+49-40-123456", "+4940123456"),
        ("TELEGRAM", "https://t.me/Anna_Smith", "@anna_smith"),
        ("TELEGRAM", "@Anna_Smith", "@anna_smith"),
    ],
)
def test_one_form_for_all_ways_to_write_it(kind: str, raw: str, value: str) -> None:
    assert normalise(kind, raw, "RU") == value
    assert normalise(kind, value, "RU") == value


@pytest.mark.parametrize(
    ("kind", "raw", "code"),
    [
        ("EMAIL", "", "email"),
        ("EMAIL", "anna", "email"),
        ("EMAIL", "a@b@c", "email"),
        ("EMAIL", "a@" + "x" * 64 + ".ru", "email"),
        ("PHONE", "12", "phone"),
        ("PHONE", "call me", "phone"),
        ("TELEGRAM", "@a b", "telegram"),
        ("FAX", "1", "kind"),
    ],
)
def test_what_is_no_contact(kind: str, raw: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        normalise(kind, raw, "RU")
    assert refused.value.code == code


@pytest.mark.django_db
def test_one_primary_of_each_kind(anna: User) -> None:
    person = people.create_person(actor=anna, given_name="Ivan")
    for raw in ["a@b.ru", "c@d.ru"]:
        contacts.add_contact_point(Person, person.pk, actor=anna, kind="EMAIL", raw=raw)
    first, second = ContactPoint.objects.order_by("pk")
    assert (first.is_primary, second.is_primary) == (True, False)
    contacts.change_contact_point(second.pk, actor=anna, is_primary=True)
    assert list(ContactPoint.objects.filter(is_primary=True)) == [second]


@pytest.mark.django_db
def test_the_trash_frees_a_contact_and_gives_it_back_only_when_it_is_free(anna: User) -> None:
    point = {"kind": "EMAIL", "raw": "a@b.ru"}
    first = people.create_person(actor=anna, given_name="First", contact_points=[point])  # type: ignore[list-item]
    people.archive_person(first.pk, actor=anna)
    second = people.create_person(actor=anna, given_name="Second", contact_points=[point])  # type: ignore[list-item]
    with pytest.raises(ValidationError) as refused:
        people.restore_person(first.pk, actor=anna)
    assert refused.value.code == "contact_point_value_unique"
    people.archive_person(second.pk, actor=anna)
    people.restore_person(first.pk, actor=anna)
    assert ContactPoint.objects.active().get().person == first
