"""The calendar of next steps of everybody, built beside running work."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0018_personal")]

    operations = [
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                condition=models.Q(
                    ("archived_at", None), ("next_step_date__isnull", False), ("status", "OPEN")
                ),
                fields=["next_step_date"],
                include=(
                    *("owner", "team", "pipeline", "currency"),
                    *("amount", "amount_base", "probability", "id"),
                ),
                name="deal_next_step_day",
            ),
        ),
    ]
