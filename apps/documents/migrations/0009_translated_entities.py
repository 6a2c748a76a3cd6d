"""What a company of ours says of itself on papers in another language."""

from django.db import migrations, models

import apps.documents.models.templates


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0008_retention"),
    ]

    operations = [
        migrations.AddField(
            model_name="legalentity",
            name="translations",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                validators=[apps.documents.models.templates.check_translations],
                verbose_name="in other languages",
            ),
        ),
    ]
