"""What a CHECK cannot say: deals agree with their stage, history stays, companies form a tree."""

from django.db import migrations

# No action on update: a stage cannot change its kind, nor its pipeline, while deals stand in it. Not deferrable, so
# that whoever tries hears it from the statement that did it.
STAGE_AGREES = """
alter table crm_deal add constraint deal_stage_agrees
    foreign key (pipeline_id, stage_id, status) references crm_stage (pipeline_id, id, kind);
"""
DROP_STAGE_AGREES = "alter table crm_deal drop constraint deal_stage_agrees;"

# Deletion is judged at commit: a transition may go only in the transaction in which its deal goes.
HISTORY_STAYS = """
create function crm_refuse_transition_change() returns trigger language plpgsql as $$
begin
    raise exception 'a stage transition is never changed'
        using errcode = 'check_violation', constraint = 'stage_transition_append_only', table = tg_table_name;
end $$;
create function crm_refuse_transition_delete() returns trigger language plpgsql as $$
begin
    if exists (select 1 from crm_deal where id = old.deal_id) then
        raise exception 'a stage transition is deleted only together with its deal'
            using errcode = 'check_violation', constraint = 'stage_transition_append_only', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger stage_transition_unchanged before update on crm_stagetransition
    for each row execute function crm_refuse_transition_change();
create constraint trigger stage_transition_kept after delete on crm_stagetransition
    deferrable initially deferred for each row execute function crm_refuse_transition_delete();
"""
DROP_HISTORY_STAYS = """
drop trigger stage_transition_kept on crm_stagetransition;
drop trigger stage_transition_unchanged on crm_stagetransition;
drop function crm_refuse_transition_delete();
drop function crm_refuse_transition_change();
"""

# After the statement, so that a set-based insert is judged as a whole. Two sessions that each hang one company under
# the other would both see no cycle: the advisory lock lets them look one after the other.
COMPANY_TREE = """
create function crm_refuse_company_cycle() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('crm_company.parent_id'));
    if exists (
        with recursive above (id, parent_id) as (
            select id, parent_id from crm_company where id = new.parent_id
            union
            select c.id, c.parent_id from crm_company as c join above on c.id = above.parent_id
        )
        select 1 from above where id = new.id
    ) then
        raise exception 'a company cannot be part of itself'
            using errcode = 'check_violation', constraint = 'company_parent_cycle', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger company_parent_cycle after insert or update of parent_id on crm_company
    for each row when (new.parent_id is not null) execute function crm_refuse_company_cycle();
"""
DROP_COMPANY_TREE = """
drop trigger company_parent_cycle on crm_company;
drop function crm_refuse_company_cycle();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_deal_numbers")]

    operations = [
        migrations.RunSQL(STAGE_AGREES, DROP_STAGE_AGREES),
        migrations.RunSQL(HISTORY_STAYS, DROP_HISTORY_STAYS),
        migrations.RunSQL(COMPANY_TREE, DROP_COMPANY_TREE),
    ]
