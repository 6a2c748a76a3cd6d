"""What people may ask for about themselves: to be told what is kept about them, and to be forgotten."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models

# Records that are never changed lose what is personal in them while a person is erased, and only then: the transaction
# names its erasure, which has to be under way.
ERASING = """
create function crm_is_erasing() returns boolean language sql stable as $$
    select exists (
        select 1 from crm_erasure
        where id = nullif(current_setting('artel.erasing', true), '')::bigint and state = 'APPLYING'
    )
$$;
"""
DROP_ERASING = "drop function crm_is_erasing();"

RECORDS = [("crm_leadarrival", "lead_arrival_append_only"), ("crm_consent", "consent_append_only")]


def refuse_change(table: str, name: str, excepted: str = "") -> str:
    """Return migration 0011's guard of a record, with an exception or without."""
    return f"""
create or replace function {table}_refuse_change() returns trigger language plpgsql as $$
begin
    {excepted}
    raise exception 'this is never changed'
        using errcode = 'check_violation', constraint = '{name}', table = tg_table_name;
end $$;
"""


def refuse_activity(excepted: str = "") -> str:
    """Return migration 0013's guard of letters and events, with an exception or without."""
    return f"""
create or replace function crm_activity_guard() returns trigger language plpgsql as $$
begin
    {excepted}
    raise exception using errcode = 'check_violation', constraint = 'crm_activity_record',
        message = 'letters and events of the system are never changed';
end $$;
"""


EXCEPTED = "if crm_is_erasing() then return new; end if;"
OPENED = "".join([*(refuse_change(*each, EXCEPTED) for each in RECORDS), refuse_activity(EXCEPTED)])
SHUT = "".join([*(refuse_change(*each) for each in RECORDS), refuse_activity()])

BLANK = models.CheckConstraint(
    condition=models.Q(
        ("erased_at", None),
        models.Q(
            ("archived_at__isnull", False),
            ("custom", {}),
            ("description", ""),
            ("external_id", ""),
            ("family_name", ""),
            ("job_title", ""),
            ("locale", ""),
            ("middle_name", ""),
        ),
        _connector="OR",
    ),
    name="person_erased_is_blank",
    violation_error_message="This person has been erased, and does not come back.",
)


def key() -> models.BigAutoField:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def person(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        to="crm.person",
        verbose_name="person",
    )


def owner() -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
        verbose_name="by",
    )


def job() -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to="jobs.job",
    )


class Migration(migrations.Migration):
    # Rows are held against the constraint beside running work.
    atomic = False
    dependencies = [
        ("accounts", "0009_access_grants_and_impersonation"),
        ("crm", "0017_automation_by_the_clock"),
        ("jobs", "0002_search_trigrams"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="person",
            options={
                "permissions": [
                    ("archive_person", "Can archive and restore people"),
                    ("merge_person", "Can merge people"),
                    ("disclose_person", "Can take away all that is kept about a person"),
                    ("erase_person", "Can rehearse the erasure of people"),
                ],
                "verbose_name": "person",
                "verbose_name_plural": "people",
            },
        ),
        migrations.AddField(
            model_name="person",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="erased"),
        ),
        AddConstraintNotValid(model_name="person", constraint=BLANK),
        ValidateConstraint(model_name="person", name="person_erased_is_blank"),
        migrations.CreateModel(
            name="Disclosure",
            fields=[
                ("id", key()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("storage_name", models.CharField(blank=True, default="", editable=False, max_length=255)),
                ("size", models.BigIntegerField(editable=False, null=True, verbose_name="size, bytes")),
                ("sha256", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("rows", models.PositiveIntegerField(default=0, editable=False, verbose_name="rows")),
                ("files", models.PositiveIntegerField(default=0, editable=False, verbose_name="files")),
                (
                    "downloads",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="downloads"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="requested"
                    ),
                ),
                ("finished_at", models.DateTimeField(editable=False, null=True)),
                ("expires_at", models.DateTimeField(editable=False, verbose_name="expires")),
                ("expired_at", models.DateTimeField(editable=False, null=True)),
                ("job", job()),
                ("owner", owner()),
                ("person", person("disclosures")),
            ],
            options={
                "verbose_name": "disclosure",
                "verbose_name_plural": "disclosures",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["owner", "-id"], name="disclosure_owner_latest"),
                    models.Index(
                        condition=models.Q(("expired_at", None)),
                        fields=["expires_at"],
                        name="disclosure_to_expire",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", key()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("REHEARSED", "rehearsed"),
                            ("APPLYING", "under way"),
                            ("APPLIED", "done"),
                        ],
                        default="REHEARSED",
                        editable=False,
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("reach", models.JSONField(default=list, editable=False)),
                ("counts", models.JSONField(default=list, editable=False)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("contents", models.JSONField(default=list, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="rehearsed"
                    ),
                ),
                ("applied_at", models.DateTimeField(editable=False, null=True, verbose_name="erased")),
                ("job", job()),
                ("owner", owner()),
                ("person", person("erasures")),
            ],
            options={
                "verbose_name": "erasure",
                "verbose_name_plural": "erasures",
                "default_permissions": ("view",),
                "permissions": [("apply_erasure", "Can erase people for good")],
                "indexes": [models.Index(fields=["owner", "-id"], name="erasure_owner_latest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["APPLYING", "APPLIED"])),
                        fields=("person",),
                        name="erasure_once",
                        violation_error_message="This person is being erased, or has been.",
                    )
                ],
            },
        ),
        migrations.RunSQL(ERASING + OPENED, SHUT + DROP_ERASING),
    ]
