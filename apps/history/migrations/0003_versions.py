"""
A change says which version it made of its row, so that what a row was in a version can be told.

The version is no change by itself, as before: it only stands beside what changed.
"""

from django.db import migrations

# The function of the migration before; what is new in it are the two places that say 'version'.
RECORD = """
create or replace function history_record() returns trigger language plpgsql as $$
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
            select jsonb_object_agg(field.key, p -> field.key) as old,
                jsonb_object_agg(field.key, field.value) || case
                    when 'version' = any (quiet) and r -> 'version' is distinct from p -> 'version'
                    then jsonb_build_object('version', r -> 'version') else '{}'::jsonb
                end as new
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
                    string_agg(format('%1$L, n.%1$I', name), ', ')
                        || case when 'version' = any (quiet) then ', ''version'', n.version' else '' end,
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


class Migration(migrations.Migration):
    dependencies = [("history", "0002_recording")]

    # The function before takes what this one has written.
    operations = [migrations.RunSQL(RECORD, migrations.RunSQL.noop)]
