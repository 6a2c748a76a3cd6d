"""What happens to the companies of ours that papers are written by."""

import io
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import differing, refusal, write
from apps.documents.models import LegalEntity
from apps.documents.rendering.typst import set_paper
from apps.documents.services import blobs

LARGEST_LOGO = 1024 * 1024
_PICTURES = {b"\x89PNG\r\n\x1a\n": ("image/png", "png"), b"\xff\xd8\xff": ("image/jpeg", "jpg")}
_TRIAL = '#set page(width: 10cm, height: 10cm)\n#image(json("data.json").logo, width: 5cm)'


class LegalEntityFields(TypedDict, total=False):
    """What people write on a company of ours."""

    name: str
    full_name: str
    tax_id: str
    registration_number: str
    address: str
    phone: str
    email: str
    website: str
    bank_name: str
    bank_code: str
    account: str
    correspondent_account: str
    signatory_name: str
    signatory_title: str
    signatory_in_text: str
    signatory_basis: str
    translations: dict[str, dict[str, str]]
    tax_percent: Decimal | None
    number_prefix: str
    is_default: bool


@transaction.atomic
def create_legal_entity(*, actor: User, **fields: Unpack[LegalEntityFields]) -> LegalEntity:
    """
    Write a company of ours down; the first one is the usual one.

    :raises PermissionDenied: the actor may not add one
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", LegalEntity)
    entity = LegalEntity(**fields)
    if not LegalEntity.objects.filter(is_default=True).exists():
        entity.is_default = True
    elif entity.is_default:
        _step_down(actor=actor)
    return owned_rows.insert(entity, actor=actor)


@transaction.atomic
def change_legal_entity(
    entity_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[LegalEntityFields]
) -> LegalEntity:
    """
    Change a company of ours; what is not named stays. Papers that were made stay as they are.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "stale", "last_default"
    """
    entity = owned_rows.locked(
        LegalEntity, entity_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(entity)
    changes: dict[str, Any] = differing(entity, dict(fields))
    if changes.get("is_default") is False:
        raise refusal("is_default", _("Make another company the usual one instead."), code="last_default")
    if changes.get("is_default"):
        _step_down(actor=actor)
    return write(entity, changes, actor=actor) if changes else entity


def _step_down(*, actor: User) -> None:
    """Let the usual company no longer be it, before another becomes it."""
    for usual in LegalEntity.objects.select_for_update().filter(is_default=True):
        write(usual, {"is_default": False}, actor=actor)


def set_logo(
    entity_id: int, picture: bytes, *, actor: User, expected_version: int | None = None
) -> LegalEntity:
    """
    Give a company of ours the picture that its papers begin with; an empty one takes it away.

    Not a transaction by itself: the picture is tried on a paper and kept before anything is written.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it is no PNG or JPEG, or too large ("logo"), "archived", "stale"
    """
    access.require(actor, "change", LegalEntity.objects.visible_to(actor).get(pk=entity_id))
    blob = None
    if picture:
        content_type, suffix = picture_kind(picture)
        _try(picture, f"logo.{suffix}")
        blob = blobs.keep(io.BytesIO(picture), content_type=content_type)
    with transaction.atomic():
        entity = owned_rows.locked(
            LegalEntity, entity_id, actor=actor, action="change", expected_version=expected_version
        )
        owned_rows.require_active(entity)
        return write(entity, {"logo": blob}, actor=actor)


def picture_kind(picture: bytes) -> tuple[str, str]:
    """Return the type and the ending of a picture. :raises ValidationError: it is none that papers show ("logo")"""
    for beginning, kind in _PICTURES.items():
        if picture.startswith(beginning) and len(picture) <= LARGEST_LOGO:
            return kind
    raise refusal("logo", _("A logo is a PNG or JPEG picture of at most one megabyte."), code="logo")


def _try(picture: bytes, name: str) -> None:
    try:
        set_paper(_TRIAL, {"logo": name}, at=timezone.now(), images={name: picture})
    except ValidationError as error:
        raise refusal("logo", _("This picture is damaged, or too large to be shown."), code="logo") from error


@transaction.atomic
def archive_legal_entity(entity_id: int, *, actor: User, expected_version: int | None = None) -> LegalEntity:
    """
    Put a company of ours into the trash: no paper is written in its name any more.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale", or it is the usual one ("legal_entity_default_active")
    """
    entity = owned_rows.locked(
        LegalEntity, entity_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(entity, actor=actor)
    return entity


@transaction.atomic
def restore_legal_entity(entity_id: int, *, actor: User, expected_version: int | None = None) -> LegalEntity:
    """
    Take a company of ours out of the trash.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale", or its prefix is another's by now
    """
    entity = owned_rows.locked(
        LegalEntity, entity_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(entity, actor=actor)
    return entity


def usual_entity(*, actor: User) -> LegalEntity | None:
    """Return the company in whose name papers are written unless another is named."""
    return LegalEntity.objects.visible_to(actor).filter(is_default=True).first()
