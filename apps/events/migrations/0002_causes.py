"""What led to a fact, and how often something that acts by itself stands in between."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="caused_by",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="event",
            name="depth",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
