"""Timelines: what was said and done, and what it is about; letters, and who takes part in a deal."""

import apps.crm.models.activities
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


# Immutable, so that it can be indexed. The beginning of a long text is enough to find it.
WORDS = """
create function crm_activity_words(subject text, body text) returns text language sql immutable parallel safe as $$
    select upper(subject || ' ' || left(body, 4000))
$$;
"""
# What timelines are read by stands in the links, and follows the activity whoever writes it.
FOLLOWING = """
create function crm_link_follows() returns trigger language plpgsql as $$
begin
    select a.kind, a.occurred_at, a.archived_at is null, a.pinned_at is not null
    into new.kind, new.at, new.is_live, new.is_pinned from crm_activity a where a.id = new.activity_id;
    return new;
end $$;
create trigger activity_link_follows before insert on crm_activitylink
    for each row execute function crm_link_follows();
create function crm_activity_leads() returns trigger language plpgsql as $$
begin
    update crm_activitylink set at = new.occurred_at, is_live = new.archived_at is null,
        is_pinned = new.pinned_at is not null, kind = new.kind
    where activity_id = new.id;
    return null;
end $$;
create trigger activity_leads after update of occurred_at, archived_at, pinned_at, kind on crm_activity
    for each row when (
        (old.occurred_at, old.archived_at is null, old.pinned_at is not null, old.kind)
        is distinct from (new.occurred_at, new.archived_at is null, new.pinned_at is not null, new.kind)
    ) execute function crm_activity_leads();
"""
DROP_FOLLOWING = """
drop trigger activity_leads on crm_activity;
drop function crm_activity_leads();
drop trigger activity_link_follows on crm_activitylink;
drop function crm_link_follows();
"""
# Records stay as they were: what the system told and what was written in a letter is not written anew.
GUARD = """
create function crm_activity_guard() returns trigger language plpgsql as $$
begin
    raise exception using errcode = 'check_violation', constraint = 'crm_activity_record',
        message = 'letters and events of the system are never changed';
end $$;
create trigger activity_record_guard before update of subject, body, occurred_at, kind, direction, fact, details
    on crm_activity for each row when (
        old.kind in ('EMAIL', 'SYSTEM', 'MESSAGE') and
        (old.subject, old.body, old.occurred_at, old.kind, old.direction, old.fact, old.details) is distinct from
        (new.subject, new.body, new.occurred_at, new.kind, new.direction, new.fact, new.details)
    ) execute function crm_activity_guard();
"""
DROP_GUARD = """
drop trigger activity_record_guard on crm_activity;
drop function crm_activity_guard();
"""

