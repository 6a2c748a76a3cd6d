import django.contrib.postgres.indexes
import django.contrib.postgres.operations
import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0002_tree_and_versions"),
        ("jobs", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        django.contrib.postgres.operations.TrigramExtension(),
        migrations.CreateModel(
            name="Company",
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
                    "external_source",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="external source"),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="external id"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "legal_name",
                    models.CharField(blank=True, default="", max_length=300, verbose_name="legal name"),
                ),
                ("tax_id", models.CharField(blank=True, default="", max_length=32, verbose_name="tax id")),
                ("domain", models.CharField(blank=True, default="", max_length=253, verbose_name="domain")),
                (
                    "industry",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="industry"),
                ),
                ("country", models.CharField(blank=True, default="", max_length=100, verbose_name="country")),
                ("city", models.CharField(blank=True, default="", max_length=100, verbose_name="city")),
                (
                    "founded_year",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="founded"),
                ),
                (
                    "employee_count",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="employees"),
                ),
                (
                    "annual_revenue",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=14,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="annual revenue, millions",
                    ),
                ),
                ("description", models.TextField(blank=True, default="", verbose_name="notes")),
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
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="crm.company",
                        verbose_name="part of",
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
                "verbose_name": "company",
                "verbose_name_plural": "companies",
                "permissions": [("archive_company", "Can archive and restore companies")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at", None), models.Q(("tax_id", ""), _negated=True)),
                        fields=("tax_id",),
                        name="company_tax_id_unique",
                        violation_error_message="A company with this tax id exists already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("parent", models.F("id")), _negated=True),
                            ("parent", None),
                            _connector="OR",
                        ),
                        name="company_not_its_own_parent",
                        violation_error_message="A company cannot be part of itself.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("external_source", "external_id"),
                        name="company_external_source_id_unique",
                        violation_error_message="Another row already came from this source under this id.",
                    ),
                ],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                        ),
                        name="company_name_trgm",
                    ),
                    models.Index(django.db.models.functions.text.Upper("name"), name="company_name_upper"),
                    models.Index(fields=["owner", "-id"], name="company_owner_latest"),
                    models.Index(fields=["team", "-id"], name="company_team_latest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportBatch",
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
                    "kind",
                    models.CharField(
                        choices=[
                            ("products", "products"),
                            ("users", "users and teams"),
                            ("companies", "companies"),
                            ("people", "people"),
                            ("deals", "deals"),
                        ],
                        max_length=16,
                        verbose_name="what",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("UPLOADED", "columns to be matched"),
                            ("REHEARSING", "being rehearsed"),
                            ("REHEARSED", "rehearsed"),
                            ("APPLYING", "being applied"),
                            ("APPLIED", "applied"),
                            ("FAILED", "failed"),
                            ("CANCELLED", "cancelled"),
                        ],
                        default="UPLOADED",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("filename", models.CharField(max_length=255, verbose_name="file")),
                ("storage_name", models.CharField(blank=True, default="", editable=False, max_length=255)),
                ("size", models.BigIntegerField(verbose_name="size, bytes")),
                ("sha256", models.CharField(editable=False, max_length=64)),
                ("dialect", models.JSONField(default=dict, verbose_name="how it is read")),
                ("header", models.JSONField(default=list, editable=False)),
                ("sample", models.JSONField(default=list, editable=False)),
                ("notices", models.JSONField(default=list, editable=False)),
                ("mapping", models.JSONField(default=dict, verbose_name="columns")),
                ("values", models.JSONField(default=dict, verbose_name="replacements")),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("UPSERT", "create new rows and update known ones"),
                            ("CREATE", "create new rows only"),
                            ("UPDATE", "update known rows only"),
                        ],
                        default="UPSERT",
                        max_length=6,
                        verbose_name="mode",
                    ),
                ),
                ("match_by", models.JSONField(default=list, verbose_name="recognize by")),
                ("options", models.JSONField(default=dict, verbose_name="options")),
                ("source", models.CharField(default="import", max_length=64, verbose_name="source")),
                ("counts", models.JSONField(default=dict, verbose_name="counts")),
                ("plan_digest", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("applied_to", models.JSONField(default=dict, editable=False)),
                ("skips_errors", models.BooleanField(default=False, editable=False)),
                ("applied_at", models.DateTimeField(editable=False, null=True, verbose_name="applied")),
                ("expired_at", models.DateTimeField(editable=False, null=True)),
                (
                    "apply_job",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
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
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "rehearse_job",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
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
                "verbose_name": "import",
                "verbose_name_plural": "imports",
                "default_permissions": ("add", "view", "change"),
            },
        ),
        migrations.CreateModel(
            name="LostReason",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                ("is_unknown", models.BooleanField(default=False, editable=False)),
                ("is_active", models.BooleanField(default=True, verbose_name="offered")),
            ],
            options={
                "verbose_name": "lost reason",
                "verbose_name_plural": "lost reasons",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_unknown", True)),
                        fields=("is_unknown",),
                        name="lost_reason_one_unknown",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Person",
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
                    "external_source",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="external source"),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="external id"),
                ),
                ("given_name", models.CharField(max_length=100, verbose_name="first name")),
                (
                    "family_name",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="last name"),
                ),
                (
                    "middle_name",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="middle name"),
                ),
                (
                    "full_name",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.text.Trim(
                            django.db.models.functions.text.Concat(
                                "given_name",
                                models.Value(" "),
                                "family_name",
                                output_field=models.TextField(),
                            )
                        ),
                        output_field=models.CharField(max_length=201),
                        verbose_name="name",
                    ),
                ),
                (
                    "job_title",
                    models.CharField(blank=True, default="", max_length=150, verbose_name="position"),
                ),
                ("locale", models.CharField(blank=True, default="", max_length=8, verbose_name="language")),
                ("description", models.TextField(blank=True, default="", verbose_name="notes")),
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
                "verbose_name": "person",
                "verbose_name_plural": "people",
                "permissions": [("archive_person", "Can archive and restore people")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("external_source", "external_id"),
                        name="person_external_source_id_unique",
                        violation_error_message="Another row already came from this source under this id.",
                    )
                ],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("full_name"), name="gin_trgm_ops"
                        ),
                        name="person_full_name_trgm",
                    ),
                    models.Index(fields=["owner", "-id"], name="person_owner_latest"),
                    models.Index(fields=["team", "-id"], name="person_team_latest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Pipeline",
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
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("is_default", models.BooleanField(default=False, verbose_name="default")),
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
                "verbose_name": "pipeline",
                "verbose_name_plural": "pipelines",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("is_default",),
                        name="pipeline_one_default",
                        violation_error_message="There is a default pipeline already.",
                    ),
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        condition=models.Q(("archived_at", None)),
                        name="pipeline_name_unique",
                        violation_error_message="There is a pipeline of this name already.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Deal",
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
                    "external_source",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="external source"),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="external id"),
                ),
                (
                    "number",
                    models.CharField(editable=False, max_length=20, unique=True, verbose_name="number"),
                ),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                (
                    "status",
                    models.CharField(
                        choices=[("OPEN", "open"), ("WON", "won"), ("LOST", "lost")],
                        default="OPEN",
                        editable=False,
                        max_length=4,
                        verbose_name="status",
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="amount",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$",
                                "A currency is three capital letters, as in RUB.",
                                code="currency",
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                (
                    "probability",
                    models.PositiveSmallIntegerField(
                        default=0,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="probability, %",
                    ),
                ),
                (
                    "is_probability_manual",
                    models.BooleanField(db_default=False, default=False, editable=False),
                ),
                (
                    "opened_date",
                    models.DateField(default=django.utils.timezone.localdate, verbose_name="opened"),
                ),
                (
                    "expected_close_date",
                    models.DateField(blank=True, null=True, verbose_name="expected close"),
                ),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="closed"),
                ),
                (
                    "lost_note",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=500, verbose_name="why exactly"
                    ),
                ),
                (
                    "next_step",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="next step"),
                ),
                ("next_step_date", models.DateField(blank=True, null=True, verbose_name="next step on")),
                (
                    "stage_entered_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="in this stage since"
                    ),
                ),
                ("description", models.TextField(blank=True, default="", verbose_name="notes")),
                (
                    "company",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="crm.company",
                        verbose_name="company",
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
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
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
                (
                    "lost_reason",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.lostreason",
                        verbose_name="lost reason",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="crm.person",
                        verbose_name="contact person",
                    ),
                ),
                (
                    "pipeline",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="crm.pipeline",
                        verbose_name="pipeline",
                    ),
                ),
            ],
            options={
                "verbose_name": "deal",
                "verbose_name_plural": "deals",
                "permissions": [
                    ("move_deal", "Can move deals between stages"),
                    ("win_deal", "Can win deals"),
                    ("lose_deal", "Can lose deals"),
                    ("reopen_deal", "Can reopen closed deals"),
                    ("assign_deal", "Can give deals to somebody else"),
                    ("archive_deal", "Can archive and restore deals"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount", None), ("amount__gte", 0), _connector="OR"),
                        name="deal_amount_not_negative",
                        violation_error_message="An amount cannot be negative.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("probability__lte", 100)),
                        name="deal_probability_percent",
                        violation_error_message="A probability is at most 100 %.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="deal_currency_code",
                        violation_error_message="A currency is three capital letters, as in RUB.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("lost_reason", None), ("status", "OPEN")),
                            models.Q(("closed_at__isnull", False), ("lost_reason", None), ("status", "WON")),
                            models.Q(
                                ("closed_at__isnull", False),
                                ("lost_reason__isnull", False),
                                ("status", "LOST"),
                            ),
                            _connector="OR",
                        ),
                        name="deal_closed_as_status_says",
                        violation_error_message="A won deal has a closing time, a lost one also a reason, an open one neither.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("external_source", "external_id"),
                        name="deal_external_source_id_unique",
                        violation_error_message="Another row already came from this source under this id.",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["owner", "-id"], name="deal_owner_latest"),
                    models.Index(fields=["team", "-id"], name="deal_team_latest"),
                    models.Index(fields=["status", "-id"], name="deal_status_latest"),
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("title"), name="gin_trgm_ops"
                        ),
                        name="deal_title_trgm",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Product",
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
                    "external_source",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="external source"),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="external id"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("sku", models.CharField(blank=True, default="", max_length=64, verbose_name="SKU")),
                ("family", models.CharField(blank=True, default="", max_length=100, verbose_name="family")),
                (
                    "price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="list price",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$",
                                "A currency is three capital letters, as in RUB.",
                                code="currency",
                            )
                        ],
                        verbose_name="currency",
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
                "verbose_name": "product",
                "verbose_name_plural": "products",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        condition=models.Q(("archived_at", None)),
                        name="product_name_unique",
                        violation_error_message="There is a product of this name already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at", None), models.Q(("sku", ""), _negated=True)),
                        fields=("sku",),
                        name="product_sku_unique",
                        violation_error_message="There is a product with this SKU already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price", None), ("price__gte", 0), _connector="OR"),
                        name="product_price_not_negative",
                        violation_error_message="A price cannot be negative.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("price", None), models.Q(("currency", ""), _negated=True), _connector="OR"
                        ),
                        name="product_price_has_currency",
                        violation_error_message="A price needs a currency.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("currency", ""), ("currency__regex", "^[A-Z]{3}$"), _connector="OR"
                        ),
                        name="product_currency_code",
                        violation_error_message="A currency is three capital letters, as in RUB.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("external_source", "external_id"),
                        name="product_external_source_id_unique",
                        violation_error_message="Another row already came from this source under this id.",
                    ),
                ],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                        ),
                        name="product_name_trgm",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DealLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        decimal_places=3,
                        default=1,
                        max_digits=12,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.001"))],
                        verbose_name="quantity",
                    ),
                ),
                (
                    "unit_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="unit price",
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0, verbose_name="position")),
                (
                    "deal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="crm.deal",
                        verbose_name="deal",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="crm.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "deal line",
                "verbose_name_plural": "deal lines",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)),
                        name="deal_line_quantity_positive",
                        violation_error_message="A quantity is more than zero.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("unit_price", None), ("unit_price__gte", 0), _connector="OR"),
                        name="deal_line_price_not_negative",
                        violation_error_message="A price cannot be negative.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Stage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[("OPEN", "open"), ("WON", "won"), ("LOST", "lost")],
                        default="OPEN",
                        max_length=4,
                        verbose_name="kind",
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                (
                    "probability",
                    models.PositiveSmallIntegerField(
                        default=0,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="probability, %",
                    ),
                ),
                (
                    "stale_after_days",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="stale after, days"),
                ),
                (
                    "pipeline",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stages",
                        to="crm.pipeline",
                        verbose_name="pipeline",
                    ),
                ),
            ],
            options={
                "verbose_name": "stage",
                "verbose_name_plural": "stages",
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("pipeline", "position"),
                        name="stage_position_unique",
                    ),
                    models.UniqueConstraint(
                        models.F("pipeline"),
                        django.db.models.functions.text.Upper("name"),
                        name="stage_name_unique",
                        violation_error_message="The pipeline has a stage of this name already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "WON")),
                        fields=("pipeline",),
                        name="stage_one_won",
                        violation_error_message="A pipeline has one won stage.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "LOST")),
                        fields=("pipeline",),
                        name="stage_one_lost",
                        violation_error_message="A pipeline has one lost stage.",
                    ),
                    models.UniqueConstraint(fields=("pipeline", "id", "kind"), name="stage_pipeline_id_kind"),
                    models.CheckConstraint(
                        condition=models.Q(("probability__lte", 100)),
                        name="stage_probability_percent",
                        violation_error_message="A probability is at most 100 %.",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="deal",
            name="stage",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deals",
                to="crm.stage",
                verbose_name="stage",
            ),
        ),
        migrations.CreateModel(
            name="StageTransition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                (
                    "face",
                    models.CharField(
                        choices=[
                            ("ADMIN", "admin"),
                            ("API", "API"),
                            ("BOT", "bot"),
                            ("IMPORT", "import"),
                            ("SYSTEM", "system"),
                        ],
                        max_length=8,
                        verbose_name="through",
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=500, verbose_name="reason")),
                (
                    "seconds_in_stage",
                    models.BigIntegerField(null=True, verbose_name="seconds in the stage before"),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=2, max_digits=18, null=True, verbose_name="amount then"
                    ),
                ),
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
                (
                    "deal",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transitions",
                        to="crm.deal",
                        verbose_name="deal",
                    ),
                ),
                (
                    "from_stage",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.stage",
                        verbose_name="from",
                    ),
                ),
                (
                    "to_stage",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.stage",
                        verbose_name="to",
                    ),
                ),
            ],
            options={
                "verbose_name": "stage change",
                "verbose_name_plural": "stage changes",
                "indexes": [
                    models.Index(
                        models.F("deal"),
                        models.OrderBy(models.F("id"), descending=True),
                        name="stage_transition_deal_latest",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("name", models.CharField(max_length=64, verbose_name="name")),
                (
                    "color",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^#[0-9a-f]{6}$", "A color is written as in #1a2b3c.", code="color"
                            )
                        ],
                        verbose_name="color",
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
                "verbose_name": "tag",
                "verbose_name_plural": "tags",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        name="tag_name_unique",
                        violation_error_message="There is a tag of this name already.",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="person",
            name="tags",
            field=models.ManyToManyField(
                blank=True, related_name="people", to="crm.tag", verbose_name="tags"
            ),
        ),
        migrations.AddField(
            model_name="deal",
            name="tags",
            field=models.ManyToManyField(blank=True, related_name="deals", to="crm.tag", verbose_name="tags"),
        ),
        migrations.AddField(
            model_name="company",
            name="tags",
            field=models.ManyToManyField(
                blank=True, related_name="companies", to="crm.tag", verbose_name="tags"
            ),
        ),
        migrations.CreateModel(
            name="ImportMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("products", "products"),
                            ("users", "users and teams"),
                            ("companies", "companies"),
                            ("people", "people"),
                            ("deals", "deals"),
                        ],
                        max_length=16,
                    ),
                ),
                ("header_digest", models.CharField(max_length=64)),
                ("mapping", models.JSONField()),
                ("values", models.JSONField(default=dict)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "kind", "header_digest"), name="import_mapping_unique"
                    )
                ],
            },
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
        migrations.CreateModel(
            name="Employment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(blank=True, default="", max_length=150, verbose_name="position")),
                ("is_primary", models.BooleanField(default=True, verbose_name="primary")),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="employments",
                        to="crm.company",
                        verbose_name="company",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="employments",
                        to="crm.person",
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "employment",
                "verbose_name_plural": "employments",
                "constraints": [
                    models.UniqueConstraint(fields=("person", "company"), name="employment_unique"),
                    models.UniqueConstraint(
                        condition=models.Q(("is_primary", True)),
                        fields=("person",),
                        name="employment_one_primary",
                        violation_error_message="A person has one primary employment.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContactPoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("EMAIL", "e-mail"), ("PHONE", "phone"), ("TELEGRAM", "Telegram")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("raw", models.CharField(max_length=254, verbose_name="value")),
                ("value", models.CharField(editable=False, max_length=254, verbose_name="normalized")),
                ("is_primary", models.BooleanField(default=False, verbose_name="primary")),
                (
                    "company",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contact_points",
                        to="crm.company",
                        verbose_name="company",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contact_points",
                        to="crm.person",
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact",
                "verbose_name_plural": "contacts",
                "indexes": [
                    models.Index(
                        condition=models.Q(("person__isnull", False)),
                        fields=["person"],
                        name="contact_point_person",
                    ),
                    models.Index(
                        condition=models.Q(("company__isnull", False)),
                        fields=["company"],
                        name="contact_point_company",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("person", None), ("company", None), _connector="XOR"),
                        name="contact_point_has_one_holder",
                        violation_error_message="A contact belongs to either a person or a company.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at", None)),
                        fields=("kind", "value"),
                        name="contact_point_value_unique",
                        violation_error_message="Somebody else has this contact already.",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(fields=["pipeline", "stage", "-id"], name="deal_stage_latest"),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(fields=["stage", "-id"], name="deal_stage_only_latest"),
        ),
    ]
