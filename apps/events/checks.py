"""What `manage.py check` says about facts."""

import re
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from apps.events.registry import Fact, all_facts
from apps.events.schemas import problems_of_schema, schema_path

_TYPE = re.compile(r"[a-z_]+\.[a-z_]+\.[a-z_]+\.v[1-9]\d*")


@register
def check_facts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find facts whose type is not spelled as agreed, or whose schema is missing or wrong."""
    return [
        message
        for config, fact in all_facts()
        if app_configs is None or config in app_configs
        for message in _messages(config, fact)
    ]


def _messages(config: AppConfig, fact: Fact) -> list[CheckMessage]:
    if not _TYPE.fullmatch(fact.type) or not fact.type.startswith(f"{config.label}."):
        text = f'The fact "{fact.type}" has to be spelled "{config.label}.<aggregate>.<fact>.v<version>".'
        return [Error(text, obj=config, id="events.E001")]
    path = schema_path(fact.type)
    if not path.exists():
        return [Error(f'The fact "{fact.type}" has no schema at {path}.', obj=config, id="events.E002")]
    return [Error(f"{path}: {problem}", obj=config, id="events.E003") for problem in problems_of_schema(path)]
