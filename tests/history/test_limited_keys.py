"""What an administrator's limited key does not open in the history."""

from types import SimpleNamespace
from typing import Any

from django.contrib.sessions.models import Session

from apps.accounts.models import User
from apps.history.selectors.words import sees_all
from apps.history.services.reverting import permitted


def _administrator(scopes: frozenset[str] | None) -> User:
    user = User(pk=1, is_superuser=True, is_active=True)
    user.key_scopes = scopes
    return user


def test_a_limited_key_of_an_administrator_opens_neither_unruled_rows_nor_guarded_ones() -> None:
    tracked: Any = SimpleNamespace(model=Session, is_guarded=True)
    nets: Any = [SimpleNamespace(row_id="7")]
    person, key = _administrator(None), _administrator(frozenset({"history.view_changeset"}))
    assert sees_all(person, Session)
    assert permitted(tracked, nets, person) == {"7"}
    assert not sees_all(key, Session)
    assert permitted(tracked, nets, key) == set()
