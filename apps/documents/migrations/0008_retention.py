"""Why a document is on hold or void, who may give one away, and a current version that goes with its document."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("documents", "0007_drive"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="document",
            options={
                "permissions": [
                    ("archive_document", "Can archive and restore documents"),
                    ("assign_document", "Can give documents to somebody else"),
                    ("hold_document", "Can put documents on legal hold"),
                    ("void_document", "Can declare documents void"),
                    ("share_document", "Can share documents by link"),
                ],
                "verbose_name": "document",
                "verbose_name_plural": "documents",
            },
        ),
        migrations.AddField(
            model_name="document",
            name="hold_reason",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=500,
                verbose_name="why it is on hold",
            ),
        ),
        migrations.AddField(
            model_name="document",
            name="void_reason",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=500,
                verbose_name="why it is void",
            ),
        ),
        migrations.AlterField(
            model_name="document",
            name="current_version",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="documents.documentversion",
                verbose_name="current version",
            ),
        ),
        migrations.AlterField(
            model_name="documentlink",
            name="target_id",
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name="documentlink",
            name="target_type",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contenttypes.contenttype",
            ),
        ),
    ]
