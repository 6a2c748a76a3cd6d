"""The words that companies, people and deals are marked with."""

from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.crm.imports.fields import FieldType, ImportField
from apps.crm.imports.loading import Loader
from apps.crm.imports.sql import run
from apps.crm.models import Tag

TAGS = ImportField(
    "tags",
    _("tags"),
    FieldType.REFERENCES,
    aliases=("tag", "labels", "label", "теги", "метки", "тег"),
    creatable=True,
)


class TaggedLoader(Loader):
    """Adds tags to what it writes; tags that a known row has already stay."""

    @property
    def tag_column(self) -> str:
        return f"{self.kind.model._meta.model_name}_id"

    def candidates(self, field: str) -> str:
        if field == "tags":
            return self.visible(Tag, "name", "pk")
        return super().candidates(field)

    def may_create(self, field: str) -> bool:
        return field == "tags" and access.can_any(self.actor, "add", Tag)

    def prepare(self) -> None:
        super().prepare()
        if "tags" in self.create_missing() and self.may_create("tags"):
            missing = f"batch_id = {self.batch.pk} and field = 'tags' and target_id is null and code = ''"
            run(
                "insert into crm_tag (created_at, created_by_id, updated_at, updated_by_id, name, color)"
                f" select now(), {self.actor.pk}, now(), {self.actor.pk}, left(value, 64), ''"
                f" from crm_importreference where {missing} on conflict do nothing"
            )
            run(
                "update crm_importreference ref set target_id = tag.id from crm_tag tag"
                f" where upper(tag.name) = left(ref.key, 64) and ref.{missing}"
            )

    def changes(self) -> list[str]:
        if "tags" not in self.mapped:
            return super().changes()
        is_new = (
            f"exists (select 1 from {self._wanted_tags('r.data')} and not exists (select 1 from {self.table}_tags h"
            f" where h.{self.tag_column} = t.id and h.tag_id = ref.target_id))"
        )
        return [*super().changes(), is_new]

    def insert(self, first: int, last: int) -> None:
        super().insert(first, last)
        self._add_tags(first, last, "C")

    def update(self, first: int, last: int) -> None:
        super().update(first, last)
        self._add_tags(first, last, "U")

    def _add_tags(self, first: int, last: int, verdict: str) -> None:
        if "tags" in self.mapped:
            run(
                f"insert into {self.table}_tags ({self.tag_column}, tag_id) select distinct r.target_id, ref.target_id"
                f" from crm_importrow r, {self._wanted_tags('r.data')}"
                f" and {self.rows(first, last, verdict)} on conflict do nothing"
            )

    def _wanted_tags(self, data: str) -> str:
        return (
            f"crm_importreference ref where ref.batch_id = {self.batch.pk} and ref.field = 'tags'"
            f" and ref.key = any(string_to_array(upper({data}->>'tags'), ', '))"
        )
