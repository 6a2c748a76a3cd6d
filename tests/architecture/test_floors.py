"""What import-linter cannot see: where foreign keys point, and modules without a meaning."""

import tomllib
from pathlib import Path

from django.apps import apps
from django.db.models import ForeignObject, ManyToManyField

ROOT = Path(__file__).resolve().parents[2]
# Names that say nothing; what would go there belongs to a room that has a name.
MEANINGLESS = {"utils", "helpers", "helper", "misc", "common", "manager", "managers", "base", "tools", "lib"}

EXCUSED = {"events.Event.actor": "Django's own indirection, AUTH_USER_MODEL: the app imports no user"}


def floors() -> dict[str, int]:
    """Number the floors of the house, as the contract of import-linter names them; the ground floor is 0."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["id"] == "floors"]
    names = [layer.replace("|", " ").replace(":", " ").split() for layer in reversed(contract["layers"])]
    return {name.strip("()"): floor for floor, layer in enumerate(names) for name in layer}


def test_every_app_has_its_floor() -> None:
    installed = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    assert installed <= set(floors())
    assert {"accounts", "common", "crm", "events", "gateway", "jobs"} <= installed


def test_foreign_keys_point_down() -> None:
    floor = floors()
    upward = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in floor
        for field in model._meta.get_fields()
        if isinstance(field, ForeignObject | ManyToManyField)
        and floor.get(field.related_model._meta.app_label, -1) > floor[model._meta.app_label]
    ]
    assert upward == list(EXCUSED)


# The app of what every app needs, and a database backend's module, which Django looks for under this name.
NAMED_BY_OTHERS = [ROOT / "apps" / "common", ROOT / "apps" / "common" / "postgresql" / "base.py"]


def test_every_module_has_a_meaning() -> None:
    stray = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "apps").rglob("*"))
        if path.stem in MEANINGLESS and path not in NAMED_BY_OTHERS and "__pycache__" not in path.parts
    ]
    assert stray == []
