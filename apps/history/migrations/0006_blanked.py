"""Rows whose former values were erased."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("history", "0005_creations")]

    operations = [
        migrations.CreateModel(
            name="Blanked",
            fields=[
                ("about", models.CharField(max_length=120, primary_key=True, serialize=False)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"default_permissions": ()},
        ),
    ]
