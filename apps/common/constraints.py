"""What the database's refusals mean in words."""

from django.apps import apps
from django.db import IntegrityError, models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_words: dict[str, str | Promise] = {}


def register_constraint(name: str, words: str | Promise) -> None:
    """Give words to a constraint or trigger that no model declares; called from ready()."""
    _words[name] = words


def name_of(error: IntegrityError) -> str:
    """Return the name of the constraint that refused; empty when the database did not say."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def words_of(name: str) -> str:
    """Say what the constraint of this name wants."""
    if name in _words:
        return str(_words[name])
    declared: list[models.BaseConstraint] = [
        c for model in apps.get_models() for c in model._meta.constraints
    ]
    for constraint in declared:
        if constraint.name == name and _has_words(constraint):
            return str(constraint.get_violation_error_message())
    return str(_("This does not fit what is there already."))


def _has_words(constraint: models.BaseConstraint) -> bool:
    message = constraint.violation_error_message
    return message is not None and message != constraint.default_violation_error_message
