"""Leads, the forms that bring them, who gets them, and what people agree to."""

import apps.crm.models.leads
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

# What arrived, and what was agreed to, is never changed; it is deleted only together with what it is part of, which is
# judged at commit.
KEPT = [
    ("crm_leadarrival", "lead_arrival_append_only", "crm_lead", "lead_id"),
    ("crm_consenttext", "consent_text_append_only", "crm_leadform", "form_id"),
    ("crm_consent", "consent_append_only", "crm_contactpoint", "contact_point_id"),
]
# A merge of leads' people and companies moves what points at them; who points at a merged one meanwhile waits, and is
# refused, as everywhere (0010).
MERGED = """
create function crm_refuse_merged_of_lead() returns trigger language plpgsql as $$
begin
    perform 1 from crm_person p where p.id in (new.known_person_id, new.converted_person_id)
        order by p.id for key share;
    perform 1 from crm_company c where c.id in (new.known_company_id, new.converted_company_id)
        order by c.id for key share;
    if exists (
        select 1 from crm_person p
        where p.id in (new.known_person_id, new.converted_person_id) and p.merged_into_id is not null
    ) or exists (
        select 1 from crm_company c
        where c.id in (new.known_company_id, new.converted_company_id) and c.merged_into_id is not null
    ) then
        raise exception 'the row has been merged into another'
            using errcode = 'check_violation', constraint = 'crm_row_merged', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger crm_lead_merged_new after insert on crm_lead
    for each row when (new.known_person_id is not null or new.known_company_id is not null)
    execute function crm_refuse_merged_of_lead();
create trigger crm_lead_merged
    after update of known_person_id, known_company_id, converted_person_id, converted_company_id on crm_lead
    for each row when (
        new.known_person_id is distinct from old.known_person_id
        or new.known_company_id is distinct from old.known_company_id
        or new.converted_person_id is distinct from old.converted_person_id
        or new.converted_company_id is distinct from old.converted_company_id
    ) execute function crm_refuse_merged_of_lead();
"""
DROP_MERGED = """
drop trigger crm_lead_merged on crm_lead;
drop trigger crm_lead_merged_new on crm_lead;
drop function crm_refuse_merged_of_lead();
"""


def kept(table: str, name: str, whole: str, key: str) -> str:
    return f"""
create function {table}_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'this is never changed'
        using errcode = 'check_violation', constraint = '{name}', table = tg_table_name;
end $$;
create function {table}_refuse_delete() returns trigger language plpgsql as $$
begin
    if exists (select 1 from {whole} where id = old.{key}) then
        raise exception 'this is deleted only together with its whole'
            using errcode = 'check_violation', constraint = '{name}', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger {table}_unchanged before update on {table}
    for each row execute function {table}_refuse_change();
create constraint trigger {table}_kept after delete on {table}
    deferrable initially deferred for each row execute function {table}_refuse_delete();
"""  # noqa: S608 - names of our own


def let_go(table: str, name: str, whole: str, key: str) -> str:
    return f"""
drop trigger {table}_kept on {table};
drop trigger {table}_unchanged on {table};
drop function {table}_refuse_delete();
drop function {table}_refuse_change();
"""


# Of several primary contacts of a kind, the one that was there first stays primary.
ONE_PRIMARY = """
update crm_contactpoint c set is_primary = false
where c.is_primary and c.archived_at is null and exists (
    select 1 from crm_contactpoint o
    where o.id < c.id and o.is_primary and o.archived_at is null and o.kind = c.kind
    and o.person_id is not distinct from c.person_id and o.company_id is not distinct from c.company_id
)
"""


