"""Rows shared for a while, and times in which somebody acts as somebody else."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# What is shared with somebody is part of what they may do. The function of memberships asks who was touched.
VERSIONS = """
create trigger access_grant_added after insert on accounts_accessgrant
    referencing new table as touched
    for each statement execute function accounts_membership_touched();
create trigger access_grant_removed after delete on accounts_accessgrant
    referencing old table as touched
    for each statement execute function accounts_membership_touched();
create trigger access_grant_was after update on accounts_accessgrant
    referencing old table as touched
    for each statement execute function accounts_membership_touched();
create trigger access_grant_is after update on accounts_accessgrant
    referencing new table as touched
    for each statement execute function accounts_membership_touched();
"""
VERSIONS_BACK = """
drop trigger access_grant_is on accounts_accessgrant;
drop trigger access_grant_was on accounts_accessgrant;
drop trigger access_grant_removed on accounts_accessgrant;
drop trigger access_grant_added on accounts_accessgrant;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_auth_events"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [("impersonate_user", "Can act as users")],
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
        migrations.CreateModel(
            name="AccessGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("object_id", models.PositiveBigIntegerField(verbose_name="number")),
                (
                    "actions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50), size=None, verbose_name="what they may"
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("expires_at", models.DateTimeField(verbose_name="until")),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="taken back")),
                (
                    "content_type",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="contenttypes.contenttype",
                        verbose_name="kind",
                    ),
                ),
                (
                    "granted_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="shared by",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_grants",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="for whom",
                    ),
                ),
            ],
            options={
                "verbose_name": "shared row",
                "verbose_name_plural": "shared rows",
                "default_permissions": ("view", "add", "change"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("revoked_at", None)),
                        fields=["user", "content_type", "object_id"],
                        name="access_grant_of_user",
                    ),
                    models.Index(fields=["content_type", "object_id"], name="access_grant_on_row"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("actions__contains", ["view"])),
                        name="access_grant_lets_see",
                        violation_error_message="Whoever may do something with a row may see it.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="access_grant_has_reason",
                        violation_error_message="Say why this is shared.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImpersonationSession",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                ("is_read_only", models.BooleanField(default=True, verbose_name="only looks")),
                ("started_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("expires_at", models.DateTimeField(verbose_name="until")),
                ("ended_at", models.DateTimeField(editable=False, null=True, verbose_name="ended")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="as whom",
                    ),
                ),
            ],
            options={
                "verbose_name": "time as somebody else",
                "verbose_name_plural": "times as somebody else",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at", None)), fields=["actor"], name="impersonation_live"
                    ),
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["target"],
                        name="impersonation_live_as",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="impersonation_has_reason",
                        violation_error_message="Say why you act as somebody else.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("actor", models.F("target")), _negated=True),
                        name="impersonation_of_another",
                    ),
                ],
            },
        ),
        migrations.RunSQL(VERSIONS, VERSIONS_BACK),
    ]
