"""What happens to the people we talk to."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import Company, Employment, Person
from apps.crm.services import rows
from apps.crm.services.contacts import NewContact, write_contact_point
from apps.crm.services.custom_values import change_custom, clean_custom


class PersonFields(TypedDict, total=False):
    """What people write on a person; relations by id. Without owner and team they are common to all."""

    given_name: str
    middle_name: str
    family_name: str
    job_title: str
    locale: str
    description: str
    owner_id: int | None
    team_id: int | None
    tag_ids: Sequence[int]
    custom: Mapping[str, Any]


@transaction.atomic
def create_person(
    *,
    actor: User,
    company_id: int | None = None,
    contact_points: Sequence[NewContact] = (),
    **fields: Unpack[PersonFields],
) -> Person:
    """
    Write down a person, as the actor's own unless another owner is named.

    :param company_id: where they work in the first place
    :raises PermissionDenied: the actor may not make such a person
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", Person)
    values: dict[str, Any] = {"owner_id": actor.pk, **fields}
    tags = rows.named_tags(values.pop("tag_ids", ()), actor=actor)
    rows.owner_and_team(values, actor=actor)
    company = rows.named(Company, company_id, actor=actor, field="company")
    values["custom"] = clean_custom(Person, values.get("custom", {}), actor=actor)
    person = rows.insert(Person(**values), actor=actor)
    person.tags.set(tags)
    if company is not None:
        with rows.refusals():
            Employment.objects.create(person=person, company=company, title=person.job_title)
    for contact in contact_points:
        write_contact_point(person, contact, actor=actor)
    events.publish_person(events.PERSON_CREATED, person.pk, actor_id=actor.pk)
    return person


@transaction.atomic
def change_person(
    person_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[PersonFields]
) -> Person:
    """
    Change what is written on a person; what is not named stays. Nothing happens where nothing differs.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not change them
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    person = rows.locked(Person, person_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(person)
    values: dict[str, Any] = dict(fields)
    tag_ids = values.pop("tag_ids", None)
    change_custom(person, values, actor=actor)
    changes = rows.differing(person, values)
    rows.owner_and_team(changes, actor=actor)
    are_tags_new = tag_ids is not None and rows.set_tags(person, rows.named_tags(tag_ids, actor=actor))
    if changes or are_tags_new:
        rows.write(person, changes, actor=actor)
        events.publish_person(events.PERSON_CHANGED, person.pk, actor_id=actor.pk)
    return person


@transaction.atomic
def employ_person(
    person_id: int,
    *,
    company_id: int,
    actor: User,
    title: str = "",
    is_primary: bool = True,
    expected_version: int | None = None,
) -> Employment:
    """
    Say that a person works at a company, or in which position; at most one employment is the primary one.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not change them
    :raises ValidationError: the company is not the actor's to name ("not_found"), "archived", "stale"
    """
    person = rows.locked(Person, person_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(person)
    company = rows.named(Company, company_id, actor=actor, field="company")
    if company is None:
        raise rows.refusal("company", _("Name the company."), code="required")
    if is_primary:
        person.employments.exclude(company=company).update(is_primary=False)
    with rows.refusals():
        employment, _created = Employment.objects.update_or_create(
            person=person, company=company, defaults={"title": title, "is_primary": is_primary}
        )
    rows.write(person, {}, actor=actor)
    events.publish_person(events.PERSON_CHANGED, person.pk, actor_id=actor.pk)
    return employment


@transaction.atomic
def end_employment(employment_id: int, *, actor: User) -> None:
    """
    Say that a person no longer works at a company.

    :raises DoesNotExist: the employment is out of sight
    :raises PermissionDenied: the actor may not change the person
    """
    employment = Employment.objects.visible_to(actor).get(pk=employment_id)
    person = rows.locked(Person, employment.person_id, actor=actor, action="change")
    employment.delete()
    rows.write(person, {}, actor=actor)
    events.publish_person(events.PERSON_CHANGED, person.pk, actor_id=actor.pk)


@transaction.atomic
def archive_person(person_id: int, *, actor: User, expected_version: int | None = None) -> Person:
    """
    Put a person into the trash together with their contacts, which frees those for others.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not archive them
    :raises ValidationError: "archived", "stale"
    """
    person = rows.locked(Person, person_id, actor=actor, action="archive", expected_version=expected_version)
    rows.archive(person, actor=actor)
    person.contact_points.filter(archived_at=None).update(archived_at=person.archived_at)
    events.publish_person(events.PERSON_ARCHIVED, person.pk, actor_id=actor.pk)
    return person


@transaction.atomic
def restore_person(person_id: int, *, actor: User, expected_version: int | None = None) -> Person:
    """
    Take a person out of the trash, with the contacts that went there with them.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not restore them
    :raises ValidationError: "not_archived", "merged", "erased", "stale", or a contact is somebody else's by now
    """
    person = rows.locked(Person, person_id, actor=actor, action="archive", expected_version=expected_version)
    rows.require_unmerged(person)
    rows.require_unerased(person)
    archived_at = person.archived_at
    rows.restore(person, actor=actor)
    with rows.refusals():
        person.contact_points.filter(archived_at=archived_at).update(archived_at=None)
    events.publish_person(events.PERSON_RESTORED, person.pk, actor_id=actor.pk)
    return person
