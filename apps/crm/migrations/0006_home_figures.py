"""What the home page's figures, and the lists behind them, are read from; made beside running work."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# Of the recorded changes only those of a deal's amount: a few in a thousand, so that recording the others costs nothing.
AMOUNT_CHANGES = """
create index concurrently if not exists change_of_deal_amount on history_change (at)
    where model = 'crm.deal' and op = 'U' and new ? 'amount';
"""
DROP_AMOUNT_CHANGES = "drop index concurrently if exists change_of_deal_amount;"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0005_search_trigrams"), ("history", "0002_recording")]

    operations = [
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                fields=["owner", "next_step_date"],
                include=["stage", "currency", "amount", "probability", "stage_entered_at", "team", "id"],
                condition=models.Q(archived_at=None, status="OPEN"),
                name="deal_open_worth",
            ),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                fields=["status", "closed_at"],
                include=["currency", "amount", "owner", "team", "id"],
                condition=models.Q(archived_at=None, closed_at__isnull=False),
                name="deal_closed_worth",
            ),
        ),
        AddIndexConcurrently(
            model_name="stagetransition",
            index=models.Index(
                fields=["at"],
                include=["deal", "actor", "from_stage", "to_stage"],
                name="stage_transition_at",
            ),
        ),
        migrations.RunSQL(AMOUNT_CHANGES, DROP_AMOUNT_CHANGES),
    ]
