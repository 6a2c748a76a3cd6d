"""Prices by book and day, lines with discount and tax, quotes, and what stages ask for; made beside running work."""

import decimal

import apps.accounts.models.people
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    BtreeGistExtension,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models.functions import Upper

# What was sent is on record, and what was answered stays answered. Who looked, where the link leads and which paper was
# made of it come later, the paper once.
FROZEN = """
create function crm_refuse_quote_change() returns trigger language plpgsql as $$
begin
    if old.status <> 'DRAFT' and (
        (new.deal_id, new.number, new.revision, new.currency, new.valid_until, new.introduction, new.terms, new.locale,
            new.recipient_name, new.recipient_email, new.net_minor, new.tax_minor, new.taxes, new.sent_at)
        is distinct from
        (old.deal_id, old.number, old.revision, old.currency, old.valid_until, old.introduction, old.terms, old.locale,
            old.recipient_name, old.recipient_email, old.net_minor, old.tax_minor, old.taxes, old.sent_at)
        or (old.paper_digest <> '' and new.paper_digest <> old.paper_digest)
        or new.status = 'DRAFT'
    ) or old.status not in ('DRAFT', 'SENT') and (
        (new.status, new.decided_at, new.decided_by_name, new.decided_address, new.decided_agent, new.rejected_reason)
        is distinct from
        (old.status, old.decided_at, old.decided_by_name, old.decided_address, old.decided_agent, old.rejected_reason)
    ) then
        raise exception 'a quote that was sent is never changed'
            using errcode = 'check_violation', constraint = 'quote_frozen', table = tg_table_name;
    end if;
    return new;
end $$;
create function crm_refuse_quote_line_change() returns trigger language plpgsql as $$
begin
    if exists (select 1 from crm_quote where status <> 'DRAFT'
               and id in (case when tg_op <> 'INSERT' then old.quote_id end, case when tg_op <> 'DELETE' then new.quote_id end))
    then
        raise exception 'a quote that was sent is never changed'
            using errcode = 'check_violation', constraint = 'quote_frozen', table = tg_table_name;
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
create trigger quote_frozen before update on crm_quote
    for each row execute function crm_refuse_quote_change();
create trigger quote_line_frozen before insert or update on crm_quoteline
    for each row execute function crm_refuse_quote_line_change();
-- Judged at commit: lines may go in the transaction in which their quote goes.
create constraint trigger quote_line_kept after delete on crm_quoteline
    deferrable initially deferred for each row execute function crm_refuse_quote_line_change();
"""
DROP_FROZEN = """
drop trigger quote_line_kept on crm_quoteline;
drop trigger quote_line_frozen on crm_quoteline;
drop trigger quote_frozen on crm_quote;
drop function crm_refuse_quote_line_change();
drop function crm_refuse_quote_change();
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("crm", "0011_leads"),
        ("documents", "0008_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name="PriceBook",
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
                ("is_tax_included", models.BooleanField(default=True, verbose_name="prices include VAT")),
            ],
            options={
                "verbose_name": "price book",
                "verbose_name_plural": "price books",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("name"),
                        condition=models.Q(("archived_at", None)),
                        name="price_book_name_unique",
                        violation_error_message="There is a price book of this name already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at", None), ("is_default", True)),
                        fields=("is_default",),
                        name="price_book_one_default",
                        violation_error_message="There is a default price book already.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceBookEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
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
                    "price",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(decimal.Decimal("0"))],
                        verbose_name="price",
                    ),
                ),
                ("valid_from", models.DateField(verbose_name="valid from")),
                ("valid_until", models.DateField(blank=True, null=True, verbose_name="valid until")),
            ],
            options={
                "verbose_name": "price",
                "verbose_name_plural": "prices",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_until", None),
                            ("valid_until__gte", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="price_ends_after_it_begins",
                        violation_error_message="A price cannot end before it begins.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price__gte", 0)),
                        name="price_not_negative",
                        violation_error_message="A price cannot be negative.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="price_currency_code",
                        violation_error_message="A currency is three capital letters, as in RUB.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Quote",
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
                ("number", models.CharField(editable=False, max_length=20, verbose_name="number")),
                ("revision", models.PositiveSmallIntegerField(editable=False, verbose_name="revision")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("DRAFT", "draft"),
                            ("SENT", "sent"),
                            ("ACCEPTED", "accepted"),
                            ("REJECTED", "rejected"),
                            ("EXPIRED", "expired"),
                            ("SUPERSEDED", "superseded"),
                        ],
                        default="DRAFT",
                        editable=False,
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        editable=False,
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
                ("valid_until", models.DateField(verbose_name="valid until")),
                (
                    "introduction",
                    models.TextField(blank=True, default="", max_length=4000, verbose_name="introduction"),
                ),
                ("terms", models.TextField(blank=True, default="", max_length=4000, verbose_name="terms")),
                (
                    "locale",
                    models.CharField(
                        max_length=8,
                        validators=[apps.accounts.models.people.validate_language],
                        verbose_name="language",
                    ),
                ),
                (
                    "recipient_name",
                    models.CharField(blank=True, default="", max_length=150, verbose_name="recipient"),
                ),
                (
                    "recipient_email",
                    models.EmailField(
                        blank=True, default="", max_length=254, verbose_name="recipient's e-mail"
                    ),
                ),
                ("net_minor", models.BigIntegerField(default=0, editable=False)),
                ("tax_minor", models.BigIntegerField(default=0, editable=False)),
                ("taxes", models.JSONField(default=list, editable=False)),
                ("sent_at", models.DateTimeField(editable=False, null=True, verbose_name="sent")),
                (
                    "paper_digest",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="SHA-256"
                    ),
                ),
                ("link", models.CharField(blank=True, default="", editable=False, max_length=300)),
                ("token_digest", models.CharField(editable=False, max_length=64, null=True, unique=True)),
                ("viewed_at", models.DateTimeField(editable=False, null=True, verbose_name="opened")),
                ("decided_at", models.DateTimeField(editable=False, null=True, verbose_name="answered")),
                (
                    "decided_by_name",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=150, verbose_name="answered by"
                    ),
                ),
                (
                    "decided_address",
                    models.GenericIPAddressField(editable=False, null=True, verbose_name="address"),
                ),
                (
                    "decided_agent",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=300, verbose_name="program"
                    ),
                ),
                (
                    "rejected_reason",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=1000, verbose_name="reason"
                    ),
                ),
            ],
            options={
                "verbose_name": "quote",
                "verbose_name_plural": "quotes",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sent_at", None), ("status", "DRAFT")),
                            models.Q(
                                models.Q(("status", "DRAFT"), _negated=True), ("sent_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="quote_sent_or_draft",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", False), ("status__in", ["ACCEPTED", "REJECTED"])),
                            models.Q(
                                models.Q(("status__in", ["ACCEPTED", "REJECTED"]), _negated=True),
                                ("decided_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="quote_decided_or_not",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "SENT")),
                        fields=["valid_until"],
                        name="quote_sent_until",
                    ),
                    GinIndex(OpClass(Upper("number"), name="gin_trgm_ops"), name="quote_number_trgm"),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuoteLine",
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
                        validators=[django.core.validators.MinValueValidator(decimal.Decimal("0.001"))],
                        verbose_name="quantity",
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=16, verbose_name="unit"
                    ),
                ),
                (
                    "discount_percent",
                    models.DecimalField(
                        db_default=0,
                        decimal_places=2,
                        default=0,
                        max_digits=5,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="discount, %",
                    ),
                ),
                (
                    "tax_rate",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
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
                    "is_tax_included",
                    models.BooleanField(db_default=True, default=True, verbose_name="price includes VAT"),
                ),
                ("position", models.PositiveSmallIntegerField(default=0, verbose_name="position")),
                ("name", models.CharField(max_length=300, verbose_name="name")),
                (
                    "unit_price",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="unit price",
                    ),
                ),
                ("amount_minor", models.BigIntegerField(editable=False, null=True)),
                ("net_minor", models.BigIntegerField(editable=False, null=True)),
                ("tax_minor", models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "quote line",
                "verbose_name_plural": "quote lines",
            },
        ),
        migrations.CreateModel(
            name="StageApproval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("criterion", models.CharField(editable=False, max_length=32)),
                ("note", models.CharField(blank=True, default="", max_length=500, verbose_name="note")),
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="asked"
                    ),
                ),
                (
                    "decision",
                    models.CharField(
                        choices=[("WAITING", "waiting"), ("APPROVED", "approved"), ("REFUSED", "refused")],
                        default="WAITING",
                        editable=False,
                        max_length=8,
                        verbose_name="decision",
                    ),
                ),
                ("decided_at", models.DateTimeField(editable=False, null=True, verbose_name="decided")),
                (
                    "reason",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=500, verbose_name="reason"
                    ),
                ),
            ],
            options={
                "verbose_name": "approval of a step",
                "verbose_name_plural": "approvals of steps",
            },
        ),
        migrations.AlterModelOptions(
            name="deal",
            options={
                "permissions": [
                    ("move_deal", "Can move deals between stages"),
                    ("win_deal", "Can win deals"),
                    ("lose_deal", "Can lose deals"),
                    ("reopen_deal", "Can reopen closed deals"),
                    ("assign_deal", "Can give deals to somebody else"),
                    ("approve_deal", "Can approve steps of deals"),
                    ("archive_deal", "Can archive and restore deals"),
                ],
                "verbose_name": "deal",
                "verbose_name_plural": "deals",
            },
        ),
        migrations.AddField(
            model_name="deal",
            name="amount_mode",
            field=models.CharField(
                choices=[
                    ("MANUAL", "entered by hand"),
                    ("LINES", "sum of the lines"),
                    ("QUOTE", "as in the accepted quote"),
                ],
                db_default="MANUAL",
                default="MANUAL",
                editable=False,
                max_length=6,
                verbose_name="amount is",
            ),
        ),
        migrations.AddField(
            model_name="dealline",
            name="description",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=300, verbose_name="description"
            ),
        ),
        migrations.AddField(
            model_name="dealline",
            name="discount_percent",
            field=models.DecimalField(
                db_default=0,
                decimal_places=2,
                default=0,
                max_digits=5,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="discount, %",
            ),
        ),
        migrations.AddField(
            model_name="dealline",
            name="is_tax_included",
            field=models.BooleanField(db_default=True, default=True, verbose_name="price includes VAT"),
        ),
        migrations.AddField(
            model_name="dealline",
            name="price_source",
            field=models.CharField(
                choices=[("MANUAL", "entered by hand"), ("LIST", "list price"), ("BOOK", "price book")],
                db_default="MANUAL",
                default="MANUAL",
                editable=False,
                max_length=6,
                verbose_name="price from",
            ),
        ),
        migrations.AddField(
            model_name="dealline",
            name="tax_rate",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                max_digits=5,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="VAT, %",
            ),
        ),
        migrations.AddField(
            model_name="dealline",
            name="unit",
            field=models.CharField(blank=True, db_default="", default="", max_length=16, verbose_name="unit"),
        ),
        migrations.AddField(
            model_name="product",
            name="tax_rate",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                max_digits=5,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="VAT, %",
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="unit",
            field=models.CharField(blank=True, db_default="", default="", max_length=16, verbose_name="unit"),
        ),
        migrations.AddField(
            model_name="stage",
            name="criteria_version",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="stage",
            name="exit_criteria",
            field=models.JSONField(blank=True, db_default=[], default=list, verbose_name="stage contract"),
        ),
        migrations.AlterField(
            model_name="dealline",
            name="product",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lines",
                to="crm.product",
                verbose_name="product",
            ),
        ),
        AddConstraintNotValid(
            model_name="dealline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("product__isnull", False), models.Q(("description", ""), _negated=True), _connector="OR"
                ),
                name="deal_line_says_what",
                violation_error_message="A line needs a product or a description.",
            ),
        ),
        AddConstraintNotValid(
            model_name="dealline",
            constraint=models.CheckConstraint(
                condition=models.Q(("discount_percent__gte", 0), ("discount_percent__lte", 100)),
                name="deal_line_discount_percent",
                violation_error_message="A discount is between 0 and 100 %.",
            ),
        ),
        AddConstraintNotValid(
            model_name="dealline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("tax_rate", None),
                    models.Q(("tax_rate__gte", 0), ("tax_rate__lte", 100)),
                    _connector="OR",
                ),
                name="deal_line_tax_percent",
                violation_error_message="VAT is between 0 and 100 %.",
            ),
        ),
        migrations.AddField(
            model_name="pricebook",
            name="created_by",
            field=models.ForeignKey(
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
        migrations.AddField(
            model_name="pricebook",
            name="updated_by",
            field=models.ForeignKey(
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
        migrations.AddField(
            model_name="pricebookentry",
            name="price_book",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="entries",
                to="crm.pricebook",
                verbose_name="price book",
            ),
        ),
        migrations.AddField(
            model_name="pricebookentry",
            name="product",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="prices",
                to="crm.product",
                verbose_name="product",
            ),
        ),
        migrations.AddField(
            model_name="quote",
            name="created_by",
            field=models.ForeignKey(
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
        migrations.AddField(
            model_name="quote",
            name="deal",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="quotes",
                to="crm.deal",
                verbose_name="deal",
            ),
        ),
        migrations.AddField(
            model_name="quote",
            name="document",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="documents.document",
                verbose_name="document",
            ),
        ),
        migrations.AddField(
            model_name="quote",
            name="updated_by",
            field=models.ForeignKey(
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
        migrations.AddField(
            model_name="quoteline",
            name="product",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="quote_lines",
                to="crm.product",
                verbose_name="product",
            ),
        ),
        migrations.AddField(
            model_name="quoteline",
            name="quote",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="lines",
                to="crm.quote",
                verbose_name="quote",
            ),
        ),
        migrations.AddField(
            model_name="stageapproval",
            name="deal",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="approvals",
                to="crm.deal",
                verbose_name="deal",
            ),
        ),
        migrations.AddField(
            model_name="stageapproval",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="decided by",
            ),
        ),
        migrations.AddField(
            model_name="stageapproval",
            name="requested_by",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="asked by",
            ),
        ),
        migrations.AddField(
            model_name="stageapproval",
            name="stage",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="crm.stage",
                verbose_name="stage",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebookentry",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("price_book", "="),
                    ("product", "="),
                    ("currency", "="),
                    (
                        models.Func(
                            "valid_from",
                            "valid_until",
                            django.contrib.postgres.fields.ranges.RangeBoundary(
                                inclusive_lower=True, inclusive_upper=True
                            ),
                            function="daterange",
                            output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="price_ranges_apart",
                violation_error_message="The product has another price in these days.",
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(fields=("deal", "revision"), name="quote_revision_unique"),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "ACCEPTED")),
                fields=("deal",),
                name="quote_one_accepted",
                violation_error_message="A quote of this deal was accepted already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "SENT")),
                fields=("deal",),
                name="quote_one_sent",
                violation_error_message="A quote of this deal is out already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "DRAFT")),
                fields=("deal",),
                name="quote_one_draft",
                violation_error_message="There is a draft of a quote already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="quoteline",
            constraint=models.UniqueConstraint(
                fields=("quote", "position"), name="quote_line_position_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="stageapproval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("decision__in", ["WAITING", "APPROVED"])),
                fields=("deal", "stage", "criterion"),
                name="stage_approval_once",
                violation_error_message="This was asked for already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="stageapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decided_by", None), ("decision", "WAITING")),
                    models.Q(
                        models.Q(("decision", "WAITING"), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="stage_approval_decided_by_somebody",
            ),
        ),
        ValidateConstraint(model_name="dealline", name="deal_line_says_what"),
        ValidateConstraint(model_name="dealline", name="deal_line_discount_percent"),
        ValidateConstraint(model_name="dealline", name="deal_line_tax_percent"),
        migrations.RunSQL(FROZEN, DROP_FROZEN),
    ]
