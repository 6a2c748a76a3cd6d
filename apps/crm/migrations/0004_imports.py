"""Imports: rows under a composite key without checked references, and the values that rows name others by."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0003_deal_rules"),
    ]

    operations = [
        migrations.DeleteModel("ImportRow"),
        migrations.AddField(
            model_name="importbatch",
            name="applied_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="applied"),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="applied_to",
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="expired_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="notices",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="skips_errors",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="source",
            field=models.CharField(default="import", max_length=64, verbose_name="source"),
        ),
        migrations.CreateModel(
            name="ImportReference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("field", models.CharField(max_length=64)),
                ("key", models.TextField()),
                ("value", models.TextField()),
                ("count", models.PositiveIntegerField()),
                ("target_id", models.BigIntegerField(null=True)),
                ("code", models.CharField(blank=True, default="", max_length=32)),
                ("suggestion", models.TextField(blank=True, default="")),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="references",
                        to="crm.importbatch",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "field", "key"), name="import_reference_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportRow",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "batch_id", "line", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("line", models.PositiveIntegerField(verbose_name="line")),
                ("data", models.JSONField()),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("C", "new"),
                            ("U", "changed"),
                            ("S", "unchanged"),
                            ("E", "error"),
                            ("X", "changed meanwhile"),
                        ],
                        max_length=1,
                        verbose_name="verdict",
                    ),
                ),
                ("errors", models.JSONField(null=True)),
                ("target_id", models.BigIntegerField(null=True)),
                ("target_version", models.PositiveIntegerField(null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="crm.importbatch",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("verdict__in", ["E", "X"])),
                        fields=["batch", "line"],
                        name="import_row_refused",
                    )
                ],
            },
        ),
    ]
