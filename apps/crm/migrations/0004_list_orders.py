"""What lists are sorted by, and the trash: built beside running work, each for itself."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0003_deal_rules")]

    operations = [
        AddIndexConcurrently(
            model_name="company",
            index=models.Index(fields=["name", "id"], name="company_by_name"),
        ),
        AddIndexConcurrently(
            model_name="company",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)),
                fields=["-id"],
                name="company_trash_latest",
            ),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(fields=["amount", "id"], name="deal_by_amount"),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(fields=["stage_entered_at", "id"], name="deal_by_stage_entered"),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(fields=["expected_close_date", "id"], name="deal_by_expected_close"),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(fields=["title", "id"], name="deal_by_title"),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)), fields=["-id"], name="deal_trash_latest"
            ),
        ),
        AddIndexConcurrently(
            model_name="person",
            index=models.Index(fields=["full_name", "id"], name="person_by_name"),
        ),
        AddIndexConcurrently(
            model_name="person",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)), fields=["-id"], name="person_trash_latest"
            ),
        ),
    ]
