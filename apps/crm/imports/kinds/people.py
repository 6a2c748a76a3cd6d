"""People, how to reach them, and where they work."""

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.kinds.columns import NOTES, OWNER, external_id
from apps.crm.imports.kinds.tags import TAGS, TaggedLoader
from apps.crm.imports.loading import Match
from apps.crm.imports.sql import run
from apps.crm.models import Company, ContactPoint, Employment, Person

_CONTACTS = {"email": "EMAIL", "phone": "PHONE", "telegram": "TELEGRAM"}


class PersonLoader(TaggedLoader):
    """Writes people with their contact points and their employment."""

    def refusing(self) -> list[type[models.Model]]:
        return [Person, ContactPoint, Employment]

    @property
    def contacts(self) -> dict[str, str]:
        return {key: kind for key, kind in _CONTACTS.items() if key in self.mapped}

    def matches(self) -> Mapping[str, Match]:
        found = {"external_id": self.external_match()}
        seen = "true" if self.sees_all else f"p.id in ({self.visible(Person, 'pk')})"
        for key, kind in self.contacts.items():
            found[key] = Match(
                f"r.data->>'{key}'",
                "select c.value, p.id, p.version, false from crm_contactpoint c join crm_person p on p.id = c.person_id"
                f" where c.kind = '{kind}' and c.archived_at is null and p.archived_at is null and {seen}",
            )
        return found

    def candidates(self, field: str) -> str:
        if field == "owner":
            return self.assignable()
        if field == "company":
            return f"select name, id from crm_company where archived_at is null and id in ({self.visible(Company, 'pk')})"
        return super().candidates(field)

    def expressions(self) -> dict[str, str]:
        found = super().expressions()
        if "owner" in self.mapped:
            found["owner_id"] = "ref_owner.target_id"
        return found

    def defaults(self) -> dict[str, str]:
        return super().defaults() | self.owner_defaults()

    def updates(self) -> dict[str, str]:
        return super().updates() | self.owner_updates()

    def changes(self) -> list[str]:
        conditions = super().changes()
        for key, kind in self.contacts.items():
            conditions.append(
                f"r.data ? '{key}' and not exists (select 1 from crm_contactpoint c where c.person_id = t.id"
                f" and c.kind = '{kind}' and c.value = r.data->>'{key}' and c.archived_at is null)"
            )
        if "company" in self.mapped:
            conditions.append(
                "ref_company.target_id is not null and not exists (select 1 from crm_employment e"
                " where e.person_id = t.id and e.company_id = ref_company.target_id)"
            )
        return conditions

    def check(self) -> None:
        super().check()
        for key, kind in self.contacts.items():
            self.refuse(
                "r.data ? '"
                + key
                + "' and exists (select 1 from crm_contactpoint c where c.archived_at is null"
                f" and c.kind = '{kind}' and c.value = r.data->>'{key}'"
                " and (r.verdict = 'C' or c.person_id is distinct from r.target_id))",
                key,
                "taken",
                f"r.data->>'{key}'",
            )

    def insert(self, first: int, last: int) -> None:
        super().insert(first, last)
        self._add_contacts(first, last, "C")
        self._add_employment(first, last, "C")

    def update(self, first: int, last: int) -> None:
        super().update(first, last)
        self._add_contacts(first, last, "U")
        self._add_employment(first, last, "U")

    def _add_contacts(self, first: int, last: int, verdict: str) -> None:
        """Write one kind after the other: each stands together in the index, where kinds in turn cost a sixth more."""
        for key, kind in self.contacts.items():
            value = f"r.data->>'{key}'"
            # A new person has nothing yet; a known one keeps what they have, and its primary one.
            is_primary, is_new = "true", "true"
            if verdict == "U":
                has = (
                    "select 1 from crm_contactpoint c where c.person_id = r.target_id and c.archived_at is null"
                    f" and c.kind = '{kind}'"
                )
                is_primary, is_new = (
                    f"not exists ({has} and c.is_primary)",
                    f"not exists ({has} and c.value = {value})",
                )
            run(
                "insert into crm_contactpoint (archived_at, person_id, company_id, kind, raw, value, is_primary)\n"
                f"select null, r.target_id, null, '{kind}', coalesce(r.data->>'{key}:raw', {value}), {value},"
                f" {is_primary}\nfrom crm_importrow r\n"
                f"where {self.rows(first, last, verdict)} and {value} is not null and {is_new}"
            )

    def _add_employment(self, first: int, last: int, verdict: str) -> None:
        if "company" in self.mapped:
            run(
                "insert into crm_employment (person_id, company_id, title, is_primary)\n"
                f"select r.target_id, ref_company.target_id, coalesce({self.value('job_title')}, ''),"
                " not exists (select 1 from crm_employment e where e.person_id = r.target_id and e.is_primary)\n"
                f"from {self.source()}\nwhere {self.rows(first, last, verdict)} and ref_company.target_id is not null"
                " on conflict (person_id, company_id) do nothing"
            )


def complete(data: dict[str, str]) -> tuple[str, str] | None:
    """Take a whole name apart where the file does not: the first word is the given name."""
    whole = data.pop("name", None)
    if whole is not None and "given_name" not in data:
        given, _space, family = whole.partition(" ")
        data["given_name"] = given[:100]
        if family and "family_name" not in data:
            data["family_name"] = family.strip()[:100]
    return None


PEOPLE = ImportKind(
    key="people",
    label=_("people"),
    model=Person,
    fields=(
        ImportField(
            "given_name",
            _("first name"),
            aliases=("first name", "given name", "firstname", "имя"),
            required=True,
            stands_in=("name",),
            max_length=100,
            column="given_name",
        ),
        ImportField(
            "family_name",
            _("last name"),
            aliases=("last name", "surname", "family name", "lastname", "фамилия"),
            max_length=100,
            column="family_name",
        ),
        ImportField(
            "name",
            _("whole name"),
            aliases=("full name", "contact", "contact name", "person", "фио", "контакт"),
            max_length=200,
        ),
        ImportField(
            "middle_name",
            _("middle name"),
            aliases=("patronymic", "отчество"),
            max_length=100,
            column="middle_name",
        ),
        ImportField(
            "job_title",
            pgettext_lazy("person", "position"),
            aliases=("title", "job title", "role", "должность"),
            max_length=150,
            column="job_title",
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
            "company",
            _("company"),
            FieldType.REFERENCE,
            aliases=("account", "company name", "organization", "компания", "организация"),
        ),
        OWNER,
        NOTES,
        TAGS,
        external_id("id", "contact id", "person id"),
    ),
    match_by=("external_id", "email", "phone", "telegram"),
    loader=PersonLoader,
    check=complete,
)
