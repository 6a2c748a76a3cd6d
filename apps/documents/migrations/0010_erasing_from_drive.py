"""Files of erased documents go from Google Drive by a task of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0009_translated_entities"),
    ]

    operations = [
        migrations.AlterField(
            model_name="synctask",
            name="kind",
            field=models.CharField(
                choices=[
                    ("PULL", "read what changed"),
                    ("BINDING", "bring a document in step"),
                    ("TAKE_IN", "take a new file in"),
                    ("RECONCILE", "compare everything"),
                    ("PROBE", "probe a folder"),
                    ("ERASE", "erase a file there"),
                ],
                max_length=9,
            ),
        ),
    ]
