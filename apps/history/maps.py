"""
Columns that hold a JSON object, key by key: two people who change different keys of it are not in each other's way.

A key is addressed as "column.key" wherever a column is. Arithmetic, without a query.
"""

from collections.abc import Collection, Mapping
from typing import Any

Values = dict[str, Any]


def changed_keys(before: Any, after: Any) -> list[str]:
    """Return the keys of two objects under which they differ, in order."""
    old, new = _object(before), _object(after)
    return sorted(key for key in old.keys() | new.keys() if not _is_same(old.get(key), new.get(key)))


def is_changed_since(before: Any, after: Any, now: Any) -> bool:
    """Tell whether one of the keys that a change has set is something else by now."""
    new, current = _object(after), _object(now)
    return any(not _is_same(new.get(key), current.get(key)) for key in changed_keys(before, after))


def is_as_before(before: Any, after: Any, now: Any) -> bool:
    """Tell whether all keys that a change has set are what they were before it."""
    old, current = _object(before), _object(now)
    return all(_is_same(old.get(key), current.get(key)) for key in changed_keys(before, after))


def put_back(before: Any, after: Any, now: Any, keys: Collection[str] | None = None) -> Values:
    """
    Return the object as it is now with the keys that a change has set as they were before it.

    :param keys: only these of them
    """
    old, found = _object(before), dict(_object(now))
    for key in changed_keys(before, after):
        if keys is not None and key not in keys:
            continue
        if key in old:
            found[key] = old[key]
        else:
            found.pop(key, None)
    return found


def spread(values: Mapping[str, Any], columns: Collection[str]) -> Values:
    """Return values with the keys of these columns as columns of their own: {"custom.region": …}."""
    found: Values = {}
    for name, value in values.items():
        if name in columns:
            found |= {f"{name}.{key}": inner for key, inner in _object(value).items()}
        else:
            found[name] = value
    return found


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_same(one: Any, other: Any) -> bool:
    # Python takes 1 for true; the database does not.
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
