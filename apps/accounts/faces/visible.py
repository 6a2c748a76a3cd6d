"""What every page asks first: who is working, and which rows are theirs to see."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule


def actor_of(request: HttpRequest) -> User:
    """Return who is working. :raises PermissionDenied: nobody is logged in"""
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user


def has_rule(model: type[models.Model]) -> bool:
    """Tell whether rows of a model are anybody's to see or not."""
    return isinstance(getattr(model, "access", None), Rule)


def visible_rows(user: User, model: type[models.Model], action: str = "view") -> QuerySet[Any]:
    """Return the rows of `model` on which `user` may do `action`; none of a model without a rule."""
    if not has_rule(model):
        return model._default_manager.none()
    return model._default_manager.filter(access.scope(user, action, model))
