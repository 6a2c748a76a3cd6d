"""What happens to products, tags and the reasons for losing."""

from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Deal, LostReason, Product, Tag
from apps.crm.services import rows


class ProductFields(TypedDict, total=False):
    """What people write on a product."""

    name: str
    sku: str
    family: str
    price: Decimal | None
    currency: str
    unit: str
    tax_rate: Decimal | None


@transaction.atomic
def create_product(*, actor: User, **fields: Unpack[ProductFields]) -> Product:
    """
    Add something to sell; a price without a currency is in the organization's own.

    :raises PermissionDenied: the actor may not add products
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", Product)
    product = Product(**fields)
    product.currency = product.currency or (settings.BASE_CURRENCY if product.price is not None else "")
    return rows.insert(product, actor=actor)


@transaction.atomic
def change_product(
    product_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[ProductFields]
) -> Product:
    """
    Change a product; what is not named stays.

    :raises DoesNotExist: the product is out of sight
    :raises PermissionDenied: the actor may not change products
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    product = rows.locked(
        Product, product_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(product)
    changes: dict[str, Any] = rows.differing(product, dict(fields))
    return rows.write(product, changes, actor=actor) if changes else product


@transaction.atomic
def archive_product(product_id: int, *, actor: User, expected_version: int | None = None) -> Product:
    """
    Stop offering a product; deals that have it keep it.

    :raises DoesNotExist: the product is out of sight
    :raises PermissionDenied: the actor may not delete products
    :raises ValidationError: "archived", "stale"
    """
    product = rows.locked(
        Product, product_id, actor=actor, action="delete", expected_version=expected_version
    )
    rows.archive(product, actor=actor)
    return product


@transaction.atomic
def restore_product(product_id: int, *, actor: User, expected_version: int | None = None) -> Product:
    """
    Offer a product again.

    :raises DoesNotExist: the product is out of sight
    :raises PermissionDenied: the actor may not delete products
    :raises ValidationError: "not_archived", "stale", or its name or SKU is another's by now
    """
    product = rows.locked(
        Product, product_id, actor=actor, action="delete", expected_version=expected_version
    )
    rows.restore(product, actor=actor)
    return product


@transaction.atomic
def create_tag(*, name: str, actor: User, color: str = "") -> Tag:
    """
    Add a word to mark rows with.

    :raises PermissionDenied: the actor may not add tags
    :raises ValidationError: there is one of this name ("tag_name_unique")
    """
    access.require(actor, "add", Tag)
    return rows.insert(Tag(name=name.strip(), color=color), actor=actor)


@transaction.atomic
def change_tag(tag_id: int, *, actor: User, name: str | None = None, color: str | None = None) -> Tag:
    """
    Rename or recolor a tag.

    :raises DoesNotExist: the tag is out of sight
    :raises PermissionDenied: the actor may not change tags
    :raises ValidationError: there is one of this name ("tag_name_unique")
    """
    tag = rows.locked(Tag, tag_id, actor=actor, action="change")
    given = {"name": name, "color": color}
    changes = rows.differing(tag, {key: value for key, value in given.items() if value is not None})
    return rows.write(tag, changes, actor=actor) if changes else tag


@transaction.atomic
def delete_tag(tag_id: int, *, actor: User) -> None:
    """
    Take a tag off everything and forget it.

    :raises DoesNotExist: the tag is out of sight
    :raises PermissionDenied: the actor may not delete tags
    """
    rows.locked(Tag, tag_id, actor=actor, action="delete").delete()


@transaction.atomic
def create_lost_reason(*, name: str, actor: User) -> LostReason:
    """
    Add a reason for losing deals.

    :raises PermissionDenied: the actor may not add reasons
    :raises ValidationError: there is one of this name
    """
    access.require(actor, "add", LostReason)
    return rows.insert(LostReason(name=name.strip()), actor=actor)


@transaction.atomic
def change_lost_reason(
    reason_id: int, *, actor: User, name: str | None = None, is_active: bool | None = None
) -> LostReason:
    """
    Rename a reason, or stop offering it; deals that were lost for it keep it.

    :raises DoesNotExist: the reason is out of sight
    :raises PermissionDenied: the actor may not change reasons
    :raises ValidationError: there is one of this name, or imports need it ("reason_needed")
    """
    reason = rows.locked(LostReason, reason_id, actor=actor, action="change")
    if reason.is_unknown and is_active is False:
        raise rows.refusal(
            "is_active", _("Imports file deals lost without a reason under this one."), code="reason_needed"
        )
    given = {"name": name, "is_active": is_active}
    changes = rows.differing(reason, {key: value for key, value in given.items() if value is not None})
    return rows.write(reason, changes, actor=actor) if changes else reason


@transaction.atomic
def delete_lost_reason(reason_id: int, *, actor: User) -> None:
    """
    Forget a reason that no deal was lost for.

    :raises DoesNotExist: the reason is out of sight
    :raises PermissionDenied: the actor may not delete reasons
    :raises ValidationError: deals were lost for it ("reason_used"), or imports need it ("reason_needed")
    """
    reason = rows.locked(LostReason, reason_id, actor=actor, action="delete")
    if reason.is_unknown:
        raise ValidationError(
            _("Imports file deals lost without a reason under this one."), code="reason_needed"
        )
    count = Deal.objects.filter(lost_reason=reason).count()
    if count:
        raise ValidationError(
            ngettext_lazy(
                "%(count)s deal was lost for this reason. Stop offering it instead.",
                "%(count)s deals were lost for this reason. Stop offering it instead.",
                "count",
            ),
            code="reason_used",
            params={"count": count},
        )
    reason.delete()
