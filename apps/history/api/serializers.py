"""What the API tells of history: who did what, to which rows, in the words that the pages use."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import ScopedModelSerializer, actor_of
from apps.accounts.models import User
from apps.history.models import ChangeSet
from apps.history.nets import Kind
from apps.history.selectors import stories, titles
from apps.history.selectors.words import Words
from apps.history.services.undoing import undoable

KINDS = [(kind.value, kind.value) for kind in (Kind.CREATED, Kind.CHANGED, Kind.DELETED)]


class LineSerializer(serializers.Serializer[Any]):
    """One field's change, or one part's coming and going; an empty side says that there was nothing."""

    label = serializers.CharField()  # type: ignore[assignment]
    old = serializers.CharField()
    new = serializers.CharField()
    is_part = serializers.BooleanField()


class ChangedRowSerializer(serializers.Serializer[Any]):
    """A row that was changed, as far as the caller may see it."""

    id = serializers.CharField(source="row_id")
    name = serializers.CharField()
    kind = serializers.ChoiceField(KINDS)
    lines = LineSerializer(many=True)


class ChangedModelSerializer(serializers.Serializer[Any]):
    """What became of rows of one kind: how many in all, and the first of them."""

    model = serializers.CharField(source="touched.label")
    name = serializers.CharField()
    created = serializers.IntegerField(source="touched.created")
    changed = serializers.IntegerField(source="touched.changed")
    deleted = serializers.IntegerField(source="touched.deleted")
    rows = ChangedRowSerializer(many=True)
    unseen = serializers.IntegerField(help_text="Of the first rows, how many are not the caller's to see.")
    more = serializers.IntegerField(help_text="How many come after those that are shown.")


class ActorSerializer(serializers.Serializer[Any]):
    """Who it was; without a name where that is not the caller's to know."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()


class ChangeSetSerializer(ScopedModelSerializer[ChangeSet]):
    """Everything that one request, job or command changed."""

    title = serializers.SerializerMethodField(help_text="What was done, in the caller's language.")
    actor = serializers.SerializerMethodField()
    impersonator = serializers.SerializerMethodField(help_text="Who acted as the actor, where somebody did.")
    is_undone = serializers.SerializerMethodField()
    can_undo = serializers.SerializerMethodField()

    class Meta:
        model = ChangeSet
        fields = [
            "id",
            "at",
            "face",
            "title",
            "reason",
            "request_id",
            "actor",
            "impersonator",
            "job",
            "is_undone",
            "can_undo",
        ]
        read_only_fields = fields

    def get_title(self, change_set: ChangeSet) -> str:
        return change_set.label or getattr(change_set, "title", "") or titles.in_short(change_set)

    @extend_schema_field(ActorSerializer(allow_null=True))
    def get_actor(self, change_set: ChangeSet) -> dict[str, Any] | None:
        return self._named(change_set.actor_id)

    @extend_schema_field(ActorSerializer(allow_null=True))
    def get_impersonator(self, change_set: ChangeSet) -> dict[str, Any] | None:
        return self._named(change_set.impersonator_id)

    def _named(self, user_id: int | None) -> dict[str, Any] | None:
        if user_id is None:
            return None
        words: Words = self.context["words"]
        return {"id": user_id, "name": words.known_name(User, user_id)}

    def get_is_undone(self, change_set: ChangeSet) -> bool:
        return hasattr(change_set, "undo")

    def get_can_undo(self, change_set: ChangeSet) -> bool:
        return change_set.pk in self.context["undoable"]


class ToldChangeSetSerializer(ChangeSetSerializer):
    """A change set with the rows that it changed."""

    models = serializers.SerializerMethodField()

    class Meta(ChangeSetSerializer.Meta):
        fields = [*ChangeSetSerializer.Meta.fields, "models"]
        read_only_fields = fields

    @extend_schema_field(ChangedModelSerializer(many=True))
    def get_models(self, change_set: ChangeSet) -> Any:
        told = stories.told(change_set, actor=actor_of(self.context["request"]))
        return ChangedModelSerializer(told, many=True).data


class EntrySerializer(serializers.Serializer[Any]):
    """What one change set did to one row and its parts."""

    change_set = serializers.IntegerField(
        source="change_set.pk", help_text="The change set; to be opened where `is_open` says so."
    )
    is_open = serializers.SerializerMethodField()
    at = serializers.DateTimeField(source="change_set.at")
    face = serializers.CharField(source="change_set.face")
    who = serializers.CharField()
    reason = serializers.CharField(source="change_set.reason")
    kind = serializers.ChoiceField(KINDS)
    lines = LineSerializer(many=True)

    def get_is_open(self, entry: stories.Entry) -> bool:
        return entry.change_set.pk in self.context.get("openable", set())


class StorySerializer(serializers.Serializer[Any]):
    """A page of a row's history, the latest first."""

    entries = EntrySerializer(many=True)
    older = serializers.IntegerField(
        allow_null=True,
        help_text="Given back as ?before=, the next page; null at the beginning of the story.",
    )


class UndoSerializer(serializers.Serializer[Any]):
    """Why something is undone."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")


def told_with(change_sets: list[ChangeSet], actor: User) -> dict[str, Any]:
    """Return what serializers of change sets need to know of all of them at once."""
    titles.attach(change_sets, actor=actor)
    words = Words(actor)
    for one in change_sets:
        stories.expect_who(words, one)
    return {"words": words, "undoable": undoable(change_sets, actor=actor)}
