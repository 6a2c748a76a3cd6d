"""The largest open deals of each month, built beside running work."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import apps.crm.models.deals


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0020_finding_people")]

    operations = [
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                apps.crm.models.deals.MonthOf("expected_close_date"),
                models.OrderBy(models.F("amount_base"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("archived_at", None), ("status", "OPEN")),
                include=("owner", "team"),
                name="deal_month_largest",
            ),
        ),
    ]
