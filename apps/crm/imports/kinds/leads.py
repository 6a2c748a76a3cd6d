"""Leads from other systems: those that are reached by the same as an open one are that one."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.kinds.columns import OWNER, external_id
from apps.crm.imports.kinds.tags import TAGS, TaggedLoader
from apps.crm.imports.loading import Match
from apps.crm.imports.sql import literal
from apps.crm.models import Lead, Source

_CONTACTS = ("email", "phone", "telegram")


class LeadLoader(TaggedLoader):
    """Writes leads with their contacts, as written and in the forms that compare."""

    @property
    def contacts(self) -> list[str]:
        return [key for key in _CONTACTS if key in self.mapped]

    def matches(self) -> Mapping[str, Match]:
        found = {"external_id": self.external_match()}
        seen = "true" if self.sees_all else f"id in ({self.visible(Lead, 'pk')})"
        for key in self.contacts:
            found[key] = Match(
                f"r.data->>'{key}'",
                f"select {key}_value, id, version, false from crm_lead where {key}_value <> ''"
                f" and status in ('NEW', 'WORKING') and archived_at is null and {seen}",
            )
        return found

    def candidates(self, field: str) -> str:
        if field == "owner":
            return self.assignable()
        if field == "source":
            return self.visible(Source, "name", "pk")
        return super().candidates(field)

    def expressions(self) -> dict[str, str]:
        found = super().expressions()
        for key in self.contacts:
            found[f"{key}_value"] = self.value(key)
            found[key] = f"coalesce(r.data->>'{key}:raw', {self.value(key)})"
        for key in ("owner", "source"):
            if key in self.mapped:
                found[f"{key}_id"] = f"ref_{key}.target_id"
        return found

    def defaults(self) -> dict[str, str]:
        because = literal('{"by": "import"}')
        assigned = {"assigned_at": "now()", "assigned_because": f"{because}::jsonb"}
        return super().defaults() | self.owner_defaults() | assigned

    def changes(self) -> list[str]:
        # Another way of writing the same contact is no change.
        raw = {f"t.{key}" for key in self.contacts}
        return [change for change in super().changes() if change.rsplit(" ", 1)[-1] not in raw]

    def updates(self) -> dict[str, str]:
        found = super().updates()
        for key in self.contacts:
            found[key] = (
                f"case when {self.value(key)} is distinct from t.{key}_value"
                f" then coalesce({self.expressions()[key]}, t.{key}) else t.{key} end"
            )
        return found | self.owner_updates()

    def check(self) -> None:
        super().check()
        # Of a known lead the decision stands: an import neither opens it again nor changes what it became.
        self.refuse("t.id is not null and t.status in ('QUALIFIED', 'DISQUALIFIED')", "", "lead_decided")
        if "owner" in self.mapped:
            changes = "ref_owner.target_id is not null and ref_owner.target_id is distinct from t.owner_id"
            self.refuse_beyond("assign", changes, "owner", "not_assignable", "ref_owner.value")


LEADS = ImportKind(
    key="leads",
    label=_("leads"),
    model=Lead,
    fields=(
        ImportField(
            "name",
            pgettext_lazy("person", "name"),
            aliases=(
                "full name",
                "contact",
                "contact name",
                "lead",
                "lead name",
                "фио",
                "имя",
                "контакт",
                "лид",
            ),
            required=True,
            stands_in=("company_name", *_CONTACTS),
            column="name",
        ),
        ImportField(
            "company_name",
            _("company"),
            aliases=("company", "company name", "account", "organization", "компания", "организация"),
            column="company_name",
        ),
        ImportField(
            "email",
            _("e-mail"),
            FieldType.EMAIL,
            aliases=("e-mail", "mail", "email address", "почта", "электронная почта", "эл. почта"),
            matches=True,
            unique=True,
        ),
        ImportField(
            "phone",
            _("phone"),
            FieldType.PHONE,
            aliases=("telephone", "mobile", "phone number", "tel", "телефон", "моб. телефон"),
            matches=True,
            unique=True,
        ),
        ImportField(
            "telegram",
            _("Telegram"),
            FieldType.TELEGRAM,
            aliases=("телеграм", "tg"),
            matches=True,
            unique=True,
        ),
        ImportField(
            "message",
            _("message"),
            FieldType.LONG_TEXT,
            aliases=(
                "description",
                "comment",
                "note",
                "notes",
                "inquiry",
                "сообщение",
                "комментарий",
                "описание",
            ),
            column="message",
        ),
        ImportField("country", _("country"), aliases=("страна",), max_length=100, column="country"),
        ImportField(
            "language", _("language"), aliases=("locale", "lang", "язык"), max_length=8, column="language"
        ),
        ImportField(
            "source",
            pgettext_lazy("lead", "source"),
            FieldType.REFERENCE,
            aliases=("lead source", "channel", "campaign", "источник", "канал"),
        ),
        ImportField(
            "next_step",
            _("next step"),
            aliases=("next action", "следующий шаг"),
            column="next_step",
        ),
        ImportField(
            "next_step_date",
            _("next step on"),
            FieldType.DATE,
            aliases=("next step date", "дата следующего шага"),
            column="next_step_date",
            cast="date",
        ),
        OWNER,
        TAGS,
        external_id("id", "lead id"),
    ),
    match_by=("external_id", "email", "phone", "telegram"),
    loader=LeadLoader,
)
