"""Duplicates are found and merged; made beside running work."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models.functions import Upper

from apps.crm.models.companies import NameCore, TaxKey

# Immutable, so that they can be indexed: whoever changes one builds its indexes anew.
FORMS = "|".join(
    [
        *[
            "ООО",
            "ОАО",
            "ЗАО",
            "ПАО",
            "НАО",
            "АО",
            "ИП",
            "ЧП",
            "ТОО",
            "ОДО",
            "УП",
            "НКО",
            "АНО",
            "ГУП",
            "МУП",
            "ФГУП",
        ],
        *[
            "ОБЩЕСТВО С ОГРАНИЧЕННОЙ ОТВЕТСТВЕННОСТЬЮ",
            "АКЦИОНЕРНОЕ ОБЩЕСТВО",
            "ИНДИВИДУАЛЬНЫЙ ПРЕДПРИНИМАТЕЛЬ",
        ],
        *[
            "GMBH",
            "MBH",
            "AG",
            "KG",
            "KGAA",
            "OHG",
            "UG",
            "EK",
            "SE",
            "LTD",
            "LIMITED",
            "LLC",
            "LLP",
            "LP",
            "PLC",
            "INC",
        ],
        *[
            "INCORPORATED",
            "CORP",
            "CORPORATION",
            "CO",
            "COMPANY",
            "PTY",
            "PTE",
            "BV",
            "NV",
            "SA",
            "SAS",
            "SARL",
            "SRL",
        ],
        *[
            "SPA",
            "SL",
            "OY",
            "OYJ",
            "AB",
            "AS",
            "APS",
            "DOO",
            "SRO",
            "SPZOO",
            "SP Z O O",
            "KFT",
            "ZRT",
            "OU",
            "UAB",
            "SIA",
        ],
    ]
)
FUNCTIONS = rf"""
create function crm_tax_key(tax_id text) returns text language sql immutable parallel safe strict as $$
    select upper(regexp_replace(tax_id, '[^[:alnum:]]', '', 'g'))
$$;
create function crm_name_core(name text) returns text language sql immutable parallel safe strict as $$
    with plain (words) as (
        select btrim(regexp_replace(
            replace(regexp_replace(upper(name), '[.''’`]', '', 'g'), 'Ё', 'Е'), '[^[:alnum:]]+', ' ', 'g'
        ))
    )
    select coalesce(
        nullif(btrim(regexp_replace(regexp_replace(words, '\m({FORMS})\M', ' ', 'g'), ' +', ' ', 'g')), ''), words
    ) from plain
$$;
-- The thresholds stand with the functions, for a setting of the session would be everybody's on a pooled connection.
create function crm_similar_companies(core text) returns setof bigint language sql stable strict
    set pg_trgm.similarity_threshold = 0.5 as $$
    select id from crm_company where crm_name_core(name) % core and archived_at is null
$$;
create function crm_similar_people(name text) returns setof bigint language sql stable strict
    set pg_trgm.similarity_threshold = 0.6 as $$
    select id from crm_person where upper(full_name) % upper(name) and archived_at is null
$$;
"""  # noqa: S608 - words of our own
DROP_FUNCTIONS = """
drop function crm_similar_people(text);
drop function crm_similar_companies(text);
drop function crm_name_core(text);
drop function crm_tax_key(text);
"""

# Who points at a row waits for a merge of it, and is refused if it took place; a merge waits for who was first, and
# takes along what they have pointed at it. Foreign keys are looked at when the transaction ends, which is too late.
REFUSED = """raise exception 'the row has been merged into another'
            using errcode = 'check_violation', constraint = 'crm_row_merged', table = tg_table_name;"""
POINTERS = [
    ("company_id", "crm_company", ["crm_deal", "crm_employment", "crm_contactpoint"]),
    ("person_id", "crm_person", ["crm_deal", "crm_employment", "crm_contactpoint"]),
    ("parent_id", "crm_company", ["crm_company"]),
]


# An undo hangs companies back below one that it makes itself again only after its other rows, whose number it has.
UNDOING = """if coalesce(nullif(current_setting('artel.change_set', true), '')::jsonb ? 'reverts', false) then
        return null;
    end if;"""


def guard(column: str, target: str, tables: list[str]) -> str:
    exempt = UNDOING if column == "parent_id" else ""
    statements = [
        f"""
create function crm_refuse_merged_{column}_rows() returns trigger language plpgsql as $$
begin
    perform 1 from {target} t
        where t.id in (select n.{column} from new_rows n where n.{column} is not null) order by t.id for key share;
    if exists (select 1 from new_rows n join {target} t on t.id = n.{column} where t.merged_into_id is not null) then
        {REFUSED}
    end if;
    return null;
end $$;
create function crm_refuse_merged_{column}() returns trigger language plpgsql as $$
begin
    {exempt}
    perform 1 from {target} t where t.id = new.{column} for key share;
    if exists (select 1 from {target} t where t.id = new.{column} and t.merged_into_id is not null) then
        {REFUSED}
    end if;
    return null;
end $$;"""  # noqa: S608 - names of our own
    ]
    statements += [
        f"""
create trigger {table}_{column}_merged_new after insert on {table} referencing new table as new_rows
    for each statement execute function crm_refuse_merged_{column}_rows();
