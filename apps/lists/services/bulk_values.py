"""What was chosen of a bulk change: from what a face was given, to JSON, to what services take."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.lists.bulk import Bulk, Change, Choice, Chosen

# {key of a change: {"how": …, "value": …}}, as JSON
Stored = Mapping[str, Mapping[str, Any]]


def checked(bulk: Bulk, given: Any, *, actor: User) -> Choice:
    """
    Check what is to be changed and return it as services take it, in the order in which it is declared.

    :param given: `Stored`, or whatever somebody has sent
    :raises ValidationError: nothing is chosen ("nothing_chosen"), the actor is not offered such a change
        ("unknown_change"), two deeds at once ("two_deeds"), or a value is refused, under the change's key
    """
    offered = {change.key: change for change in bulk.offered_to(actor)}
    if not isinstance(given, Mapping) or not given:
        raise ValidationError(_("Choose what to change."), code="nothing_chosen")
    if not given.keys() <= offered.keys():
        raise ValidationError(_("There is nothing of this name to change here."), code="unknown_change")
    if sum(offered[key].is_deed for key in given) > 1:
        raise ValidationError(_("Choose one thing to do at a time."), code="two_deeds")
    choice, refused = {}, {}
    for key, change in offered.items():
        if key in given:
            try:
                choice[key] = _chosen(change, given[key], actor)
            except ValidationError as error:
                refused[key] = error
    if refused:
        raise ValidationError(refused)
    return choice


def _chosen(change: Change, given: Any, actor: User) -> Chosen:
    try:
        way = change.way(given["how"])
        value = given.get("value")
    except (KeyError, TypeError, AttributeError) as error:
        message = _("This cannot be changed in that way.")
        raise ValidationError(message, code="unknown_way") from error
    if way.field is None:
        return Chosen(str(way.how))
    try:
        return Chosen(str(way.how), way.field(actor).clean(value))
    except (TypeError, ValueError, AttributeError) as error:
        # A form's field is made for text, and is given whatever JSON can hold.
        raise ValidationError(_("Enter a valid value."), code="invalid") from error


def stored(choice: Choice) -> dict[str, dict[str, Any]]:
    """Return a choice as JSON, from which :func:`checked` makes it again."""
    return {key: {"how": chosen.how, "value": _as_json(chosen.value)} for key, chosen in choice.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, models.Model):
        return value.pk
    if isinstance(value, models.QuerySet | list | tuple):
        return [_as_json(each) for each in value]
    return value if value is None or isinstance(value, bool | int) else str(value)
