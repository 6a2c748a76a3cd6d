"""Every model that people have rights to is recorded, or says why not; the database has what is declared."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from apps.accounts.models import User
from apps.history import triggers
from apps.history.tracking import (
    Tracked,
    exempt_models,
    parents_first,
    tracked,
    tracked_models,
    undeclared,
)


def test_every_scoped_model_is_recorded_or_exempt_with_a_reason() -> None:
    assert undeclared() == []
    assert all(len(reason) > 10 for reason in exempt_models().values())
    assert not {model.label for model in tracked_models()} & exempt_models().keys()


def test_a_new_model_without_a_word_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.history import tracking

    monkeypatch.setattr(tracking, "_tracked", {k: v for k, v in tracking._tracked.items() if k != "crm.deal"})
    assert undeclared() == ["crm.deal"]


def test_links_of_recorded_models_are_recorded() -> None:
    for model in tracked_models():
        for relation in model.model._meta.local_many_to_many:
            through = relation.remote_field.through
            assert through is not None
            assert tracked(through._meta.label_lower) is not None


@pytest.mark.django_db
def test_the_database_has_what_is_declared() -> None:
    assert triggers.in_place(connection) == triggers.expected()


@pytest.mark.django_db
def test_a_declaration_that_changes_changes_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.history import tracking

    deal = tracking._tracked["crm.deal"]
    changed = Tracked(deal.model, hidden={"description": ""})
    others = {k: v for k, v in tracking._tracked.items() if k not in {"crm.deal", "crm.tag"}}
    monkeypatch.setattr(tracking, "_tracked", {**others, "crm.deal": changed})
    triggers.sync(apps.get_app_config("history"), "default")
    there = triggers.in_place(connection)
    assert there["crm_deal", "history_update"][2] == "description"
    assert ("crm_tag", "history_update") not in there


@pytest.mark.django_db(transaction=True)
def test_migrating_again_changes_nothing(django_assert_num_queries: object) -> None:
    call_command("migrate", verbosity=0)
    assert triggers.in_place(connection) == triggers.expected()


def test_what_others_point_at_comes_first() -> None:
    order = {model.label: place for place, model in enumerate(parents_first())}
    for model in parents_first():
        for field in model.model._meta.concrete_fields:
            # A document names its current version, which is a part of it and comes after.
            is_back = field.name in {"created_by", "updated_by", "current_version"}
            target = None if is_back else field.related_model
            if isinstance(target, type) and target is not model.model:
                label = target._meta.label_lower
                assert label not in order or order[label] < order[model.label], (label, model.label)


def test_secrets_are_hidden() -> None:
    hidden = tracked(User._meta.label_lower)
    assert hidden is not None
    assert "password" in hidden.hidden
    words = ("password", "secret", "token", "hash", "private")
    for model in tracked_models():
        assert [c for c in model.fields() if any(word in c for word in words)] == []
