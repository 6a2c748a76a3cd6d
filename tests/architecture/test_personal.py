"""Of each column in which something could be said about somebody, it has been said whether that is personal."""

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from apps.common.personal import (
    contradicted,
    not_personal,
    places,
    telling_columns,
    undeclared,
)

pytestmark = pytest.mark.django_db
EVERY = apps.get_models(include_auto_created=True)


def test_every_telling_column_is_declared_one_way() -> None:
    assert undeclared(EVERY) == []
    assert contradicted(EVERY) == []


def test_a_column_that_nobody_has_declared_is_found() -> None:
    class Stranger(models.Model):
        name = models.CharField(max_length=10)
        notes = models.JSONField(default=dict)
        words = ArrayField(models.CharField(max_length=10))
        state = models.CharField(max_length=3, choices=[("NEW", "new")])
        count = models.IntegerField()

        class Meta:
            app_label = "stranger"
            managed = False

    assert telling_columns(Stranger) == ["name", "notes", "words"]
    assert undeclared([Stranger]) == [f"stranger.stranger.{name}" for name in ("name", "notes", "words")]
    not_personal(Stranger, "for this test", "name")
    assert undeclared([Stranger]) == ["stranger.stranger.notes", "stranger.stranger.words"]
    assert contradicted(EVERY) == ["stranger.stranger.name"]
    apps.all_models["stranger"].clear()
    from apps.common import personal

    del personal._declared.others["stranger.stranger", "name"]


def test_every_table_of_ours_has_a_model() -> None:
    """What has no model is walked by nobody."""
    tables = {model._meta.db_table for model in EVERY}
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
    # Keys of access events that are still to be chained.
    assert there - tables <= {"django_migrations", "accounts_autheventqueue"}


def test_every_reason_to_keep_is_said_once() -> None:
    for place in places():
        codes = [kept.code for kept in place.kept]
        assert len(codes) == len(set(codes)), place.label
        assert all(str(kept.why) for kept in place.kept)
