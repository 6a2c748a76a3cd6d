"""
Migrations in a third of the time: a step that changes nothing about how other models look makes none of them anew.

Django keeps a copy of every model as it was before a migration, and with each new model, index and constraint makes anew
all that it is related to, which by way of the users is nearly everything. A new model that nobody refers to yet, an
index and a constraint do not need that: the new model alone is made, and the others are told. The schema that comes of it
is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.migrations.state import ModelState, ProjectState


@contextmanager
def quick_states() -> Iterator[None]:
    """Let migrations that run within make only those models anew that look otherwise after a step."""
    state: Any = ProjectState
    usual = state.add_model, state._append_option
    state.add_model, state._append_option = _add_model, _append_option
    try:
        yield
    finally:
        state.add_model, state._append_option = usual


def _add_model(self: Any, model_state: ModelState) -> None:
    key = model_state.app_label, model_state.name_lower
    # By way of the property: what refers to what is known before the model is there.
    relations = self.relations
    self.models[key] = model_state
    self.resolve_model_relations(key)
    if "apps" not in self.__dict__:
        return
    if relations.get(key, {}).keys() - {key}:
        # Somebody waits for it already.
        self.reload_model(*key)
    else:
        self.apps.render_multiple([model_state])


def _append_option(self: Any, app_label: str, model_name: str, option_name: str, obj: Any) -> None:
    model_state = self.models[app_label, model_name]
    objects = [*model_state.options[option_name], obj]
    model_state.options[option_name] = objects
    if "apps" in self.__dict__:
        options = self.apps.get_model(app_label, model_name)._meta
        setattr(options, option_name, list(objects))
        options._expire_cache()
