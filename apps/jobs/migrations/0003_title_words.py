"""Titles are said in the language of whoever reads them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_search_trigrams")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="title_words",
            field=models.JSONField(db_default={}, default=dict, editable=False),
        ),
    ]