def one_primary(holder: str) -> migrations.SeparateDatabaseAndState:
    """Add the constraint by an index that is built beside running work."""
    name = f"contact_point_one_primary_{holder}"
    constraint = models.UniqueConstraint(
        condition=models.Q(is_primary=True, archived_at=None, **{f"{holder}__isnull": False}),
        fields=(holder, "kind"),
        name=name,
        violation_error_message="One contact of each kind is the primary one.",
    )
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f"create unique index concurrently {name} on crm_contactpoint ({holder}_id, kind)"
                f" where (archived_at is null and is_primary and {holder}_id is not null)",
                f"drop index concurrently {name}",
            )
        ],
        state_operations=[migrations.AddConstraint(model_name="contactpoint", constraint=constraint)],
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0009_access_grants_and_impersonation"),
        ("crm", "0010_merge"),
    ]

    operations = [
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("is_active", models.BooleanField(default=True, verbose_name="offered")),
            ],
            options={
                "verbose_name": "source",
                "verbose_name_plural": "sources",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        name="source_name_unique",
                        violation_error_message="There is a source of this name already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DisqualifyReason",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("is_active", models.BooleanField(default=True, verbose_name="offered")),
            ],
            options={
                "verbose_name": "reason to disqualify",
                "verbose_name_plural": "reasons to disqualify",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        name="disqualify_reason_name_unique",
                        violation_error_message="There is such a reason already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LeadForm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                ("name", models.CharField(max_length=150, verbose_name="name")),
                (
                    "token",
                    models.CharField(
                        default=apps.crm.models.leads.new_token, editable=False, max_length=64, unique=True
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="takes messages")),
                (
                    "allowed_origins",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                        verbose_name="sites",
                    ),
                ),
                ("field_map", models.JSONField(blank=True, default=dict, verbose_name="fields")),
                (
                    "honeypot",
                    models.CharField(
                        default="website",
                        help_text="The name of a field that people do not see. What fills it in is thrown away.",
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z][A-Za-z0-9_-]*\\Z", "Latin letters, digits, - and _."
                            )
                        ],
                        verbose_name="trap for robots",
                    ),
                ),
                (
                    "hourly_limit",
                    models.PositiveIntegerField(
                        default=500,
                        help_text="What comes beyond that is asked to wait.",
                        verbose_name="most messages an hour",
                    ),
                ),
                (
                    "success_message",
                    models.CharField(
                        blank=True, default="", max_length=500, verbose_name="what is said to who has sent it"
                    ),
                ),
                (
                    "redirect_url",
                    models.URLField(blank=True, default="", max_length=500, verbose_name="page of thanks"),
                ),
                (
                    "country",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Where the phone numbers are from that name no country.",
                        max_length=100,
                        verbose_name="country",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.source",
                        verbose_name="source",
                    ),
                ),
                (
                    "pipeline",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.pipeline",
                        verbose_name="pipeline of its deals",
                    ),
                ),
                (
                    "default_owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner where no rule fits",
                    ),
                ),
                (
                    "consent_text",
                    models.TextField(blank=True, default="", verbose_name="text of the consent"),
                ),
                (
                    "consent_version",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="version of the consent"
                    ),
                ),
                (
                    "consent_purpose",
                    models.CharField(
                        choices=[
                            ("CONTACT", "answering an inquiry"),
                            ("MARKETING", "news and offers"),
                            ("CALLS", "calls"),
                            ("PROCESSING", "processing of personal data"),
                        ],
                        default="MARKETING",
                        max_length=10,
                        verbose_name="what the consent is for",
                    ),
                ),
                (
                    "is_consent_required",
                    models.BooleanField(default=False, verbose_name="nothing is taken without the consent"),
                ),
            ],
            options={
                "verbose_name": "form",
                "verbose_name_plural": "forms",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_consent_required", False),
                            models.Q(("consent_text", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="lead_form_consent_has_text",
                        violation_error_message="Write the text of the consent that is required.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ConsentText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "form",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consent_texts",
                        to="crm.leadform",
                        verbose_name="form",
                    ),
                ),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                ("text", models.TextField(verbose_name="text")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
            ],
            options={
                "verbose_name": "text of a consent",
                "verbose_name_plural": "texts of consents",
                "constraints": [
                    models.UniqueConstraint(fields=("form", "version"), name="consent_text_version_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="AssignmentRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                ("name", models.CharField(max_length=150, verbose_name="name")),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="Rules are tried from the lowest place on; the first that fits decides.",
                        verbose_name="place",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.source",
                        verbose_name="source",
                    ),
                ),
                (
                    "form",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.leadform",
                        verbose_name="form",
                    ),
                ),
                ("country", models.CharField(blank=True, default="", max_length=100, verbose_name="country")),
                ("language", models.CharField(blank=True, default="", max_length=8, verbose_name="language")),
                (
                    "contains",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Capitals do not matter.",
                        max_length=200,
                        verbose_name="the message contains",
                    ),
                ),
                (
                    "to_user",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="to this person",
                    ),
                ),
                (
                    "to_team",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.team",
                        verbose_name="in turn to this team",
                    ),
                ),
                ("last_owner_id", models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "assignment rule",
                "verbose_name_plural": "assignment rules",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("to_user", None), ("to_team", None), _connector="XOR"),
                        name="assignment_rule_has_one_target",
                        violation_error_message="Name either a person or a team.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Absence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="absences",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who",
                    ),
                ),
                ("first_date", models.DateField(verbose_name="from")),
                ("last_date", models.DateField(verbose_name="until")),
            ],
            options={
                "verbose_name": "absence",
                "verbose_name_plural": "absences",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_date__gte", models.F("first_date"))),
                        name="absence_ends_after_it_begins",
                        violation_error_message="The last day cannot be before the first.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Lead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                (
                    "external_source",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="external source"),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="external id"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.team",
                        verbose_name="team",
                    ),
                ),
                ("name", models.CharField(blank=True, default="", max_length=200, verbose_name="name")),
                (
                    "company_name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="company"),
                ),
                ("email", models.CharField(blank=True, default="", max_length=254, verbose_name="e-mail")),
                ("phone", models.CharField(blank=True, default="", max_length=64, verbose_name="phone")),
                (
                    "telegram",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="Telegram"),
                ),
                ("email_value", models.CharField(blank=True, default="", editable=False, max_length=254)),
                ("phone_value", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("telegram_value", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("message", models.TextField(blank=True, default="", verbose_name="message")),
                ("country", models.CharField(blank=True, default="", max_length=100, verbose_name="country")),
                ("language", models.CharField(blank=True, default="", max_length=8, verbose_name="language")),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.source",
                        verbose_name="source",
                    ),
                ),
                (
                    "form",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leads",
                        to="crm.leadform",
                        verbose_name="form",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("NEW", "new"),
                            ("WORKING", "in work"),
                            ("QUALIFIED", "qualified"),
                            ("DISQUALIFIED", "disqualified"),
                        ],
                        default="NEW",
                        editable=False,
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                (
                    "arrived_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="arrived"
                    ),
                ),
                (
                    "arrival_count",
                    models.PositiveIntegerField(default=1, editable=False, verbose_name="arrivals"),
                ),
                (
                    "next_step",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="next step"),
                ),
                ("next_step_date", models.DateField(blank=True, null=True, verbose_name="next step on")),
                (
                    "assigned_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="assigned"),
                ),
                ("assigned_because", models.JSONField(default=dict, editable=False)),
                (
                    "disqualify_reason",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.disqualifyreason",
                        verbose_name="disqualified because",
                    ),
                ),
                (
                    "disqualify_note",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=500, verbose_name="why exactly"
                    ),
                ),
                (
                    "known_person",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="known_leads",
                        to="crm.person",
                        verbose_name="known person",
                    ),
                ),
                (
                    "known_company",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="known_leads",
                        to="crm.company",
                        verbose_name="known company",
                    ),
                ),
                (
                    "converted_person",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leads",
                        to="crm.person",
                        verbose_name="person",
                    ),
                ),
                (
                    "converted_company",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leads",
                        to="crm.company",
                        verbose_name="company of the person",
                    ),
                ),
                (
                    "converted_deal",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leads",
                        to="crm.deal",
                        verbose_name="deal",
                    ),
                ),
                (
                    "converted_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="qualified"),
                ),
                (
                    "words",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.text.Concat(
                            "name",
                            models.Value(" "),
                            "company_name",
                            models.Value(" "),
                            "email",
                            models.Value(" "),
                            "phone",
                            models.Value(" "),
                            "phone_value",
                            models.Value(" "),
                            "telegram",
                            output_field=models.TextField(),
                        ),
                        output_field=models.TextField(),
                    ),
                ),
                (
                    "tags",
                    models.ManyToManyField(
                        blank=True, related_name="leads", to="crm.tag", verbose_name="tags"
                    ),
                ),
            ],
            options={
                "verbose_name": "lead",
                "verbose_name_plural": "leads",
                "permissions": [
                    ("archive_lead", "Can archive and restore leads"),
                    ("assign_lead", "Can give leads to somebody else"),
                    ("qualify_lead", "Can qualify leads"),
                    ("disqualify_lead", "Can disqualify and recycle leads"),
                ],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("words"), name="gin_trgm_ops"
                        ),
                        name="lead_words_trgm",
                    ),
                    models.Index(fields=["arrived_at", "id"], name="lead_by_arrival"),
                    models.Index(
                        condition=models.Q(("archived_at", None), ("status__in", ["NEW", "WORKING"])),
                        fields=["arrived_at", "id"],
                        name="lead_open_by_arrival",
                    ),
                    models.Index(fields=["status", "arrived_at", "id"], name="lead_status_arrival"),
                    models.Index(fields=["owner", "arrived_at", "id"], name="lead_owner_arrival"),
                    models.Index(fields=["team", "arrived_at", "id"], name="lead_team_arrival"),
                    models.Index(fields=["source", "arrived_at", "id"], name="lead_source_arrival"),
                    models.Index(fields=["form", "arrived_at", "id"], name="lead_form_arrival"),
                    models.Index(
                        condition=models.Q(("archived_at__isnull", False)),
                        fields=["-id"],
                        name="lead_trash_latest",
                    ),
                    models.Index(
                        condition=models.Q(("email_value", ""), _negated=True),
                        fields=["email_value"],
                        name="lead_email_value",
                    ),
                    models.Index(
                        condition=models.Q(("phone_value", ""), _negated=True),
                        fields=["phone_value"],
                        name="lead_phone_value",
                    ),
                    models.Index(
                        condition=models.Q(("telegram_value", ""), _negated=True),
                        fields=["telegram_value"],
                        name="lead_telegram_value",
                    ),
                    models.Index(
                        condition=models.Q(("known_person__isnull", False)),
                        fields=["known_person"],
                        name="lead_known_person",
                    ),
                    models.Index(
                        condition=models.Q(("known_company__isnull", False)),
                        fields=["known_company"],
                        name="lead_known_company",
                    ),
                    models.Index(
                        condition=models.Q(("converted_person__isnull", False)),
                        fields=["converted_person"],
                        name="lead_converted_person",
                    ),
                    models.Index(
                        condition=models.Q(("converted_company__isnull", False)),
                        fields=["converted_company"],
                        name="lead_converted_company",
                    ),
                    models.Index(
                        condition=models.Q(("converted_deal__isnull", False)),
                        fields=["converted_deal"],
                        name="lead_converted_deal",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("converted_at__isnull", False),
                                ("converted_person__isnull", False),
                                ("status", "QUALIFIED"),
                            ),
                            models.Q(
                                models.Q(("status", "QUALIFIED"), _negated=True),
                                ("converted_at", None),
                                ("converted_company", None),
                                ("converted_deal", None),
                                ("converted_person", None),
                            ),
                            _connector="OR",
                        ),
                        name="lead_converted_has_person_and_time",
                        violation_error_message="A qualified lead has its person and the time; no other has.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disqualify_reason__isnull", False), ("status", "DISQUALIFIED")),
                            models.Q(
                                models.Q(("status", "DISQUALIFIED"), _negated=True),
                                ("disqualify_note", ""),
                                ("disqualify_reason", None),
                            ),
                            _connector="OR",
                        ),
                        name="lead_disqualified_has_reason",
                        violation_error_message="A disqualified lead has its reason; no other has.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("company_name", ""),
                            ("email", ""),
                            ("name", ""),
                            ("phone", ""),
                            ("telegram", ""),
                            _negated=True,
                        ),
                        name="lead_is_somebody",
                        violation_error_message="A lead needs a name or a way to reach somebody.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("external_source", "external_id"),
                        name="lead_external_source_id_unique",
                        violation_error_message="Another row already came from this source under this id.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LeadArrival",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="arrivals",
                        to="crm.lead",
                        verbose_name="lead",
                    ),
                ),
                (
                    "form",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="arrivals",
                        to="crm.leadform",
                        verbose_name="form",
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("FORM", "through a form"),
                            ("API", "through the API"),
                            ("ADMIN", "by hand"),
                        ],
                        max_length=5,
                        verbose_name="how",
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                ("submission_id", models.CharField(blank=True, default="", max_length=64)),
                ("values", models.JSONField(default=dict, verbose_name="what was written")),
                ("extra", models.JSONField(default=dict, verbose_name="what came besides")),
                ("origin", models.CharField(blank=True, default="", max_length=255, verbose_name="site")),
                (
                    "consent_text",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.consenttext",
                        verbose_name="agreed to",
                    ),
                ),
            ],
            options={
                "verbose_name": "arrival",
                "verbose_name_plural": "arrivals",
                "indexes": [
                    models.Index(fields=["lead", "-id"], name="lead_arrival_latest"),
                    models.Index(fields=["form", "at"], name="lead_arrival_form_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("submission_id", ""), _negated=True),
                        fields=("form", "submission_id"),
                        name="lead_arrival_submission_unique",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "contact_point",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consents",
                        to="crm.contactpoint",
                        verbose_name="contact",
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("CONTACT", "answering an inquiry"),
                            ("MARKETING", "news and offers"),
                            ("CALLS", "calls"),
                            ("PROCESSING", "processing of personal data"),
                        ],
                        max_length=10,
                        verbose_name="what for",
                    ),
                ),
                (
                    "basis",
                    models.CharField(
                        choices=[
                            ("CONSENT", "consent"),
                            ("CONTRACT", "contract"),
                            ("LEGITIMATE", "legitimate interest"),
                            ("OBLIGATION", "legal obligation"),
                        ],
                        default="CONSENT",
                        max_length=10,
                        verbose_name="lawful basis",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("GIVEN", "given"), ("WITHDRAWN", "withdrawn")],
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("FORM", "form"), ("STAFF", "written down by a colleague"), ("API", "API")],
                        max_length=5,
                        verbose_name="how it came",
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                (
                    "text",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.consenttext",
                        verbose_name="text",
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=500, verbose_name="note")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "indexes": [models.Index(fields=["contact_point", "purpose", "-id"], name="consent_latest")],
            },
        ),
        migrations.AlterField(
            model_name="importmapping",
            name="kind",
            field=models.CharField(
                choices=[
                    ("products", "products"),
                    ("users", "users and teams"),
                    ("companies", "companies"),
                    ("people", "people"),
                    ("deals", "deals"),
                    ("leads", "leads"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="importbatch",
            name="kind",
            field=models.CharField(
                choices=[
                    ("products", "products"),
                    ("users", "users and teams"),
                    ("companies", "companies"),
                    ("people", "people"),
                    ("deals", "deals"),
                    ("leads", "leads"),
                ],
                max_length=16,
                verbose_name="what",
            ),
        ),
        migrations.RunSQL("".join(kept(*each) for each in KEPT), "".join(let_go(*each) for each in KEPT)),
        migrations.RunSQL(MERGED, DROP_MERGED),
        migrations.RunSQL(ONE_PRIMARY, migrations.RunSQL.noop),
        one_primary("person"),
        one_primary("company"),
    ]
