"""Companies, with the companies that they are part of, which may come later in the same file."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.kinds.columns import NOTES, OWNER, external_id
from apps.crm.imports.kinds.tags import TAGS, TaggedLoader
from apps.crm.imports.loading import Match
from apps.crm.imports.sql import fetch, run
from apps.crm.models import Company, ImportBatch
from apps.crm.tax_numbers import is_plausible

_ODD_TAX_IDS = "odd_tax_ids"


class CompanyLoader(TaggedLoader):
    """Writes companies in two passes: the rows, then which is part of which."""

    @property
    def has_finish(self) -> bool:  # type: ignore[override]
        return "parent" in self.mapped

    def matches(self) -> Mapping[str, Match]:
        return {
            "external_id": self.external_match(),
            "tax_id": self.named_match("tax_id", "tax_id", condition="tax_id <> ''"),
            "domain": self.named_match("domain", "domain", condition="domain <> ''"),
            "name": self.named_match("name", "name"),
        }

    def candidates(self, field: str) -> str:
        if field == "owner":
            return self.assignable()
        if field == "parent":
            # Rows of this file count, new ones under the ids that are kept for them.
            return (
                f"select name, id from crm_company where archived_at is null and id in ({self.visible(Company, 'pk')})"
                " union select r.data->>'name', r.target_id from crm_importrow r"
                f" where r.batch_id = {self.batch.pk} and r.verdict in ('C', 'U')"
            )
        return super().candidates(field)

    def expressions(self) -> dict[str, str]:
        found = super().expressions()
        if "owner" in self.mapped:
            found["owner_id"] = "ref_owner.target_id"
        return found

    def defaults(self) -> dict[str, str]:
        return super().defaults() | self.owner_defaults()

    def changes(self) -> list[str]:
        parent = ["ref_parent.target_id is not null and ref_parent.target_id is distinct from t.parent_id"]
        return super().changes() + (parent if "parent" in self.mapped else [])

    def updates(self) -> dict[str, str]:
        return super().updates() | self.owner_updates()

    def check(self) -> None:
        super().check()
        self._notice_tax_ids()
        if "parent" not in self.mapped:
            return
        self.refuse("ref_parent.target_id = r.target_id", "parent", "parent_itself", "ref_parent.value")
        # A row whose parent row has errors would point at nothing; so, in turn, would its own parts.
        orphaned = (
            "ref_parent.target_id is not null"
            " and not exists (select 1 from crm_company c where c.id = ref_parent.target_id)"
            f" and not exists (select 1 from crm_importrow p where p.batch_id = {self.batch.pk}"
            " and p.target_id = ref_parent.target_id and p.verdict = 'C')"
        )
        while self.refuse(orphaned, "parent", "parent_refused", "ref_parent.value"):
            pass

    def _notice_tax_ids(self) -> None:
        """Say of tax ids that are none of their country; what is in the file is what its owner has, and is taken."""
        self.batch.notices = [each for each in self.batch.notices if each["code"] != _ODD_TAX_IDS]
        if {"tax_id", "country"} <= self.mapped:
            told = fetch(
                "select distinct r.data->>'tax_id', r.data->>'country' from crm_importrow r"
                f" where r.batch_id = {self.batch.pk} and r.verdict in ('C', 'U')"
                " and r.data ?& array['tax_id', 'country']"
            )
            odd = sorted(tax_id for tax_id, country in told if not is_plausible(tax_id, country))
            if odd:
                params = {"count": len(odd), "example": odd[0]}
                self.batch.notices.append({"code": _ODD_TAX_IDS, "params": params})
        ImportBatch.objects.filter(pk=self.batch.pk).update(notices=self.batch.notices)

    def finish(self, first: int, last: int) -> None:
        """Set the parents; the version counts the row's change once, with the first pass."""
        run(
            "with n as (select r.target_id, ref_parent.target_id as parent_id"
            f" from {self.source()}\nwhere {self.rows(first, last, 'CU')} and ref_parent.target_id is not null)\n"
            "update crm_company c set parent_id = n.parent_id from n"
            " where c.id = n.target_id and c.parent_id is distinct from n.parent_id"
        )


COMPANIES = ImportKind(
    key="companies",
    label=_("companies"),
    model=Company,
    fields=(
        ImportField(
            "name",
            _("name"),
            aliases=(
                "account",
                "company",
                "company name",
                "account name",
                "organization",
                "customer",
                "client",
                "компания",
                "организация",
                "контрагент",
                "клиент",
                "наименование",
            ),
            required=True,
            column="name",
            matches=True,
        ),
        ImportField(
            "legal_name",
            _("legal name"),
            aliases=("full name", "юридическое название", "полное наименование"),
            max_length=300,
            column="legal_name",
        ),
        ImportField(
            "tax_id",
            _("tax id"),
            aliases=("inn", "vat", "vat id", "tax number", "инн"),
            max_length=32,
            column="tax_id",
            matches=True,
            unique=True,
        ),
        ImportField(
            "domain",
            _("domain"),
            FieldType.DOMAIN,
            aliases=("website", "site", "url", "web", "сайт"),
            column="domain",
            matches=True,
        ),
        ImportField(
            "industry",
            _("industry"),
            aliases=("sector", "branch", "отрасль", "сектор", "сфера деятельности"),
            max_length=100,
            column="industry",
        ),
        ImportField(
            "country",
            _("country"),
            aliases=("office location", "location", "страна"),
            max_length=100,
            column="country",
        ),
        ImportField("city", _("city"), aliases=("town", "город"), max_length=100, column="city"),
        ImportField(
            "founded_year",
            _("founded"),
            FieldType.INTEGER,
            aliases=("year established", "founded year", "year founded", "established", "год основания"),
            maximum=2200,
            column="founded_year",
            cast="smallint",
        ),
        ImportField(
            "employee_count",
            _("employees"),
            FieldType.INTEGER,
            aliases=("employees", "number of employees", "headcount", "staff", "сотрудники", "численность"),
            maximum=2_147_483_647,
            column="employee_count",
            cast="integer",
        ),
        ImportField(
            "annual_revenue",
            _("annual revenue, millions"),
            FieldType.DECIMAL,
            aliases=("revenue", "annual revenue", "turnover", "выручка", "оборот"),
            max_length=12,
            column="annual_revenue",
            cast="numeric(14,2)",
        ),
        ImportField(
            "parent",
            _("part of"),
            FieldType.REFERENCE,
            aliases=(
                "subsidiary of",
                "parent",
                "parent company",
                "parent account",
                "головная компания",
                "холдинг",
            ),
        ),
        OWNER,
        NOTES,
        TAGS,
        external_id("id", "account id", "company id"),
    ),
    match_by=("external_id", "tax_id", "name"),
    loader=CompanyLoader,
)
