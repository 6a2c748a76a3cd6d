"""Deals of the default pipeline, open and closed, with the product each is about and the step that brought it there."""

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.crm import events
from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.kinds.columns import NOTES, OWNER, external_id
from apps.crm.imports.kinds.tags import TAGS, TaggedLoader
from apps.crm.imports.loading import Match
from apps.crm.imports.sql import fetch, literal, run
from apps.crm.models import Company, Deal, DealLine, LostReason, Pipeline, Product, StageTransition
from apps.events.services import Fact, publish_many


class DealLoader(TaggedLoader):
    """
    Writes deals as the deal services would, a set at a time: state and stage agree, each step is in the history, and
    every deal's change is told.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.pipeline = Pipeline.objects.filter(is_default=True, archived_at=None).first()

    def refusing(self) -> list[type[models.Model]]:
        return [Deal, DealLine, StageTransition]

    def matches(self) -> Mapping[str, Match]:
        return {"external_id": self.external_match(), "number": self.named_match("number", "number")}

    def candidates(self, field: str) -> str:
        if field == "owner":
            return self.assignable()
        if field == "stage":
            return f"select name, id from crm_stage where pipeline_id = {self._pipeline_id}"
        if field == "lost_reason":
            return self.visible(LostReason, "name", "pk")
        if field in {"company", "product"}:
            model = Company if field == "company" else Product
            table = model._meta.db_table
            return f"select name, id from {table} where archived_at is null and id in ({self.visible(model, 'pk')})"
        return super().candidates(field)

    @property
    def _pipeline_id(self) -> int:
        return self.pipeline.pk if self.pipeline else 0

    def joins(self) -> str:
        """Join the stage that the file names."""
        return "left join crm_stage st on st.id = ref_stage.target_id" if "stage" in self.mapped else ""

    # Dates in files have no time: they are noon where the actor is, so that no time zone makes another day of them.
    def _at(self, key: str) -> str:
        return f"(({self.value(key, 'date')} + time '12:00') at time zone {self.zone})"

    def _is_kind(self, *kinds: str) -> str:
        if "stage" not in self.mapped:
            return "true" if kinds == ("OPEN",) else "false"
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        return f"coalesce(st.kind, 'OPEN') in ({listed})"

    def expressions(self) -> dict[str, str]:
        found = super().expressions()
        if "company" in self.mapped:
            found["company_id"] = "ref_company.target_id"
        if "owner" in self.mapped:
            found["owner_id"] = "ref_owner.target_id"
        if "stage" in self.mapped:
            found |= {"stage_id": "st.id"}
        return found

    def defaults(self) -> dict[str, str]:
        first = (
            f"(select id from crm_stage where pipeline_id = {self._pipeline_id} and kind = 'OPEN'"
            " order by position limit 1)"
        )
        has_stage = "stage" in self.mapped
        closed = f"case when {self._is_kind('WON', 'LOST')} then {self._at('closed_date')} end"
        opened = f"coalesce({self.value('opened_date', 'date')}, {self.value('closed_date', 'date')}, current_date)"
        begun = f"least(coalesce({closed}, {self._at('opened_date')}, now()), now())"
        unknown = "(select id from crm_lostreason where is_unknown)"
        owner = str(self.actor.pk)
        given_owner = f"coalesce(ref_owner.target_id, {owner})" if "owner" in self.mapped else owner
        return super().defaults() | {
            "title": self._title(),
            "pipeline_id": str(self._pipeline_id),
            "stage_id": first,
            "status": "coalesce(st.kind, 'OPEN')" if has_stage else "'OPEN'",
            "probability": (
                f"coalesce(st.probability, (select probability from crm_stage where id = {first}))"
                if has_stage
                else f"(select probability from crm_stage where id = {first})"
            ),
            "currency": literal(self.batch.options["currency"]),
            "opened_date": opened,
            "closed_at": closed,
            "lost_reason_id": f"case when {self._is_kind('LOST')} then coalesce({self._lost_reason()}, {unknown}) end",
            "stage_entered_at": begun,
            "owner_id": owner,
            "team_id": self.team_of(given_owner) if "owner" in self.mapped else self.fixed_team,
        }

    def _lost_reason(self) -> str:
        return "ref_lost_reason.target_id" if "lost_reason" in self.mapped else "null::bigint"

    def _title(self) -> str:
        """Name a deal after its product and company where the file has no title."""
        company = (
            "(select name from crm_company where id = ref_company.target_id)"
            if "company" in self.mapped
            else "null"
        )
        product = (
            "(select name from crm_product where id = ref_product.target_id)"
            if "product" in self.mapped
            else "null"
        )
        return (
            f"coalesce(left(nullif(concat_ws(' · ', {product}, {company}), ''), 200),"
            f" {self.value('external_id')}, {literal(str(_('Deal')))})"
        )

    def changes(self) -> list[str]:
        conditions = super().changes()
        if "closed_date" in self.mapped:
            conditions.append(
                f"r.data ? 'closed_date' and (t.closed_at at time zone {self.zone})::date"
                f" is distinct from {self.value('closed_date', 'date')}"
            )
        if "lost_reason" in self.mapped:
            conditions.append(
                "ref_lost_reason.target_id is not null and ref_lost_reason.target_id is distinct from t.lost_reason_id"
            )
        if "product" in self.mapped:
            conditions.append(
                "ref_product.target_id is not null and not exists (select 1 from crm_dealline l"
                " where l.deal_id = t.id and l.product_id = ref_product.target_id)"
            )
        return conditions

    def updates(self) -> dict[str, str]:
        updates = super().updates() | self.owner_updates()
        closed = f"coalesce({self._at('closed_date')}, t.closed_at)"
        unknown = "(select id from crm_lostreason where is_unknown)"
        if "stage" in self.mapped:
            updates |= {
                "status": "coalesce(st.kind, t.status)",
                "probability": (
                    "case when st.id is distinct from t.stage_id then coalesce(st.probability, t.probability)"
                    " else t.probability end"
                ),
                "closed_at": f"case when coalesce(st.kind, t.status) <> 'OPEN' then {closed} end",
                "lost_reason_id": (
                    "case when coalesce(st.kind, t.status) = 'LOST'"
                    f" then coalesce({self._lost_reason()}, t.lost_reason_id, {unknown}) end"
                ),
                "stage_entered_at": (
                    "case when st.id is distinct from t.stage_id and st.id is not null"
                    f" then {self._moved_at()} else t.stage_entered_at end"
                ),
            }
        else:
            updates |= {"closed_at": f"case when t.status <> 'OPEN' then {closed} end"}
        return updates

    def _moved_at(self) -> str:
        """Return when a known deal came into the stage that the file names: never before it entered the last one."""
        at = f"coalesce({self._at('closed_date')}, now())" if "closed_date" in self.mapped else "now()"
        return f"greatest(least({at}, now()), t.stage_entered_at)"

    def check(self) -> None:
        super().check()
        kind = (
            "coalesce(st.kind, t.status, 'OPEN')" if "stage" in self.mapped else "coalesce(t.status, 'OPEN')"
        )
        closed = self.value("closed_date", "date")
        self.refuse(
            f"{kind} <> 'OPEN' and {closed} is null and (t.id is null or t.closed_at is null)",
            "closed_date",
            "closed_date_missing",
        )
        self.refuse(
            f"{kind} = 'OPEN' and {closed} is not null",
            "closed_date",
            "closed_date_of_open",
            f"{closed}::text",
        )
        opened = f"coalesce({self.value('opened_date', 'date')}, t.opened_date)"
        self.refuse(f"{closed} < {opened}", "closed_date", "closed_before_opened", f"{closed}::text")
        if "lost_reason" in self.mapped:
            self.refuse(
                f"{kind} <> 'LOST' and {self._lost_reason()} is not null",
                "lost_reason",
                "lost_reason_not_lost",
            )
        if "amount" in self.mapped:
            amount = self.value("amount", "numeric")
            self.refuse(
                f"t.amount_mode <> 'MANUAL' and {amount} is distinct from t.amount and {amount} is not null",
                "amount",
                "amount_follows",
                f"{amount}::text",
            )
        if "owner" in self.mapped:
            gives = "ref_owner.target_id is not null and ref_owner.target_id is distinct from t.owner_id"
            self.refuse_beyond("assign", gives, "owner", "not_assignable", "ref_owner.value")
        self._check_steps()

    def _check_steps(self) -> None:
        """Refuse steps that the actor may not take by hand either."""
        if "stage" not in self.mapped:
            return
        for action, kind in [("win", "WON"), ("lose", "LOST"), ("move", "OPEN")]:
            if not access.can_any(self.actor, action, Deal):
                moves = (
                    "st.id is distinct from t.stage_id"
                    if kind != "OPEN"
                    else "t.id is not null and st.id <> t.stage_id"
                )
                self.refuse(f"st.kind = '{kind}' and {moves}", "stage", "stage_not_allowed", "st.name")
            moved = f"st.kind = '{kind}' and st.id <> t.stage_id"
            self.refuse_beyond(action, moved, "stage", "stage_not_allowed", "st.name")
        reopened = "st.kind = 'OPEN' and t.status <> 'OPEN'"
        self.refuse_beyond("reopen", reopened, "stage", "stage_not_allowed", "st.name")

    def insert(self, first: int, last: int) -> None:
        super().insert(first, last)
        rows = self.rows(first, last, "C")
        run(
            "insert into crm_stagetransition"
            " (deal_id, from_stage_id, to_stage_id, at, actor_id, face, reason, seconds_in_stage, amount)\n"
            f"select d.id, null, d.stage_id, d.stage_entered_at, {self.actor.pk}, 'IMPORT', '', null, d.amount"
            f" from crm_importrow r join crm_deal d on d.id = r.target_id where {rows} order by r.line"
        )
        self._add_lines(first, last, "C")
        self._tell(events.DEAL_CREATED, rows)

    def update(self, first: int, last: int) -> None:
        rows = self.rows(first, last, "U")
        if "stage" in self.mapped:
            at = self._moved_at()
            run(
                "insert into crm_stagetransition"
                " (deal_id, from_stage_id, to_stage_id, at, actor_id, face, reason, seconds_in_stage, amount)\n"
                f"select t.id, t.stage_id, st.id, {at}, {self.actor.pk}, 'IMPORT', '',"
                f" extract(epoch from {at} - t.stage_entered_at)::bigint,"
                f" coalesce({self.value('amount', 'numeric')}, t.amount)"
                f" from {self.changed_with_known(first, last)}\nwhere st.id <> t.stage_id order by r.line"
            )
        super().update(first, last)
        self._add_lines(first, last, "U")
        self._tell(events.DEAL_CHANGED, rows)

    def _add_lines(self, first: int, last: int, verdict: str) -> None:
        if "product" not in self.mapped:
            return
        quantity = f"coalesce({self.value('quantity', 'numeric')}, 1)"
        run(
            "insert into crm_dealline"
            " (deal_id, product_id, quantity, unit_price, unit, tax_rate, price_source, position)\n"
            f"select r.target_id, ref_product.target_id, {quantity}, p.price, p.unit, p.tax_rate,"
            " case when p.price is null then 'MANUAL' else 'LIST' end,"
            " (select count(*) from crm_dealline l where l.deal_id = r.target_id)\n"
            f"from {self.source()} join crm_product p on p.id = ref_product.target_id\n"
            f"where {self.rows(first, last, verdict)} and not exists (select 1 from crm_dealline l"
            " where l.deal_id = r.target_id and l.product_id = ref_product.target_id) order by r.line"
        )

    def _tell(self, fact: Fact, rows: str) -> None:
        """Tell a fact of each deal of the rows, in slices that keep memory flat."""
        ids = [pk for (pk,) in fetch(f"select r.target_id from crm_importrow r where {rows} order by r.line")]
        for start in range(0, len(ids), 1000):
            publish_many(fact, events.deal_snapshots(ids[start : start + 1000]), actor_id=self.actor.pk)


DEALS = ImportKind(
    key="deals",
    label=_("deals"),
    model=Deal,
    fields=(
        external_id("opportunity id", "deal id", "id", "opportunity"),
        ImportField(
            "number",
            _("number"),
            aliases=("deal number", "номер", "номер сделки"),
            max_length=20,
            matches=True,
            unique=True,
        ),
        ImportField(
            "title",
            _("title"),
            aliases=("deal", "deal name", "opportunity name", "name", "сделка", "название"),
            column="title",
        ),
        ImportField(
            "company",
            _("company"),
            FieldType.REFERENCE,
            aliases=("account", "company name", "customer", "client", "компания", "клиент", "контрагент"),
        ),
        OWNER,
        ImportField(
            "product", _("product"), FieldType.REFERENCE, aliases=("item", "товар", "продукт", "услуга")
        ),
        ImportField(
            "quantity",
            _("quantity"),
            FieldType.DECIMAL,
            aliases=("qty", "количество", "кол-во"),
            max_length=9,
            cast="numeric",
        ),
        ImportField(
            "stage",
            _("stage"),
            FieldType.REFERENCE,
            aliases=("deal stage", "status", "pipeline stage", "стадия", "этап", "статус"),
        ),
        ImportField(
            "amount",
            _("amount"),
            FieldType.DECIMAL,
            aliases=("close value", "value", "deal value", "sum", "total", "сумма", "стоимость"),
            max_length=16,
            column="amount",
            cast="numeric(18,2)",
        ),
        ImportField(
            "currency",
            _("currency"),
            FieldType.CURRENCY,
            aliases=("currency code", "валюта"),
            column="currency",
        ),
        ImportField(
            "opened_date",
            _("opened"),
            FieldType.DATE,
            aliases=(
                "engage date",
                "created",
                "created date",
                "open date",
                "start date",
                "дата создания",
                "открыта",
            ),
            column="opened_date",
            cast="date",
        ),
        ImportField(
            "expected_close_date",
            _("expected close"),
            FieldType.DATE,
            aliases=("expected close date", "due date", "ожидаемое закрытие", "план закрытия"),
            column="expected_close_date",
            cast="date",
        ),
        ImportField(
            "closed_date",
            _("closed"),
            FieldType.DATE,
            aliases=("close date", "closed date", "won date", "end date", "дата закрытия", "закрыта"),
            cast="date",
        ),
        ImportField(
            "lost_reason",
            _("lost reason"),
            FieldType.REFERENCE,
            aliases=("loss reason", "reason", "причина отказа", "причина проигрыша"),
        ),
        ImportField("next_step", _("next step"), aliases=("следующий шаг",), column="next_step"),
        NOTES,
        TAGS,
    ),
    match_by=("external_id", "number"),
    loader=DealLoader,
)
