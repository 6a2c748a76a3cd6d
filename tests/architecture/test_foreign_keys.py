"""Foreign keys point down the floors of the house, as imports do."""

from django.apps import apps

FLOOR = {
    "common": 0,
    "events": 0,
    "accounts": 1,
    "jobs": 2,
    "history": 2,
    "documents": 3,
    "crm": 4,
    "payments": 5,
    "notifications": 6,
    "gateway": 7,
    "bot": 7,
}
# Who did something is told everywhere, below the people's own floor too.
ALLOWED_UP = {("events.Event", "actor")}


def test_foreign_keys_point_down() -> None:
    wrong = []
    for config in apps.get_app_configs():
        if not config.name.startswith("apps."):
            continue
        for model in config.get_models(include_auto_created=True):
            for field in model._meta.get_fields():
                target = field.related_model
                if not field.concrete or not isinstance(target, type) or target._meta.app_label not in FLOOR:
                    continue
                is_up = FLOOR[target._meta.app_label] > FLOOR[config.label]
                if is_up and (model._meta.label, field.name) not in ALLOWED_UP:
                    wrong.append(f"{model._meta.label}.{field.name} → {target._meta.label}")
    assert wrong == []


def test_every_app_has_a_floor() -> None:
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    assert ours <= FLOOR.keys()
