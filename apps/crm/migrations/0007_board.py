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
-- A place that somebody gave a card is one in its stage: in another, whoever moved it there, it stands where it entered.
create function crm_forget_place() returns trigger language plpgsql as $$
begin
    new.ranked_at := null;
    return new;
end $$;
create trigger deal_place_of_stage before update of stage_id on crm_deal for each row
    when (old.stage_id is distinct from new.stage_id and old.ranked_at is not distinct from new.ranked_at)
    execute function crm_forget_place();
create trigger deal_board_insert after insert on crm_deal
    referencing new table as new_rows for each statement execute function crm_tell_board();
create trigger deal_board_update after update on crm_deal
    referencing old table as old_rows new table as new_rows for each statement execute function crm_tell_board();
create trigger deal_board_delete after delete on crm_deal
    referencing old table as old_rows for each statement execute function crm_tell_board();
"""
# One round trip for whoever asks how far a board is. The counter's row is locked only where there is something new.
NUMBER = """
create function crm_number_board(of_pipeline bigint, most integer, out epoch uuid, out seq bigint)
language plpgsql as $$
begin
    select b.epoch, b.seq into epoch, seq from crm_board as b where b.pipeline_id = of_pipeline;
    if found and not exists (
        select from crm_boardchange as c where c.pipeline_id = of_pipeline and c.seq is null
    ) then
        return;
    end if;
    insert into crm_board (pipeline_id, epoch, seq)
    select id, gen_random_uuid(), 0 from crm_pipeline where id = of_pipeline on conflict do nothing;
    select b.epoch, b.seq into epoch, seq from crm_board as b where b.pipeline_id = of_pipeline for update;
    if not found then
        return;
    end if;
    with taken as (
        delete from crm_boardchange as c where c.pipeline_id = of_pipeline and c.seq is null
        returning c.deal_ids, c.stage_ids
    ), named as (
        select distinct unnest(deal_ids) as id from taken limit most + 1
    ), summed as (
        select (select count(*) from named) > most or bool_or(deal_ids is null) as is_many from taken having count(*) > 0
    )
    insert into crm_boardchange (pipeline_id, seq, deal_ids, stage_ids)
    select of_pipeline, crm_number_board.seq + 1,
        case when not is_many then (select array_agg(id order by id) from named) end,
        (select array_agg(distinct id order by id) from taken cross join unnest(stage_ids) as id)
    from summed;
    if found then
        update crm_board as b set seq = b.seq + 1 where b.pipeline_id = of_pipeline returning b.seq into seq;
    end if;
end $$;
"""
DROP_NUMBER = "drop function crm_number_board(bigint, integer);"
DROP_TRIGGERS = """
drop trigger deal_board_delete on crm_deal;
drop trigger deal_board_update on crm_deal;
drop trigger deal_board_insert on crm_deal;
drop trigger deal_place_of_stage on crm_deal;
drop function crm_forget_place();
drop function crm_tell_board();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0006_home_figures")]

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
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("pipeline_id", "seq"), name="board_change_number_unique")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("seq", None)), fields=["pipeline_id"], name="board_change_new"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="deal",
            name="ranked_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
        migrations.RunSQL(NUMBER, DROP_NUMBER),
    ]
