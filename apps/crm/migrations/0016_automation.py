"""Automation: rules, and what each has done."""

import apps.crm.models.automation
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_access_grants_and_impersonation"),
        ("crm", "0015_custom_fields"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AutomationRule",
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
                ("name", models.CharField(max_length=150, verbose_name="name")),
                ("trigger", models.CharField(max_length=100, verbose_name="when")),
                (
                    "condition",
                    models.JSONField(
                        blank=True, default=apps.crm.models.automation.no_condition, verbose_name="if"
                    ),
                ),
                ("actions", models.JSONField(blank=True, default=list, verbose_name="then")),
                ("is_active", models.BooleanField(default=False, editable=False, verbose_name="running")),
                (
                    "stopped_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="stopped"),
                ),
                (
                    "stop_reason",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=300, verbose_name="why stopped"
                    ),
                ),
                ("last_owner_id", models.BigIntegerField(editable=False, null=True)),
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
                "verbose_name": "automation rule",
                "verbose_name_plural": "automation rules",
            },
        ),
        migrations.CreateModel(
            name="AutomationRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.BigIntegerField(verbose_name="event")),
                ("event_type", models.CharField(max_length=100, verbose_name="what happened")),
                ("subject", models.CharField(max_length=100, verbose_name="subject")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("DONE", "done"),
                            ("REFUSED", "refused"),
                            ("FAILED", "failed"),
                            ("FUSED", "cut by the fuse"),
                        ],
                        max_length=8,
                        verbose_name="outcome",
                    ),
                ),
                ("why", models.CharField(blank=True, default="", max_length=500, verbose_name="why")),
                ("results", models.JSONField(default=list, verbose_name="what was done")),
                ("depth", models.PositiveSmallIntegerField(default=0, verbose_name="depth")),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="crm.automationrule",
                        verbose_name="automation rule",
                    ),
                ),
            ],
            options={
                "verbose_name": "automation run",
                "verbose_name_plural": "automation runs",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="automationrule",
            index=models.Index(
                condition=models.Q(("is_active", True)), fields=["trigger"], name="automation_rule_running"
            ),
        ),
        migrations.AddConstraint(
            model_name="automationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_active", False),
                    models.Q(("archived_at", None), ("stopped_at", None)),
                    _connector="OR",
                ),
                name="automation_rule_runs_or_is_stopped",
                violation_error_message="A rule that is stopped or in the trash does not run.",
            ),
        ),
        migrations.AddIndex(
            model_name="automationrun",
            index=models.Index(fields=["rule", "subject", "at"], name="automation_run_of_subject"),
        ),
        migrations.AddIndex(
            model_name="automationrun",
            index=models.Index(fields=["at"], name="automation_run_at"),
        ),
        migrations.AddConstraint(
            model_name="automationrun",
            constraint=models.UniqueConstraint(fields=("rule", "event_id"), name="automation_run_once"),
        ),
    ]
