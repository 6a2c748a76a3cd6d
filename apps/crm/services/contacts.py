"""How people and companies can be reached."""

from typing import TypedDict

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.scoping import ScopedQuerySet
from apps.crm import events
from apps.crm.contact_points import normalise
from apps.crm.countries import country_code
from apps.crm.models import Company, ContactPoint, Employment, Person
from apps.crm.services import rows


class NewContact(TypedDict, total=False):
    """A way to reach somebody, as they wrote it."""

    kind: str
    raw: str
    is_primary: bool


@transaction.atomic
def add_contact_point(
    holder: type[Person] | type[Company],
    holder_id: int,
    *,
    actor: User,
    kind: str,
    raw: str,
    is_primary: bool = False,
    expected_version: int | None = None,
) -> ContactPoint:
    """
    Write down one more way to reach a person or a company; the first of its kind is the primary one.

    :raises DoesNotExist: the holder is out of sight
    :raises PermissionDenied: the actor may not change the holder
    :raises ValidationError: it is no such contact, or somebody else has it ("contact_point_value_unique")
    """
    row: Person | Company = rows.locked(
        holder, holder_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(row)
    point = write_contact_point(row, {"kind": kind, "raw": raw, "is_primary": is_primary}, actor=actor)
    _tell(row, actor=actor)
    return point


@transaction.atomic
def change_contact_point(
    contact_point_id: int,
    *,
    actor: User,
    kind: str | None = None,
    raw: str | None = None,
    is_primary: bool | None = None,
    expected_version: int | None = None,
) -> ContactPoint:
    """
    Correct a contact; what is not named stays.

    :param expected_version: the version of the holder
    :raises DoesNotExist: the contact is out of sight
    :raises PermissionDenied: the actor may not change its holder
    :raises ValidationError: it is no such contact, somebody else has it, or it is in the trash ("archived")
    """
    point, holder = _held(contact_point_id, actor=actor, expected_version=expected_version)
    rows.require_active(point)
    values = {
        "kind": point.kind if kind is None else kind,
        "raw": point.raw if raw is None else raw.strip(),
        "is_primary": point.is_primary if is_primary is None else is_primary,
    }
    values["value"] = _value(holder, str(values["kind"]), str(values["raw"]))
    changes = rows.differing(point, values)
    if changes:
        if values["is_primary"]:
            _siblings(holder, str(values["kind"])).exclude(pk=point.pk).update(is_primary=False)
        rows.write(point, changes, actor=actor)
        _tell(holder, actor=actor)
    return point


@transaction.atomic
def archive_contact_point(
    contact_point_id: int, *, actor: User, expected_version: int | None = None
) -> ContactPoint:
    """
    Put a contact into the trash, which frees it for somebody else.

    :raises DoesNotExist: the contact is out of sight
    :raises PermissionDenied: the actor may not change its holder
    :raises ValidationError: it is there already ("archived")
    """
    point, holder = _held(contact_point_id, actor=actor, expected_version=expected_version)
    rows.archive(point, actor=actor)
    _tell(holder, actor=actor)
    return point


def write_contact_point(holder: Person | Company, contact: NewContact, *, actor: User) -> ContactPoint:
    """Insert a contact of a locked or new holder. :raises ValidationError: refused, under the field "raw" """
    siblings = _siblings(holder, contact["kind"])
    is_primary = contact.get("is_primary", False) or not siblings.filter(is_primary=True).exists()
    if is_primary:
        siblings.update(is_primary=False)
    point = ContactPoint(
        kind=contact["kind"],
        raw=contact["raw"].strip(),
        value=_value(holder, contact["kind"], contact["raw"]),
        is_primary=is_primary,
    )
    if isinstance(holder, Person):
        point.person = holder
    else:
        point.company = holder
    try:
        with rows.refusals():
            point.save(force_insert=True)
    except ValidationError as error:
        raise ValidationError({"raw": error}) from error
    return point


def region_of(holder: Person | Company) -> str:
    """Return the country of phone numbers that name none: the company's, or where the person mainly works."""
    if isinstance(holder, Company):
        country = holder.country
    else:
        # Of a person who is not written down yet nothing is found.
        work = Employment.objects.filter(person=holder.pk).order_by("-is_primary", "pk")
        country = work.values_list("company__country", flat=True).first() or ""
    return country_code(country) or settings.PHONE_REGION


def _value(holder: Person | Company, kind: str, raw: str) -> str:
    try:
        return normalise(kind, raw, region_of(holder) if kind == ContactPoint.Kind.PHONE else "")
    except ValidationError as error:
        raise ValidationError({"raw": error}) from error


def _siblings(holder: Person | Company, kind: str) -> ScopedQuerySet[ContactPoint]:
    return ContactPoint.objects.active().filter(
        kind=kind, **{"person" if isinstance(holder, Person) else "company": holder}
    )


def _held(
    contact_point_id: int, *, actor: User, expected_version: int | None
) -> tuple[ContactPoint, Person | Company]:
    """Lock the holder first, then read the contact as it is under that lock."""
    found = ContactPoint.objects.visible_to(actor).get(pk=contact_point_id)
    model: type[Person] | type[Company] = Person if found.person_id else Company
    holder: Person | Company = rows.locked(
        model,
        found.person_id or found.company_id or 0,
        actor=actor,
        action="change",
        expected_version=expected_version,
    )
    return ContactPoint.objects.get(pk=contact_point_id), holder


def _tell(holder: Person | Company, *, actor: User) -> None:
    rows.write(holder, {}, actor=actor)
    if isinstance(holder, Person):
        events.publish_person(events.PERSON_CHANGED, holder.pk, actor_id=actor.pk)
    else:
        events.publish_company(events.COMPANY_CHANGED, holder.pk, actor_id=actor.pk)
