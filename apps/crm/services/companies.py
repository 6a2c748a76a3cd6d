"""What happens to companies."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import ngettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import Company
from apps.crm.services import rows
from apps.crm.services.contacts import NewContact, write_contact_point
from apps.crm.services.custom_values import change_custom, clean_custom
from apps.crm.tax_numbers import check_tax_id


class CompanyFields(TypedDict, total=False):
    """What people write on a company; relations by id. Without owner and team it is common to all."""

    name: str
    legal_name: str
    tax_id: str
    domain: str
    industry: str
    country: str
    city: str
    founded_year: int | None
    employee_count: int | None
    annual_revenue: Decimal | None
    parent_id: int | None
    description: str
    owner_id: int | None
    team_id: int | None
    tag_ids: Sequence[int]
    custom: Mapping[str, Any]


@transaction.atomic
def create_company(
    *, actor: User, contact_points: Sequence[NewContact] = (), **fields: Unpack[CompanyFields]
) -> Company:
    """
    Write down a company, as the actor's own unless another owner is named.

    :raises PermissionDenied: the actor may not make such a company
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", Company)
    values: dict[str, Any] = {"owner_id": actor.pk, **fields}
    tags = rows.named_tags(values.pop("tag_ids", ()), actor=actor)
    rows.owner_and_team(values, actor=actor)
    rows.named(Company, values.get("parent_id"), actor=actor, field="parent")
    _require_tax_id(values.get("tax_id", ""), values.get("country", ""))
    values["custom"] = clean_custom(Company, values.get("custom", {}), actor=actor)
    company = rows.insert(Company(**values), actor=actor)
    company.tags.set(tags)
    for contact in contact_points:
        write_contact_point(company, contact, actor=actor)
    events.publish_company(events.COMPANY_CREATED, company.pk, actor_id=actor.pk)
    return company


@transaction.atomic
def change_company(
    company_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[CompanyFields]
) -> Company:
    """
    Change what is written on a company; what is not named stays. Nothing happens where nothing differs.

    :raises DoesNotExist: the company is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "stale", "company_parent_cycle"
    """
    company = rows.locked(
        Company, company_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(company)
    values: dict[str, Any] = dict(fields)
    tag_ids = values.pop("tag_ids", None)
    change_custom(company, values, actor=actor)
    changes = rows.differing(company, values)
    rows.owner_and_team(changes, actor=actor)
    rows.named(Company, changes.get("parent_id"), actor=actor, field="parent")
    if changes.keys() & {"tax_id", "country"}:
        # What was brought in wrong is no obstacle to changing something else.
        _require_tax_id(changes.get("tax_id", company.tax_id), changes.get("country", company.country))
    are_tags_new = tag_ids is not None and rows.set_tags(company, rows.named_tags(tag_ids, actor=actor))
    if changes or are_tags_new:
        rows.write(company, changes, actor=actor)
        events.publish_company(events.COMPANY_CHANGED, company.pk, actor_id=actor.pk)
    return company


def _require_tax_id(tax_id: str, country: str) -> None:
    try:
        check_tax_id(tax_id, country)
    except ValidationError as error:
        raise ValidationError({"tax_id": error}) from error


@transaction.atomic
def archive_company(company_id: int, *, actor: User, expected_version: int | None = None) -> Company:
    """
    Put a company into the trash together with its contacts, which frees those for others.

    :raises DoesNotExist: the company is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale", or it has open deals ("company_has_open_deals")
    """
    company = rows.locked(
        Company, company_id, actor=actor, action="archive", expected_version=expected_version
    )
    count = company.deals.filter(status="OPEN", archived_at=None).count()
    if count:
        raise ValidationError(
            ngettext_lazy(
                "%(count)s open deal is with this company. Close or archive it first.",
                "%(count)s open deals are with this company. Close or archive them first.",
                "count",
            ),
            code="company_has_open_deals",
            params={"count": count},
        )
    rows.archive(company, actor=actor)
    company.contact_points.filter(archived_at=None).update(archived_at=company.archived_at)
    events.publish_company(events.COMPANY_ARCHIVED, company.pk, actor_id=actor.pk)
    return company


@transaction.atomic
def restore_company(company_id: int, *, actor: User, expected_version: int | None = None) -> Company:
    """
    Take a company out of the trash, with the contacts that went there with it.

    :raises DoesNotExist: the company is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "merged", "stale", or its tax id or a contact is somebody else's by now
    """
    company = rows.locked(
        Company, company_id, actor=actor, action="archive", expected_version=expected_version
    )
    rows.require_unmerged(company)
    archived_at = company.archived_at
    rows.restore(company, actor=actor)
    with rows.refusals():
        company.contact_points.filter(archived_at=archived_at).update(archived_at=None)
    events.publish_company(events.COMPANY_RESTORED, company.pk, actor_id=actor.pk)
    return company
