"""What the board needs: where a card stands in its column, and what has changed, whoever changed it."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now

# One row for each statement and pipeline, so that a bulk change of thousands costs what a change of one does. Waits for
# nobody: numbers are given by who reads.
TRIGGERS = """
create function crm_tell_board() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into crm_boardchange (pipeline_id, deal_ids, stage_ids)
        select pipeline_id, case when count(*) <= 100 then array_agg(id) end, array_agg(distinct stage_id)
        from new_rows group by pipeline_id;
    elsif tg_op = 'DELETE' then
        insert into crm_boardchange (pipeline_id, deal_ids, stage_ids)
        select pipeline_id, case when count(*) <= 100 then array_agg(id) end, array_agg(distinct stage_id)
        from old_rows group by pipeline_id;
    else
        insert into crm_boardchange (pipeline_id, deal_ids, stage_ids)
        select pipeline_id, case when count(*) <= 200 then array_agg(distinct id) end, array_agg(distinct stage_id)
        from (
            select pipeline_id, stage_id, id from old_rows union all select pipeline_id, stage_id, id from new_rows
        ) as touched group by pipeline_id;
    end if;
    return null;
end $$;
create trigger deal_board_insert after insert on crm_deal
    referencing new table as new_rows for each statement execute function crm_tell_board();
create trigger deal_board_update after update on crm_deal
    referencing old table as old_rows new table as new_rows for each statement execute function crm_tell_board();
create trigger deal_board_delete after delete on crm_deal
    referencing old table as old_rows for each statement execute function crm_tell_board();
"""
DROP_TRIGGERS = """
drop trigger deal_board_delete on crm_deal;
drop trigger deal_board_update on crm_deal;
drop trigger deal_board_insert on crm_deal;
drop function crm_tell_board();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0005_search_trigrams")]

    operations = [
        migrations.CreateModel(
            name="Board",
            fields=[
                (
                    "pipeline",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="crm.pipeline",
                    ),
                ),
                ("epoch", models.UUIDField(default=uuid.uuid4)),
                ("seq", models.BigIntegerField(default=0)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="BoardChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("pipeline_id", models.BigIntegerField()),
                ("seq", models.BigIntegerField(null=True)),
                (
                    "deal_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), null=True, size=None
                    ),
                ),
                (
                    "stage_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                ("at", models.DateTimeField(db_default=Now(), default=django.utils.timezone.now)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddIndex(
            model_name="boardchange",
            index=models.Index(
                condition=models.Q(("seq", None)), fields=["pipeline_id"], name="board_change_new"
            ),
        ),
        migrations.AddConstraint(
            model_name="boardchange",
            constraint=models.UniqueConstraint(
                fields=("pipeline_id", "seq"), name="board_change_number_unique"
            ),
        ),
        migrations.AddField(
            model_name="deal",
            name="ranked_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
