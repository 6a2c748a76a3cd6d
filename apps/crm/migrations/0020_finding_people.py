"""What people are looked for by who ask to be forgotten, built beside running work."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0019_next_steps_by_day")]

    operations = [
        AddIndexConcurrently(
            model_name="importrow",
            index=models.Index(
                fields=["target_id"],
                condition=models.Q(("target_id__isnull", False)),
                name="import_row_target",
            ),
        ),
        AddIndexConcurrently(
            model_name="mail", index=models.Index(Upper("sender"), name="mail_sender_upper")
        ),
        AddIndexConcurrently(
            model_name="mail", index=GinIndex(fields=["to"], name="mail_to", opclasses=["jsonb_path_ops"])
        ),
        AddIndexConcurrently(
            model_name="mail", index=GinIndex(fields=["cc"], name="mail_cc", opclasses=["jsonb_path_ops"])
        ),
        AddIndexConcurrently(
            model_name="unmatchedmail", index=models.Index(fields=["sender"], name="unmatched_mail_sender")
        ),
    ]