create trigger {table}_{column}_merged after update of {column} on {table}
    for each row when (new.{column} is not null and new.{column} is distinct from old.{column})
    execute function crm_refuse_merged_{column}();"""
        for table in tables
    ]
    return "".join(statements)


def drop_guard(column: str, target: str, tables: list[str]) -> str:
    statements = [
        f"drop trigger {table}_{column}_merged on {table}; drop trigger {table}_{column}_merged_new on {table};"
        for table in tables
    ]
    return (
        "".join(statements)
        + f"drop function crm_refuse_merged_{column}(); drop function crm_refuse_merged_{column}_rows();"
    )


def merged_into(model: str) -> migrations.AddField:
    return migrations.AddField(
        model_name=model,
        name="merged_into",
        field=models.ForeignKey(
            blank=True,
            db_index=False,
            editable=False,
            null=True,
            on_delete=django.db.models.deletion.PROTECT,
            related_name="merged_rows",
            to=f"crm.{model}",
            verbose_name="merged into",
        ),
    )


def merged_is_archived(model: str) -> AddConstraintNotValid:
    return AddConstraintNotValid(
        model_name=model,
        constraint=models.CheckConstraint(
            condition=models.Q(("merged_into", None), ("archived_at__isnull", False), _connector="OR"),
            name=f"{model}_merged_is_archived",
            violation_error_message="This has been merged into another. Undo the merge to get it back.",
        ),
    )


def pair(name: str, *fields: tuple[str, models.Field]) -> migrations.CreateModel:
    return migrations.CreateModel(
        name=name,
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "kind",
                models.CharField(
                    choices=[("crm.company", "company"), ("crm.person", "person")], max_length=16
                ),
            ),
            ("first_id", models.BigIntegerField()),
            ("second_id", models.BigIntegerField()),
            *fields,
        ],
        options={"default_permissions": ()},
    )


def pair_constraints(model: str, prefix: str) -> list[migrations.AddConstraint]:
    return [
        migrations.AddConstraint(
            model_name=model,
            constraint=models.UniqueConstraint(
                fields=("kind", "first_id", "second_id"), name=f"{prefix}_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name=model,
            constraint=models.CheckConstraint(
                condition=models.Q(("first_id__lt", models.F("second_id"))), name=f"{prefix}_in_order"
            ),
        ),
        migrations.AddIndex(
            model_name=model,
            index=models.Index(fields=["kind", "second_id"], name=f"{prefix}_second"),
        ),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("crm", "0009_import_mapping_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        pair(
            "DuplicateDismissal",
            ("at", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "by",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ),
        pair(
            "DuplicatePair",
            ("score", models.PositiveSmallIntegerField()),
            ("reasons", models.JSONField(default=list)),
            ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
        ),
        *pair_constraints("duplicatedismissal", "duplicate_dismissal"),
        *pair_constraints("duplicatepair", "duplicate_pair"),
        migrations.AddIndex(
            model_name="duplicatepair",
            index=models.Index(fields=["kind", "-score", "id"], name="duplicate_pair_by_score"),
        ),
        migrations.AlterModelOptions(
            name="company",
            options={
                "permissions": [
                    ("archive_company", "Can archive and restore companies"),
                    ("merge_company", "Can merge companies"),
                ],
                "verbose_name": "company",
                "verbose_name_plural": "companies",
            },
        ),
        migrations.AlterModelOptions(
            name="person",
            options={
                "permissions": [
                    ("archive_person", "Can archive and restore people"),
                    ("merge_person", "Can merge people"),
                ],
                "verbose_name": "person",
                "verbose_name_plural": "people",
            },
        ),
        merged_into("company"),
        merged_into("person"),
        merged_is_archived("company"),
        merged_is_archived("person"),
        ValidateConstraint(model_name="company", name="company_merged_is_archived"),
        ValidateConstraint(model_name="person", name="person_merged_is_archived"),
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(
            "".join(guard(*pointer) for pointer in POINTERS),
            "".join(drop_guard(*pointer) for pointer in POINTERS),
        ),
        *[
            AddIndexConcurrently(model_name=model, index=index)
            for model, index in [
                (
                    "company",
                    models.Index(
                        condition=models.Q(merged_into__isnull=False),
                        fields=["merged_into"],
                        name="company_merged_into",
                    ),
                ),
                (
                    "person",
                    models.Index(
                        condition=models.Q(merged_into__isnull=False),
                        fields=["merged_into"],
                        name="person_merged_into",
                    ),
                ),
                (
                    "company",
                    models.Index(TaxKey("tax_id"), condition=~models.Q(tax_id=""), name="company_tax_key"),
                ),
                (
                    "company",
                    models.Index(fields=["domain"], condition=~models.Q(domain=""), name="company_domain"),
                ),
                (
                    "company",
                    models.Index(
                        fields=["external_id"],
                        condition=~models.Q(external_id=""),
                        name="company_external_id",
                    ),
                ),
                (
                    "person",
                    models.Index(
                        fields=["external_id"], condition=~models.Q(external_id=""), name="person_external_id"
                    ),
                ),
                ("company", models.Index(NameCore("name"), name="company_name_core")),
                (
                    "company",
                    GinIndex(OpClass(NameCore("name"), name="gin_trgm_ops"), name="company_name_core_trgm"),
                ),
                ("person", models.Index(Upper("full_name"), name="person_full_name_upper")),
                (
                    "contactpoint",
                    models.Index(
                        fields=["kind", "value"],
                        condition=models.Q(archived_at__isnull=False),
                        name="contact_point_former",
                    ),
                ),
            ]
        ],
    ]
