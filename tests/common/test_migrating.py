"""Quick migrations know the same models as slow ones, whoever refers to whom."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.migrations import AddConstraint, AddField, AddIndex, CreateModel
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from apps.common.migrating import quick_states

ID = ("id", models.BigAutoField(primary_key=True))


def to(name: str) -> Any:
    return models.ForeignKey(f"shop.{name}", models.CASCADE)


OPERATIONS: Sequence[Any] = [
    CreateModel("Buyer", [ID, ("name", models.TextField())]),
    # Of something that is not there yet, and of itself.
    CreateModel("Order", [ID, ("buyer", to("Buyer")), ("paper", to("Paper")), ("parent", to("Order"))]),
    CreateModel("Paper", [ID, ("buyer", to("Buyer"))]),
    AddIndex("Order", models.Index(fields=["buyer"], name="order_buyer")),
    AddConstraint("Order", models.UniqueConstraint(fields=["paper"], name="order_paper")),
    AddField("Buyer", "note", models.TextField(default="")),
    CreateModel("Line", [ID, ("order", to("Order"))]),
    AddIndex("Line", models.Index(fields=["order"], name="line_order")),
]


def test_models_that_refer_to_each_other() -> None:
    state = ProjectState()
    assert state.apps is not None
    with quick_states():
        for operation in OPERATIONS:
            operation.state_forwards("shop", state)
    assert_same(state)
    order = state.apps.get_model("shop", "Order")
    assert order._meta.get_field("paper").related_model is state.apps.get_model("shop", "Paper")
    assert [index.name for index in order._meta.indexes] == ["order_buyer"]
    assert [each.name for each in order._meta.constraints] == ["order_paper"]


def test_the_models_of_real_migrations() -> None:
    loader = MigrationLoader(None)
    state = ProjectState(real_apps=loader.unmigrated_apps)
    [leaf] = loader.graph.leaf_nodes("crm")
    plan = loader.graph.forwards_plan(leaf)
    assert state.apps is not None
    with quick_states():
        for key in plan:
            loader.graph.nodes[key].mutate_state(state, preserve=False)
    assert len(state.models) > 80
    assert_same(state)


def assert_same(state: ProjectState) -> None:
    """Insist that the models are those that would be made of the same state at once."""
    fresh = ProjectState(models=dict(state.models), real_apps=state.real_apps).apps
    for label, name in state.models:
        ours, anew = state.apps.get_model(label, name), fresh.get_model(label, name)
        assert told(ours) == told(anew), (label, name)
        assert related(ours) == related(anew), (label, name)


def told(model: Any) -> Any:
    state = ModelState.from_model(model)
    deep = MigrationAutodetector(ProjectState(), ProjectState()).deep_deconstruct
    return deep([list(state.fields.items()), state.options, list(state.bases)])


def related(model: Any) -> set[tuple[str, str]]:
    return {(one.related_model._meta.label_lower, one.field.name) for one in model._meta.related_objects}
