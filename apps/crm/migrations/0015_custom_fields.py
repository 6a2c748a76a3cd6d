"""Further fields: their catalog, and a column with a default of the database, which rewrites no table."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

KEY = "^[a-z][a-z0-9_]{0,39}$"
KEY_TEXT = "A key begins with a letter: small Latin letters, digits and underscores, 40 at most."
CUSTOMISED = ("company", "person", "deal", "lead")


def signature(verbose_name):
    return models.ForeignKey(
        blank=True,
        db_index=False,
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
        verbose_name=verbose_name,
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("crm", "0014_reports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CustomField",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "version",
                    models.PositiveIntegerField(default=1, editable=False, verbose_name="version"),
                ),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                (
                    "model",
                    models.CharField(
                        choices=[
                            ("company", "companies"),
                            ("person", "people"),
                            ("deal", "deals"),
                            ("lead", "leads"),
                        ],
                        max_length=16,
                        verbose_name="of",
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        max_length=40,
                        validators=[django.core.validators.RegexValidator(KEY, KEY_TEXT, code="key")],
                        verbose_name="key",
                    ),
                ),
                ("label", models.CharField(max_length=100, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("TEXT", "text"),
                            ("NUMBER", "number"),
                            ("DATE", "date"),
                            ("CHOICE", "choice"),
                            ("REFERENCE", "reference"),
                            ("FLAG", "yes or no"),
                        ],
                        max_length=9,
                        verbose_name="kind",
                    ),
                ),
                ("choices", models.JSONField(blank=True, default=list, verbose_name="choices")),
                (
                    "target",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("crm.company", "company"),
                            ("crm.person", "person"),
                            ("crm.deal", "deal"),
                            ("crm.product", "product"),
                            ("accounts.user", "user"),
                        ],
                        default="",
                        max_length=16,
                        verbose_name="refers to",
                    ),
                ),
                ("is_required", models.BooleanField(default=False, verbose_name="required")),
                ("position", models.PositiveIntegerField(default=0, verbose_name="position")),
                ("created_by", signature("created by")),
                ("updated_by", signature("changed by")),
            ],
            options={
                "verbose_name": "further field",
                "verbose_name_plural": "further fields",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("model", "key"),
                        name="custom_field_key_unique",
                        violation_error_message="There is a field with this key already, maybe in the trash.",
                    ),
                    models.UniqueConstraint(
                        models.F("model"),
                        django.db.models.functions.text.Upper("label"),
                        condition=models.Q(("archived_at", None)),
                        name="custom_field_label_unique",
                        violation_error_message="There is a field of this name already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", KEY)),
                        name="custom_field_key",
                        violation_error_message=KEY_TEXT,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "REFERENCE"), models.Q(("target", ""), _negated=True)),
                            models.Q(models.Q(("kind", "REFERENCE"), _negated=True), ("target", "")),
                            _connector="OR",
                        ),
                        name="custom_field_target",
                        violation_error_message="A reference says to what; other kinds refer to nothing.",
                    ),
                ],
            },
        ),
        *[
            migrations.AddField(
                model_name=model_name,
                name="custom",
                field=models.JSONField(
                    blank=True, db_default={}, default=dict, editable=False, verbose_name="further fields"
                ),
            )
            for model_name in CUSTOMISED
        ],
        *[
            AddIndexConcurrently(
                model_name=model_name,
                index=GinIndex(fields=["custom"], name=f"{model_name}_custom", opclasses=["jsonb_path_ops"]),
            )
            for model_name in CUSTOMISED
        ],
    ]
