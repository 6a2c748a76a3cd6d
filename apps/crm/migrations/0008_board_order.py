"""The order of the board's columns, with what their figures are made of; built beside running work."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0007_board")]

    operations = [
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                F("stage"),
                Coalesce("ranked_at", "stage_entered_at").desc(),
                F("id").desc(),
                condition=Q(archived_at=None, status="OPEN"),
                include=("owner", "team", "currency", "amount"),
                name="deal_board",
            ),
        ),
    ]
