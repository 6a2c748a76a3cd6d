"""What happens to the catalog of further fields. Values and keys stay what they are, whatever becomes of a field."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.automation.schedules import trigger_of
from apps.crm.custom import CUSTOMISED
from apps.crm.models import AutomationRule, CustomField, Stage
from apps.crm.services import rows
from apps.crm.services.custom_values import LOCK

# As many as people can choose from in one list.
MOST_CHOICES = 200
# As many as a form can bear.
MOST_FIELDS = 100
_LATIN = str.maketrans(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
            [
                *("a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r"),
                *("s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya"),
            ],
            strict=True,
        )
    )
)


class CustomFieldFields(TypedDict, total=False):
    """What of a field may change. Choices are {"key", "label", "is_archived"}; a new one may come without a key."""

    label: str
    choices: Sequence[Mapping[str, Any]]
    is_required: bool
    position: int


@transaction.atomic
def create_custom_field(
    *,
    actor: User,
    model: str,
    kind: str,
    key: str = "",
    target: str = "",
    **fields: Unpack[CustomFieldFields],
) -> CustomField:
    """
    Add a further field to a kind of rows; rows that are there have nothing in it.

    :param model: "company", "person", "deal" or "lead"
    :param key: what it is called in the API for good; made of its name where none is given
    :param target: of a reference, what it refers to ("crm.company")
    :raises PermissionDenied: the actor may not add fields
    :raises ValidationError: a value is refused, or there are too many already ("too_many_fields")
    """
    access.require(actor, "add", CustomField)
    taken = CustomField.objects.filter(model=model)
    if taken.filter(archived_at=None).count() >= MOST_FIELDS:
        raise ValidationError(
            _("A kind of rows has at most %(count)s further fields."),
            code="too_many_fields",
            params={"count": MOST_FIELDS},
        )
    label = fields.get("label", "").strip()
    field = CustomField(
        model=model,
        kind=kind,
        target=target,
        label=label,
        key=key.strip() or _free_key(label, set(taken.values_list("key", flat=True)), "field"),
        is_required=fields.get("is_required", False),
        position=fields.get("position") or (taken.aggregate(last=Max("position"))["last"] or 0) + 10,
        choices=_choices(kind, fields.get("choices", ()), known=set()),
    )
    return rows.insert(field, actor=actor)


@transaction.atomic
def change_custom_field(
    field_id: int,
    *,
    actor: User,
    expected_version: int | None = None,
    **fields: Unpack[CustomFieldFields],
) -> CustomField:
    """
    Change what a field is called, offers and asks; its key and kind stay.

    :raises DoesNotExist: the field is out of sight
    :raises PermissionDenied: the actor may not change fields
    :raises ValidationError: a value is refused, "archived", "stale", or a choice is gone that rows have ("choice_used")
    """
    field = rows.locked(
        CustomField, field_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(field)
    values: dict[str, Any] = dict(fields)
    if "label" in values:
        values["label"] = values["label"].strip()
    if "choices" in values:
        values["choices"] = _choices(field.kind, values["choices"], known=set(field.labels()))
    changes = rows.differing(field, values)
    if "choices" in changes:
        _require_unused(field, set(field.labels()) - {one["key"] for one in changes["choices"]})
    return rows.write(field, changes, actor=actor) if changes else field


@transaction.atomic
def archive_custom_field(field_id: int, *, actor: User, expected_version: int | None = None) -> CustomField:
    """
    Stop offering a field; rows keep what they have in it.

    :raises DoesNotExist: the field is out of sight
    :raises PermissionDenied: the actor may not delete fields
    :raises ValidationError: "archived", "stale", or a stage asks for it or a rule counts from it ("field_needed")
    """
    field = rows.locked(
        CustomField, field_id, actor=actor, action="delete", expected_version=expected_version
    )
    wanted = [{"kind": "field", "params": {"field": f"{field.model}.{field.name}"}}]
    stage = Stage.objects.filter(exit_criteria__contains=wanted).select_related("pipeline").first()
    if stage is not None:
        raise ValidationError(
            _("The stage “%(stage)s” of “%(pipeline)s” asks for this field."),
            code="field_needed",
            params={"stage": stage.name, "pipeline": stage.pipeline.name},
        )
    if AutomationRule.objects.filter(trigger=trigger_of(field), is_active=True).exists():
        # Not which one: whoever keeps fields may not see it.
        raise ValidationError(_("A rule that runs counts from this field."), code="field_needed")
    rows.archive(field, actor=actor)
    return field


@transaction.atomic
def restore_custom_field(field_id: int, *, actor: User, expected_version: int | None = None) -> CustomField:
    """
    Offer a field again, with what rows still have in it.

    :raises DoesNotExist: the field is out of sight
    :raises PermissionDenied: the actor may not delete fields
    :raises ValidationError: "not_archived", "stale", or its name is another's by now
    """
    field = rows.locked(
        CustomField, field_id, actor=actor, action="delete", expected_version=expected_version
    )
    rows.restore(field, actor=actor)
    return field


def _choices(kind: str, given: Any, *, known: set[str]) -> list[dict[str, Any]]:
    """Return choices as they are kept: each with a key, one of its own where it came without."""
    if kind != CustomField.Kind.CHOICE:
        if given:
            raise rows.refusal("choices", _("Only a choice has choices."), code="invalid")
        return []
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise rows.refusal("choices", _("Say what there is to choose from."), code="required")
    if len(given) > MOST_CHOICES:
        raise rows.refusal(
            "choices", _("There are at most %(count)s choices."), code="invalid", count=MOST_CHOICES
        )
    found: list[dict[str, Any]] = []
    keys = {str(one.get("key", "")) for one in given if isinstance(one, Mapping)} | known
    for one in given:
        label = str(one.get("label", "")).strip() if isinstance(one, Mapping) else ""
        if not label or len(label) > 100:
            raise rows.refusal(
                "choices", _("Each choice has a name of at most 100 characters."), code="invalid"
            )
        key = str(one.get("key", "")) or _free_key(label, keys, "choice")
        keys.add(key)
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", key):
            raise rows.refusal(
                "choices", _("“%(key)s” is no key: small Latin letters and digits."), code="invalid", key=key
            )
        found.append({"key": key, "label": label, "is_archived": bool(one.get("is_archived", False))})
    for name in ("key", "label"):
        if len({one[name].casefold() for one in found}) < len(found):
            raise rows.refusal("choices", _("Two choices are called the same."), code="choice_twice")
    return found


def _free_key(label: str, taken: set[str], otherwise: str) -> str:
    """Make a key of a name that nobody has."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower().translate(_LATIN)).strip("_")[:32].strip("_")
    if not plain or not plain[0].isalpha():
        plain = f"{otherwise}_{plain}".rstrip("_")
    return plain if plain not in taken and plain != otherwise else f"{plain}_{secrets.token_hex(3)}"


def _require_unused(field: CustomField, gone: set[str]) -> None:
    """:raises ValidationError: a row has a choice that is about to go ("choice_used")"""
    if not gone:
        return
    with connection.cursor() as cursor:
        # Whoever is writing one of them is waited for.
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
    model = CUSTOMISED[field.model]
    for key in sorted(gone):
        if model._base_manager.filter(custom__contains={field.key: key}).exists():
            raise rows.refusal(
                "choices",
                _("Rows have “%(label)s”. Stop offering it instead of taking it away."),
                code="choice_used",
                label=field.labels()[key],
            )
