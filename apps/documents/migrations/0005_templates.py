"""What papers are made from. A document's number, once given, and a template's version, once published, stay."""

import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# A signed document's own trigger says so in its own words.
NUMBER_STAYS = """
create function documents_refuse_number_change() returns trigger language plpgsql as $$
begin
    raise exception 'a document keeps its number'
        using errcode = 'check_violation', constraint = 'document_number_stays', table = tg_table_name;
end $$;
create trigger document_number_stays before update of number on documents_document
    for each row when (
        old.number is not null and new.number is distinct from old.number and old.status not in ('SIGNED', 'VOID')
    ) execute function documents_refuse_number_change();
"""
DROP_NUMBER_STAYS = """
drop trigger document_number_stays on documents_document;
drop function documents_refuse_number_change();
"""

# Deletion is judged at commit: a published version may go only together with its template.
VERSIONS_STAY = """
create function documents_refuse_template_change() returns trigger language plpgsql as $$
begin
    raise exception 'a published version of a template never changes'
        using errcode = 'check_violation', constraint = 'template_version_published', table = tg_table_name;
end $$;
create function documents_refuse_template_delete() returns trigger language plpgsql as $$
begin
    if exists (select 1 from documents_template where id = old.template_id) then
        raise exception 'a published version of a template is deleted only together with it'
            using errcode = 'check_violation', constraint = 'template_version_published', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger template_version_unchanged before update on documents_templateversion
    for each row when (
        old.published_at is not null
        or (new.template_id, new.number, new.blob_id, new.text)
            is distinct from (old.template_id, old.number, old.blob_id, old.text)
    ) execute function documents_refuse_template_change();
create constraint trigger template_version_kept after delete on documents_templateversion
    deferrable initially deferred for each row when (old.published_at is not null)
    execute function documents_refuse_template_delete();
"""
DROP_VERSIONS_STAY = """
drop trigger template_version_kept on documents_templateversion;
drop trigger template_version_unchanged on documents_templateversion;
drop function documents_refuse_template_delete();
drop function documents_refuse_template_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0004_sharing"),
        ("jobs", "0002_search_trigrams"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LegalEntity",
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
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "full_name",
                    models.CharField(blank=True, default="", max_length=400, verbose_name="full legal name"),
                ),
                ("tax_id", models.CharField(blank=True, default="", max_length=32, verbose_name="tax id")),
                (
                    "registration_number",
                    models.CharField(
                        blank=True, default="", max_length=64, verbose_name="registration number"
                    ),
                ),
                ("address", models.CharField(blank=True, default="", max_length=400, verbose_name="address")),
                ("phone", models.CharField(blank=True, default="", max_length=64, verbose_name="phone")),
                ("email", models.EmailField(blank=True, default="", max_length=254, verbose_name="e-mail")),
                ("website", models.CharField(blank=True, default="", max_length=200, verbose_name="website")),
                ("bank_name", models.CharField(blank=True, default="", max_length=200, verbose_name="bank")),
                (
                    "bank_code",
                    models.CharField(blank=True, default="", max_length=32, verbose_name="bank code"),
                ),
                ("account", models.CharField(blank=True, default="", max_length=64, verbose_name="account")),
                (
                    "correspondent_account",
                    models.CharField(
                        blank=True, default="", max_length=64, verbose_name="correspondent account"
                    ),
                ),
                (
                    "signatory_name",
                    models.CharField(blank=True, default="", max_length=150, verbose_name="signs"),
                ),
                (
                    "signatory_title",
                    models.CharField(blank=True, default="", max_length=150, verbose_name="position"),
                ),
                (
                    "signatory_in_text",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="As contracts have it after “represented by”, in the case that your language wants there.",
                        max_length=250,
                        verbose_name="signatory in running text",
                    ),
                ),
                (
                    "signatory_basis",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="A charter, a power of attorney.",
                        max_length=150,
                        verbose_name="signs on the basis of",
                    ),
                ),
                (
                    "tax_percent",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="What prices include; empty where you pay none.",
                        max_digits=5,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="VAT, %",
                    ),
                ),
                (
                    "number_prefix",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Sets papers of this company apart from those of your others, which count for themselves.",
                        max_length=8,
                        validators=[
                            django.core.validators.RegexValidator("^[\\w-]*$", "Letters, digits and hyphens.")
                        ],
                        verbose_name="prefix of numbers",
                    ),
                ),
                (
                    "is_default",
                    models.BooleanField(
                        default=False, help_text="Papers are written in its name.", verbose_name="usual one"
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
                    "logo",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="documents.blob",
                        verbose_name="logo",
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
                "verbose_name": "company of ours",
                "verbose_name_plural": "companies of ours",
                "permissions": [("archive_legalentity", "Can archive and restore companies of ours")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at", None)),
                        fields=("number_prefix",),
                        name="legal_entity_prefix_unique",
                        violation_error_message="Another company of yours has this prefix: their numbers would collide.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("is_default",),
                        name="legal_entity_one_default",
                        violation_error_message="Another company is the usual one.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_default", False), ("archived_at", None), _connector="OR"),
                        name="legal_entity_default_active",
                        violation_error_message="The usual company stays: make another the usual one first.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NumberSequence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("series", models.CharField(max_length=100, verbose_name="series")),
                ("year", models.PositiveSmallIntegerField(verbose_name="year")),
                ("last", models.BigIntegerField(verbose_name="last number")),
            ],
            options={
                "verbose_name": "series of numbers",
                "verbose_name_plural": "series of numbers",
                "constraints": [
                    models.UniqueConstraint(fields=("series", "year"), name="number_sequence_unique"),
                    models.CheckConstraint(
                        condition=models.Q(("last__gt", 0)), name="number_sequence_positive"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Template",
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
                ("code", models.SlugField(verbose_name="code")),
                ("name", models.CharField(max_length=150, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[("DOCX", "Word"), ("TYPST", "Typst")],
                        default="DOCX",
                        max_length=8,
                        verbose_name="made with",
                    ),
                ),
                (
                    "locale",
                    models.CharField(
                        choices=[("en", "English"), ("ru", "Russian")], max_length=8, verbose_name="language"
                    ),
                ),
                ("source", models.CharField(blank=True, default="", max_length=64, verbose_name="about")),
                ("description", models.TextField(blank=True, default="", verbose_name="notes")),
                (
                    "is_shipped",
                    models.BooleanField(
                        default=False, editable=False, verbose_name="comes with the platform"
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
                    "document_type",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="templates",
                        to="documents.documenttype",
                        verbose_name="makes",
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
                "verbose_name": "template",
                "verbose_name_plural": "templates",
                "permissions": [
                    ("archive_template", "Can archive and restore templates"),
                    ("publish_template", "Can publish versions of templates"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("code", "locale"),
                        name="template_code_locale_unique",
                        violation_error_message="There is a template of this code in this language already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TemplateVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                (
                    "file_name",
                    models.CharField(blank=True, default="", max_length=255, verbose_name="file name"),
                ),
                ("text", models.TextField(blank=True, default="", verbose_name="source text")),
                ("variables", models.JSONField(blank=True, default=list, verbose_name="what is asked")),
                (
                    "found",
                    models.JSONField(blank=True, default=list, editable=False, verbose_name="what it names"),
                ),
                ("comment", models.CharField(blank=True, default="", max_length=500, verbose_name="comment")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "published_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="published"),
                ),
                (
                    "blob",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="documents.blob",
                        verbose_name="file",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="documents.template",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "version of a template",
                "verbose_name_plural": "versions of templates",
                "constraints": [
                    models.UniqueConstraint(fields=("template", "number"), name="template_version_unique"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("blob__isnull", False), ("text", "")),
                            models.Q(("blob", None), models.Q(("text", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="template_version_one_content",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="template",
            name="current_version",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="documents.templateversion",
                verbose_name="version in use",
            ),
        ),
        migrations.CreateModel(
            name="Generation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "target_model",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="about"),
                ),
                ("target_id", models.BigIntegerField(null=True, verbose_name="id")),
                (
                    "target_role",
                    models.CharField(
                        choices=[
                            ("ATTACHMENT", "attachment"),
                            ("CONTRACT", "contract"),
                            ("INVOICE", "invoice"),
                            ("ACT", "act"),
                            ("QUOTE", "quote"),
                        ],
                        default="ATTACHMENT",
                        max_length=16,
                    ),
                ),
                ("title", models.CharField(max_length=300, verbose_name="title")),
                ("paper_date", models.DateField(verbose_name="date of the paper")),
                (
                    "inputs",
                    models.JSONField(
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="what was typed",
                    ),
                ),
                (
                    "data",
                    models.JSONField(
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="facts",
                    ),
                ),
                (
                    "input_hash",
                    models.CharField(max_length=64, verbose_name="digest of all that it was made of"),
                ),
                ("key", models.CharField(max_length=100, verbose_name="key of the request")),
                ("request_hash", models.CharField(editable=False, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="asked")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="made")),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="generations",
                        to="documents.document",
                        verbose_name="document",
                    ),
                ),
                (
                    "document_version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.documentversion",
                        verbose_name="version",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
                        verbose_name="job",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked by",
                    ),
                ),
                (
                    "legal_entity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="documents.legalentity",
                        verbose_name="in whose name",
                    ),
                ),
                (
                    "template_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="generations",
                        to="documents.templateversion",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "paper being made",
                "verbose_name_plural": "papers being made",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "key"), name="generation_key_unique")
                ],
                "indexes": [models.Index(fields=["owner", "-id"], name="generation_owner_latest")],
            },
        ),
        migrations.RunSQL(NUMBER_STAYS, DROP_NUMBER_STAYS),
        migrations.RunSQL(VERSIONS_STAY, DROP_VERSIONS_STAY),
    ]
