"""Who works with money in tests, and calls that come at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections

from apps.accounts.models import User
from apps.documents.models import LegalEntity
from tests.accounts.factories import make_member, make_team


def make_accountant() -> User:
    return make_member(make_team(), "accountant")


def make_seller() -> User:
    return make_member(make_team(), "salesperson")


def make_entity(**fields: Any) -> LegalEntity:
    """Make the company that papers are usually written by."""
    return LegalEntity.objects.create(**{"name": "Artel", "is_default": True} | fields)


def code_of(error: ValidationError) -> str:
    """Return the first code of a refusal, whether it belongs to a field or not."""
    if hasattr(error, "error_dict"):
        return str(next(iter(error.error_dict.values()))[0].code)
    return str(error.error_list[0].code)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same moment; return what each returned, or the code of its refusal."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=20)
        try:
            return call()
        except ValidationError as refused:
            return code_of(refused)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
