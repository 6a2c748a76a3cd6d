"""Remembered columns are called what people call them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("crm", "0008_board_order")]

    operations = [
        migrations.AlterModelOptions(
            name="importmapping",
            options={
                "verbose_name": "remembered columns",
                "verbose_name_plural": "remembered columns",
            },
        ),
    ]
