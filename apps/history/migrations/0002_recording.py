"""What writes history: one function for every tracked table, called once per statement with all of its rows."""

from django.db import migrations

# The change set of the running transaction. The face that does the work names it in a setting that ends with the
# transaction, so that a pooled connection carries nothing over; the row is made here, by the first change. Work that
# named nothing gets a change set of its own per transaction: no change is ever without one.
CHANGE_SET = """
create function history_change_set() returns bigint language plpgsql as $$
declare
    told jsonb := nullif(current_setting('artel.change_set', true), '')::jsonb;
    -- "<uid> <id>" of the change set that this transaction has used last.
    known text := coalesce(current_setting('artel.change_set_known', true), '');
    set_id bigint;
begin
    if split_part(known, ' ', 1) = coalesce(told ->> 'uid', 'unnamed') then
        return split_part(known, ' ', 2)::bigint;
    end if;
    insert into history_changeset (uid, at, actor_id, face, label, reason, request_id, job_id, reverts_id)
    values (
        coalesce((told ->> 'uid')::uuid, gen_random_uuid()),
        now(),
        (told ->> 'actor')::bigint,
        coalesce(told ->> 'face', 'SYSTEM'),
        coalesce(told ->> 'label', ''),
        coalesce(told ->> 'reason', ''),
        coalesce(told ->> 'request', ''),
        (told ->> 'job')::bigint,
        (told ->> 'reverts')::bigint
    )
    on conflict (uid) do nothing
    returning id into set_id;
    if set_id is null then
        select id into strict set_id from history_changeset where uid = (told ->> 'uid')::uuid;
    end if;
    perform set_config('artel.change_set_known', coalesce(told ->> 'uid', 'unnamed') || ' ' || set_id, true);
    return set_id;
end $$;
"""
DROP_CHANGE_SET = "drop function history_change_set();"

# Arguments: model ("crm.deal"); its primary key's column; columns never recorded; columns that follow every change and
# are no change by themselves; then, once or twice, a model and the column that points at its row: the row that the
# change is told about ("crm.deal:42"), the first that is not null. Lists are separated by commas.
#
# A few rows are compared as JSON, by statements whose plans are kept: what one saved form costs. Many rows are first
# compared column by column, over the whole statement; JSON is then built of the columns that differ anywhere, which
# costs a quarter of building it of all.
#
# Columns of any name stand beside the variables here: hence the directive, and the long names of rows.
RECORD = """
create function history_record() returns trigger language plpgsql as $$
#variable_conflict use_variable
declare
    key text := tg_argv[1];
    unrecorded text[] := string_to_array(tg_argv[2], ',');
    quiet text[] := string_to_array(tg_argv[3], ',');
    comparisons text;
    changed text[];
    matched bigint;
    written bigint;
begin
    if tg_op = 'INSERT' then
        insert into history_change (change_set_id, model, row_id, about, op, at, new)
        select history_change_set(), tg_argv[0], r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'I', now(), r
        from (select to_jsonb(new_row) - unrecorded as r from new_rows new_row) as rows;
        return null;
    elsif tg_op = 'DELETE' then
        insert into history_change (change_set_id, model, row_id, about, op, at, old)
        select history_change_set(), tg_argv[0], r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'D', now(), r
        from (select to_jsonb(old_row) - unrecorded as r from old_rows old_row) as rows;
        return null;
    end if;
    select count(*) into written from new_rows;
    if written <= 10 then
        insert into history_change (change_set_id, model, row_id, about, op, at, old, new)
        select history_change_set(), tg_argv[0], r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'U', now(), difference.old, difference.new
        from (select to_jsonb(new_row) - unrecorded as r from new_rows new_row) as after
        left join (select to_jsonb(old_row) as p from old_rows old_row) as before on p -> key = r -> key
        cross join lateral (
            select jsonb_object_agg(field.key, p -> field.key) as old, jsonb_object_agg(field.key, field.value) as new
            from jsonb_each(r - quiet) as field
            where field.value is distinct from p -> field.key
            having count(*) > 0
        ) as difference;
        select count(*) into matched
        from old_rows old_row join new_rows new_row on to_jsonb(old_row) -> key = to_jsonb(new_row) -> key;
    else
        select string_agg(
            format('case when bool_or(o.%1$I is distinct from n.%1$I) then %1$L end', attname), ', ')
        into comparisons
        from pg_attribute
        where attrelid = tg_relid and attnum > 0 and not attisdropped and attname <> all (unrecorded || quiet || key);
        execute format(
            'select array_remove(array[%s]::text[], null), count(*) from old_rows o join new_rows n using (%I)',
            comparisons, key
        ) into changed, matched;
        if cardinality(changed) > 0 then
            execute (
                select format(
                    'insert into history_change (change_set_id, model, row_id, about, op, at, old, new) '
                    'select $1, $2, n.%1$I::text, coalesce(%2$s), ''U'', now(), '
                    'jsonb_build_object(%3$s), jsonb_build_object(%4$s) '
                    'from old_rows o join new_rows n using (%1$I) where (%5$s) is distinct from (%6$s)',
                    key,
                    concat_ws(', ', format('%L || n.%I', tg_argv[4] || ':', tg_argv[5]),
                        case when tg_argv[6] <> '' then format('%L || n.%I', tg_argv[6] || ':', tg_argv[7]) end),
                    string_agg(format('%1$L, o.%1$I', name), ', '),
                    string_agg(format('%1$L, n.%1$I', name), ', '),
                    string_agg(format('o.%I', name), ', '),
                    string_agg(format('n.%I', name), ', ')
                ) from unnest(changed) as name
            ) using history_change_set(), tg_argv[0];
        end if;
    end if;
    if matched <> written then
        raise exception 'the primary key of a row never changes' using errcode = 'check_violation',
            constraint = 'history_key_stays', table = tg_table_name;
    end if;
    return null;
end $$;
"""
DROP_RECORD = "drop function history_record();"


class Migration(migrations.Migration):
    dependencies = [("history", "0001_initial")]

    operations = [
        migrations.RunSQL(CHANGE_SET, DROP_CHANGE_SET),
        migrations.RunSQL(RECORD, DROP_RECORD),
    ]
