"""
How a kind's staged rows are decided and written: what each kind says of itself, and the statements all kinds share.

A row is `r` (crm_importrow), the known row it meets is `t`, the value of a reference field is joined as
`ref_<field>`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import models

from apps.accounts import access
from apps.accounts.models import Membership, User
from apps.common.models import Archivable
from apps.crm.imports.custom import NAMES, values_of
from apps.crm.imports.sql import default_of, fetch, inline, literal, run
from apps.crm.models import ImportBatch

if TYPE_CHECKING:
    from apps.crm.imports.fields import ImportField, ImportKind


@dataclass(frozen=True)
class Match:
    """
    One way in which rows are recognized.

    :param key: SQL over `r`; null where the row has no such value
    :param candidates: a query of (key, id, version, is_archived)
    """

    key: str
    candidates: str


class Loader:
    """Decides and writes the rows of one batch; subclassed by each kind."""

    def __init__(self, batch: ImportBatch, kind: "ImportKind") -> None:
        self.batch = batch
        self.kind = kind
        self.actor: User = batch.updated_by or batch.owner
        self.mapped = set(batch.mapping.values())
        # The parser makes these of a whole name.
        if "name" in self.mapped and "name" in kind.by_key.get("given_name", _NO_FIELD).stands_in:
            self.mapped |= {"given_name", "family_name"}

    # What a kind says of itself.

    def candidates(self, field: str) -> str:
        """Return a query of (name, id) for a reference field, of what the actor may see or give."""
        further = self.kind.by_key[field]
        if not further.custom:
            raise NotImplementedError(field)
        model = apps.get_model(further.target)
        rows = model._base_manager.filter(access.scope(self.actor, "view", model))
        if issubclass(model, Archivable):
            rows = rows.filter(archived_at=None)
        names = NAMES[further.target]
        return " union ".join(
            inline(rows.exclude(**{f"{name}__isnull": True}).order_by().values(name, "pk")) for name in names
        )

    def matches(self) -> Mapping[str, Match]:
        """Return how rows are recognized by each field that can."""
        return {}

    def expressions(self) -> dict[str, str]:
        """Return {column: SQL over `r`} for what the file fills; null leaves a known row's value alone."""
        found = {}
        for field in self.kind.fields:
            if field.column and field.key in self.mapped:
                found[field.column] = (
                    f"ref_{field.key}.target_id" if field.is_reference else self.value(field.key, field.cast)
                )
        return found

    def defaults(self) -> dict[str, str]:
        """Return {column: SQL over `r`} for what new rows have where the file says nothing."""
        stamps = {"created_by_id": str(self.actor.pk), "updated_by_id": str(self.actor.pk)}
        if "external_id" in self.mapped:
            stamps["external_source"] = (
                f"case when r.data ? 'external_id' then {literal(self.batch.source)} else '' end"
            )
        if self.further:
            stamps["custom"] = values_of(self.further)
        return stamps

    def changes(self) -> list[str]:
        """Return conditions over `r` and `t`, of which any means that the row changes the known one."""
        further = [f"not t.custom @> {values_of(self.further)}"] if self.further else []
        return [
            *(
                f"{value} is not null and {value} is distinct from t.{column}"
                for column, value in self.expressions().items()
            ),
            *further,
        ]

    def joins(self) -> str:
        """Return further joins that expressions need."""
        return ""

    def check(self) -> None:
        """Find what else is wrong, once references and known rows are decided."""

    def prepare(self) -> None:
        """Create what rows refer to and the person asked to be created; runs before the first rows are written."""

    def insert(self, first: int, last: int) -> None:
        """Write the new rows between two lines."""
        run(self.insert_statement(first, last))

    def update(self, first: int, last: int) -> None:
        """Write the changed rows between two lines."""
        run(self.update_statement(first, last))

    def insist(self, first: int, last: int) -> None:
        """
        Insist that the rows just written are within the actor's reach, as every other face does.

        :raises PermissionDenied: one was given away, or to a team that is beyond them
        """
        for verdict, action in (("C", "add"), ("U", "change")):
            if access.reaches_all(self.actor, action, self.kind.model):
                continue
            within = self.visible(self.kind.model, "pk", action=action)
            beyond = (
                f"select 1 from crm_importrow r where {self.rows(first, last, verdict)}"
                f" and not exists (select 1 from ({within}) within (id) where within.id = r.target_id) limit 1"
            )
            if fetch(beyond):
                raise PermissionDenied

    def finish(self, first: int, last: int) -> None:
        """Write what rows between two lines say of each other, once all are there."""

    has_finish = False

    def refusing(self) -> list[type[models.Model]]:
        """Return the models whose constraints may refuse a row."""
        return [self.kind.model]

    # What all kinds share.

    def value(self, key: str, cast: str = "text") -> str:
        """Return a field's value as SQL; null where it is not mapped."""
        if key not in self.mapped:
            return f"null::{cast}"
        return f"r.data->>'{key}'" if cast == "text" else f"(r.data->>'{key}')::{cast}"

    @cached_property
    def table(self) -> str:
        return self.kind.model._meta.db_table

    @cached_property
    def further(self) -> "list[ImportField]":
        """The further fields that the file fills, whose values stand in one column."""
        return [field for field in self.kind.fields if field.custom and field.key in self.mapped]

    @property
    def reference_fields(self) -> list[str]:
        return [field.key for field in self.kind.fields if field.is_reference and field.key in self.mapped]

    @cached_property
    def can_change_all(self) -> bool:
        return bool(access.scope(self.actor, "change", self.kind.model) == access.EVERYTHING)

    def visible(self, model: type[models.Model], *columns: str, action: str = "view") -> str:
        """Return a query of columns of the rows that the actor may see, or change: not those only shared with them."""
        is_read = action == "view"
        condition = (access.scope if is_read else access.scope_by_role)(self.actor, action, model)
        return inline(model._base_manager.filter(condition).order_by().values(*columns))

    def source(self) -> str:
        """Return the staged rows with their references, to select from."""
        tables = ["crm_importrow r"]
        for key in self.reference_fields:
            if self.kind.by_key[key].type != "references":
                tables.append(
                    f"left join crm_importreference ref_{key} on ref_{key}.batch_id = {self.batch.pk}"
                    f" and ref_{key}.field = '{key}' and ref_{key}.key = upper(r.data->>'{key}')"
                )
        return "\n".join([*tables, self.joins()])

    def rows(self, first: int, last: int, verdicts: str) -> str:
        """Return the condition for rows of the batch between two lines that have one of the verdicts ("CU")."""
        listed = ", ".join(f"'{verdict}'" for verdict in verdicts)
        return (
            f"r.batch_id = {self.batch.pk} and r.line between {first} and {last} and r.verdict in ({listed})"
        )

    def insert_statement(self, first: int, last: int) -> str:
        given, defaults = self.expressions(), self.defaults()
        columns = {"id": "r.target_id"}
        for field in self.kind.model._meta.concrete_fields:
            name = str(field.column)
            default = defaults.get(name) or default_of(field)
            if name in given and default not in (None, "NULL"):
                columns[name] = f"coalesce({given[name]}, {default})"
            elif name in given:
                columns[name] = given[name]
            elif default is not None:
                columns[name] = default
        return (
            f"insert into {self.table} ({', '.join(columns)})\nselect {', '.join(columns.values())}\n"
            f"from {self.source()}\nwhere {self.rows(first, last, 'C')} order by r.line"
        )

    def update_statement(self, first: int, last: int) -> str:
        """Return the statement; the table's rows are joined inside a subquery, where left joins can reach them."""
        updates = self.updates()
        names = ", ".join(updates)
        values = ", ".join(f"{value} as {column}" for column, value in updates.items())
        sets = ", ".join(f"{column} = n.{column}" for column in updates)
        return (
            (
                f"with n as (select t.id as target, {values}\nfrom {self.changed_with_known(first, last)})\n"
                f"update {self.table} k set {sets}, version = k.version + 1,"
                f" updated_at = now(), updated_by_id = {self.actor.pk}\nfrom n where k.id = n.target"
            )
            if names
            else ""
        )

    def updates(self) -> dict[str, str]:
        """Return {column: SQL over `r` and `t`} for known rows."""
        further = {"custom": f"t.custom || {values_of(self.further)}"} if self.further else {}
        return {
            column: f"coalesce({value}, t.{column})" for column, value in self.expressions().items()
        } | further

    def source_with_known(self) -> str:
        """Return the staged rows with the known rows they meet."""
        return self._with_known("crm_importrow r")

    def changed_with_known(self, first: int, last: int) -> str:
        """
        Return the changed rows between two lines, with the known rows they meet.

        They are selected first, behind a fence: verdicts are younger than the planner's statistics, and it would look
        for the one changed row that it expects in all lines again for each known row.
        """
        return self._with_known(
            f"(select r.* from crm_importrow r where {self.rows(first, last, 'U')} offset 0) r"
        )

    def _with_known(self, rows: str) -> str:
        _head, _newline, rest = self.source().partition("\n")
        return f"{rows} join {self.table} t on t.id = r.target_id\n{rest}"

    # Owners

    def assignable(self) -> str:
        """Return a query of (name, id) of the users to whom the actor may give rows of this kind."""
        users = User.objects.filter(is_active=True)
        model = self.kind.model
        actions = {name.split("_")[0] for name, _label in model._meta.permissions}
        action = "assign" if "assign" in actions else "change"
        reaches = access.grants_of(self.actor).get(access.permission_of(action, model))
        if not self.actor.is_superuser and not (reaches and reaches.is_all):
            teams = reaches.team_ids if reaches else set()
            inside = Membership.objects.filter(team__in=teams).values("user")
            users = users.filter(models.Q(pk=self.actor.pk) | models.Q(pk__in=inside))
        names = inline(users.order_by().values("name", "pk"))
        emails = inline(users.exclude(email=None).order_by().values("email", "pk"))
        return f"{names} union {emails}"

    def team_of(self, owner: str) -> str:
        """Return SQL for the team whose work an owner's rows are."""
        return (
            f"(select m.team_id from accounts_membership m where m.user_id = {owner} order by m.id limit 1)"
        )

    def owner_defaults(self) -> dict[str, str]:
        """Return owner and team of new rows: those that are named, else the actor unless they see everything anyway."""
        own = str(self.actor.pk) if not self.actor.is_superuser else "null::bigint"
        if "owner" in self.mapped:
            owner = f"coalesce(ref_owner.target_id, {own})"
            return {"owner_id": own, "team_id": self.team_of(owner)}
        return {
            "owner_id": own,
            "team_id": self.fixed_team if not self.actor.is_superuser else "null::bigint",
        }

    @cached_property
    def fixed_team(self) -> str:
        team = fetch(f"select {self.team_of(str(self.actor.pk))}")[0][0]
        return literal(team) if team is not None else "null::bigint"

    def owner_updates(self) -> dict[str, str]:
        """Return the team of known rows, which follows a change of owner."""
        if "owner" not in self.mapped:
            return {}
        return {
            "team_id": (
                "case when ref_owner.target_id is not null and ref_owner.target_id is distinct from t.owner_id"
                f" then {self.team_of('ref_owner.target_id')} else t.team_id end"
            )
        }

    def refuse(
        self, where: str, field: str, code: str, value: str = "''", params: str = "null::jsonb"
    ) -> int:
        """
        Give every row under a condition an error; conditions see `r`, `t` (the known row, if any) and references.

        :return: how many rows
        """
        error = (
            f"jsonb_strip_nulls(jsonb_build_object('field', {literal(field)}::text, 'code', {literal(code)}::text,"
            f" 'value', {value}, 'params', {params}))"
        )
        source = self.source()
        head, _newline, rest = source.partition("\n")
        return run(
            f"with wrong as (select r.line, {error} as error from {head}"
            f" left join {self.table} t on t.id = r.target_id and r.verdict in ('U', 'S')\n{rest}\n"
            f"where r.batch_id = {self.batch.pk} and r.verdict in ('C', 'U') and ({where}))\n"
            f"update crm_importrow r set verdict = 'E', errors = coalesce(r.errors, '[]') || wrong.error"
            f" from wrong where r.batch_id = {self.batch.pk} and r.line = wrong.line"
        )

    def refuse_beyond(self, action: str, where: str, field: str, code: str, value: str) -> None:
        """Refuse rows that under a condition do `action` to a known row to which the actor may not do it."""
        if not access.reaches_all(self.actor, action, self.kind.model):
            within = self.visible(self.kind.model, "pk", action=action)
            self.refuse(f"t.id is not null and t.id not in ({within}) and ({where})", field, code, value)

    def named_match(
        self, column: str, field: str, table: str | None = None, condition: str = "true"
    ) -> Match:
        """Recognize rows by a column, regardless of case, among rows that are not in the trash."""
        visible = self.visible(self.kind.model, "pk")
        table = table or self.table
        return Match(
            f"upper(r.data->>'{field}')",
            f"select upper({column}), id, version, false from {table}"
            f" where archived_at is null and {condition} and {_within(visible, self.sees_all)}",
        )

    def external_match(self) -> Match:
        """Recognize rows by the id under which the source knows them; also what is in the trash, for it keeps its id."""
        visible = self.visible(self.kind.model, "pk")
        return Match(
            "r.data->>'external_id'",
            f"select external_id, id, version, archived_at is not null from {self.table}"
            f" where external_source = {literal(self.batch.source)} and external_id <> ''"
            f" and {_within(visible, self.sees_all)}",
        )

    @cached_property
    def sees_all(self) -> bool:
        return bool(access.scope(self.actor, "view", self.kind.model) == access.EVERYTHING)

    @property
    def zone(self) -> str:
        return literal(self.actor.time_zone or settings.TIME_ZONE)

    def create_missing(self) -> Iterable[str]:
        """Return the reference fields whose unknown values the person asked to create."""
        return [key for key in self.batch.options.get("create_missing", []) if key in self.reference_fields]

    def may_create(self, field: str) -> bool:
        """Tell whether the actor may create unknown values of a reference field."""
        return False


def _within(query: str, is_all: bool) -> str:  # noqa: FBT001 - private, called in two places
    return "true" if is_all else f"id in ({query})"


class _NoField:
    stands_in: tuple[str, ...] = ()


_NO_FIELD: Any = _NoField()
