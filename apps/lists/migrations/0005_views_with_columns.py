"""A view also says which columns there are, in which order, and how the rows are laid out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lists", "0004_saved_views"),
    ]

    operations = [
        migrations.AddField(
            model_name="savedview",
            name="columns",
            field=models.JSONField(blank=True, db_default=[], default=list, verbose_name="columns"),
        ),
        migrations.AddField(
            model_name="savedview",
            name="layout",
            field=models.CharField(
                choices=[
                    ("LIST", "list"),
                    ("BOARD", "board"),
                    ("CALENDAR", "calendar"),
                    ("FORECAST", "months"),
                ],
                db_default="LIST",
                default="LIST",
                max_length=8,
                verbose_name="layout",
            ),
        ),
        migrations.AddField(
            model_name="savedview",
            name="sort",
            field=models.JSONField(blank=True, db_default=[], default=list, verbose_name="order"),
        ),
        # Those that there are were kept by boards.
        migrations.RunSQL(
            "update lists_savedview set layout = 'BOARD' where page like 'crm.deal.board:%'",
            migrations.RunSQL.noop,
        ),
    ]