# Nothing new points at what was merged (the functions are migration 0010's).
POINTERS = [
    ("crm_activitylink", "company_id"),
    ("crm_activitylink", "person_id"),
    ("crm_dealparticipant", "person_id"),
]
MERGED = "".join(
    f"""
create trigger {table}_{column}_merged_new after insert on {table} referencing new table as new_rows
    for each statement execute function crm_refuse_merged_{column}_rows();
create trigger {table}_{column}_merged after update of {column} on {table}
    for each row when (new.{column} is not null and new.{column} is distinct from old.{column})
    execute function crm_refuse_merged_{column}();"""
    for table, column in POINTERS
)
DROP_MERGED = "".join(
    f"drop trigger {table}_{column}_merged on {table}; drop trigger {table}_{column}_merged_new on {table};"
    for table, column in POINTERS
)


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0012_quotes"),
        ("documents", "0008_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(WORDS, "drop function crm_activity_words(text, text);"),
        migrations.CreateModel(
            name="Activity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("NOTE", "note"),
                            ("CALL", "call"),
                            ("MEETING", "meeting"),
                            ("EMAIL", "e-mail"),
                            ("MESSAGE", "message"),
                            ("SYSTEM", "event"),
                        ],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("subject", models.CharField(blank=True, default="", max_length=300, verbose_name="subject")),
                ("body", models.TextField(blank=True, default="", max_length=100000, verbose_name="text")),
                ("occurred_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="when")),
                (
                    "duration_minutes",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="duration, minutes"),
                ),
                (
                    "direction",
                    models.CharField(
                        blank=True,
                        choices=[("IN", "incoming"), ("OUT", "outgoing")],
                        default="",
                        max_length=3,
                        verbose_name="direction",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("REACHED", "reached"),
                            ("NO_ANSWER", "no answer"),
                            ("CALL_BACK", "asked to call back"),
                            ("HELD", "took place"),
                            ("POSTPONED", "postponed"),
                            ("CANCELLED", "did not take place"),
                        ],
                        default="",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "pinned_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="pinned"),
                ),
                (
                    "edited_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="edited"),
                ),
                ("fact", models.CharField(blank=True, default="", editable=False, max_length=100)),
                ("details", models.JSONField(blank=True, default=dict, editable=False)),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activities",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
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
            ],
            options={
                "verbose_name": "activity",
                "verbose_name_plural": "activities",
                "default_permissions": (),
                "indexes": [models.Index(fields=["author", "-id"], name="activity_author_latest")],
            },
        ),
        migrations.CreateModel(
            name="Timeline",
            fields=[
                ("target", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="company",
            name="last_activity_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last activity"),
        ),
        migrations.AddField(
            model_name="deal",
            name="last_activity_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last activity"),
        ),
        migrations.AddField(
            model_name="person",
            name="last_activity_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last activity"),
        ),
        migrations.CreateModel(
            name="ActivityAttachment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "activity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attachments",
                        to="crm.activity",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="documents.document"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("activity", "document"), name="activity_attachment_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ActivityLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(default="", editable=False, max_length=8)),
                ("at", models.DateTimeField(editable=False, null=True)),
                ("is_live", models.BooleanField(default=True, editable=False)),
                ("is_pinned", models.BooleanField(default=False, editable=False)),
                (
                    "activity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="crm.activity",
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activity_links",
                        to="crm.company",
                        verbose_name="company",
                    ),
                ),
                (
                    "deal",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activity_links",
                        to="crm.deal",
                        verbose_name="deal",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activity_links",
                        to="crm.person",
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "link of an activity",
                "verbose_name_plural": "links of activities",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("company__isnull", True), ("deal__isnull", False), ("person__isnull", True)
                            ),
                            models.Q(
                                ("company__isnull", False), ("deal__isnull", True), ("person__isnull", True)
                            ),
                            models.Q(
                                ("company__isnull", True), ("deal__isnull", True), ("person__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="activity_link_about_one",
                        violation_error_message="It is about one deal, company or person.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("deal__isnull", False)),
                        fields=("activity", "deal"),
                        name="activity_link_deal_unique",
                        violation_error_message="It is about this already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("company__isnull", False)),
                        fields=("activity", "company"),
                        name="activity_link_company_unique",
                        violation_error_message="It is about this already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("person__isnull", False)),
                        fields=("activity", "person"),
                        name="activity_link_person_unique",
                        violation_error_message="It is about this already.",
                    ),
                ],
                "indexes": [
                    models.Index(
                        models.F("deal"),
                        models.F("is_live"),
                        models.F("kind"),
                        models.OrderBy(models.F("at"), descending=True),
                        models.OrderBy(models.F("activity"), descending=True),
                        condition=models.Q(("deal__isnull", False)),
                        name="activity_link_deal_at",
                    ),
                    models.Index(
                        models.F("company"),
                        models.F("is_live"),
                        models.F("kind"),
                        models.OrderBy(models.F("at"), descending=True),
                        models.OrderBy(models.F("activity"), descending=True),
                        condition=models.Q(("company__isnull", False)),
                        name="activity_link_company_at",
                    ),
                    models.Index(
                        models.F("person"),
                        models.F("is_live"),
                        models.F("kind"),
                        models.OrderBy(models.F("at"), descending=True),
                        models.OrderBy(models.F("activity"), descending=True),
                        condition=models.Q(("person__isnull", False)),
                        name="activity_link_person_at",
                    ),
                    models.Index(
                        condition=models.Q(("deal__isnull", False), ("is_pinned", True)),
                        fields=["deal"],
                        name="activity_link_deal_pin",
                    ),
                    models.Index(
                        condition=models.Q(("company__isnull", False), ("is_pinned", True)),
                        fields=["company"],
                        name="activity_link_company_pin",
                    ),
                    models.Index(
                        condition=models.Q(("is_pinned", True), ("person__isnull", False)),
                        fields=["person"],
                        name="activity_link_person_pin",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ActivityMention",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "activity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mentions",
                        to="crm.activity",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mentions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("activity", "user"), name="activity_mention_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="ActivityVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("subject", models.CharField(blank=True, default="", max_length=300)),
                ("body", models.TextField(blank=True, default="")),
                ("occurred_at", models.DateTimeField()),
                ("duration_minutes", models.PositiveSmallIntegerField(null=True)),
                ("outcome", models.CharField(blank=True, default="", max_length=10)),
                ("edited_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "activity",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former",
                        to="crm.activity",
                    ),
                ),
                (
                    "edited_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("activity", "number"), name="activity_version_number_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DealParticipant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("DECISION_MAKER", "decision maker"),
                            ("CHAMPION", "champion"),
                            ("USER", "will use it"),
                            ("BILLING", "pays the bills"),
                            ("PARTNER", "partner"),
                        ],
                        max_length=14,
                        verbose_name="role",
                    ),
                ),
                ("is_primary", models.BooleanField(default=False, verbose_name="primary")),
                (
                    "deal",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="participants",
                        to="crm.deal",
                        verbose_name="deal",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="participations",
                        to="crm.person",
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "participant",
                "verbose_name_plural": "participants",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("deal", "person", "role"),
                        name="deal_participant_unique",
                        violation_error_message="This person has this role in the deal already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_primary", True)),
                        fields=("deal",),
                        name="deal_participant_one_primary",
                        violation_error_message="A deal has one primary participant.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TimelineChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(max_length=40)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["target"], name="timeline_change_target")],
            },
        ),
        migrations.CreateModel(
            name="UnmatchedMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("message_id", models.CharField(max_length=500, unique=True)),
                ("sender", models.CharField(max_length=320, verbose_name="from")),
                ("sender_name", models.CharField(blank=True, default="", max_length=200)),
                ("subject", models.CharField(blank=True, default="", max_length=300, verbose_name="subject")),
                ("excerpt", models.CharField(blank=True, default="", max_length=500, verbose_name="text")),
                (
                    "received_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="received"),
                ),
                ("raw", models.BinaryField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("WAITING", "waiting"), ("LINKED", "linked"), ("DISMISSED", "put aside")],
                        default="WAITING",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
            ],
            options={
                "verbose_name": "unmatched letter",
                "verbose_name_plural": "unmatched mail",
                "default_permissions": ("view", "change"),
                "indexes": [models.Index(fields=["state", "-id"], name="unmatched_mail_waiting")],
            },
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "activity",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="mail",
                        serialize=False,
                        to="crm.activity",
                    ),
                ),
                ("message_id", models.CharField(max_length=500, unique=True)),
                ("in_reply_to", models.CharField(blank=True, default="", max_length=500)),
                ("references", models.JSONField(blank=True, default=list)),
                ("sender", models.CharField(max_length=320, verbose_name="from")),
                ("sender_name", models.CharField(blank=True, default="", max_length=200)),
                ("to", models.JSONField(default=list, verbose_name="to")),
                ("cc", models.JSONField(blank=True, default=list)),
                ("html", models.TextField(blank=True, default="")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "on its way"),
                            ("SENT", "sent"),
                            ("FAILED", "not sent"),
                            ("RECEIVED", "received"),
                        ],
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("error", models.CharField(blank=True, default="", max_length=500)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        default=django.utils.timezone.now,
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("left_out", models.JSONField(blank=True, default=list)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "QUEUED")), fields=["due_at"], name="mail_queued"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sent_at__isnull", False), ("state", "SENT")),
                            models.Q(("state", "SENT"), _negated=True),
                            _connector="OR",
                        ),
                        name="mail_sent_has_time",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="activity",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    apps.crm.models.activities.Words(), name="gin_trgm_ops"
                ),
                name="activity_words_trgm",
            ),
        ),
        migrations.RunSQL(FOLLOWING, DROP_FOLLOWING),
        migrations.RunSQL(GUARD, DROP_GUARD),
        migrations.RunSQL(MERGED, DROP_MERGED),
    ]
