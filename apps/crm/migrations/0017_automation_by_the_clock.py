"""Rules that act by the clock; what is added to tables in use locks them for a moment only."""

import django.db.models.deletion
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models

ONCE = "automation_run_once_a_day"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0016_automation")]

    operations = [
        migrations.AddField(
            model_name="automationrule",
            name="schedule",
            field=models.JSONField(blank=True, db_default={}, default=dict, verbose_name="schedule"),
        ),
        migrations.AddField(
            model_name="automationrule",
            name="next_due_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="acts next"),
        ),
        migrations.AddField(
            model_name="automationrule",
            name="started_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="running since"),
        ),
        migrations.AddField(
            model_name="automationrun",
            name="due_date",
            field=models.DateField(null=True, verbose_name="due"),
        ),
        migrations.AlterField(
            model_name="automationrun",
            name="event_id",
            field=models.BigIntegerField(null=True, verbose_name="event"),
        ),
        migrations.CreateModel(
            name="AutomationRound",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("first_date", models.DateField(verbose_name="from")),
                ("last_date", models.DateField(verbose_name="until")),
                ("after", models.BigIntegerField(default=0)),
                ("looked", models.PositiveIntegerField(default=0, verbose_name="looked at")),
                ("acted", models.PositiveIntegerField(default=0, verbose_name="acted on")),
                ("refused", models.PositiveIntegerField(default=0, verbose_name="refused")),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rounds",
                        to="crm.automationrule",
                        verbose_name="automation rule",
                    ),
                ),
            ],
            options={
                "verbose_name": "automation round",
                "verbose_name_plural": "automation rounds",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at", None)),
                        fields=["due_at"],
                        name="automation_round_under_way",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("rule", "due_at"), name="automation_round_once")
                ],
            },
        ),
        AddIndexConcurrently(
            model_name="automationrule",
            index=models.Index(
                condition=models.Q(("is_active", True)), fields=["next_due_at"], name="automation_rule_due"
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"create unique index concurrently {ONCE} on crm_automationrun (rule_id, subject, due_date)"
                    " where due_date is not null",
                    f"drop index concurrently {ONCE}",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="automationrun",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("due_date__isnull", False)),
                        fields=("rule", "subject", "due_date"),
                        name=ONCE,
                    ),
                )
            ],
        ),
        AddConstraintNotValid(
            model_name="automationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_date", None), ("event_id__isnull", False)),
                    models.Q(("due_date__isnull", False), ("event_id", None)),
                    _connector="OR",
                ),
                name="automation_run_of_fact_or_day",
            ),
        ),
        ValidateConstraint(model_name="automationrun", name="automation_run_of_fact_or_day"),
    ]
