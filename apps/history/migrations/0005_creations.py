"""
Rows that are created many at a time are recorded by their keys alone, until they change.

What was recorded before stays as it is, and is read as ever.
"""

from importlib import import_module

import django.contrib.postgres.fields.ranges
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

# Statements with up to so many rows write each row's change at once, by statements whose plans are kept.
FEW = "create function history_few() returns bigint language sql immutable parallel safe as 'select 10'"
DROP_FEW = "drop function history_few()"

# The function of the migration before. New in it: many rows of an insert become ranges of keys, each with as many ids
# of changes that are kept for them; and an update or a deletion first writes what it finds of such rows as the change
# that their creation was. The rows are locked by their change, so that no two write the same one.
RECORD = """
create or replace function history_record() returns trigger language plpgsql as $$
#variable_conflict use_variable
declare
    key text := tg_argv[1];
    unrecorded text[] := string_to_array(tg_argv[2], ',');
    quiet text[] := string_to_array(tg_argv[3], ',');
    -- What a row `n` is told about.
    about text;
    comparisons text;
    changed text[];
    matched bigint;
    written bigint;
    is_numbered boolean;
begin
    if tg_op = 'INSERT' then
        select count(*) into written from new_rows;
    else
        select count(*) into written from old_rows;
    end if;
    if written > history_few() then
        about := concat_ws(', ', format('%L || n.%I', tg_argv[4] || ':', tg_argv[5]),
            case when tg_argv[6] <> '' then format('%L || n.%I', tg_argv[6] || ':', tg_argv[7]) end);
        is_numbered := exists (
            select from pg_attribute
            where attrelid = tg_relid and attname = key and atttypid in ('int8'::regtype, 'int4'::regtype)
        );
    end if;

    if tg_op = 'INSERT' then
        if is_numbered then
            execute format(
                'insert into history_creation (change_set_id, model, rows, first_change, at) '
                'select $1, $2, int8range(min(row_id), max(row_id), ''[]''), min(change_id), now() '
                'from (select row_id, place, nextval(''history_change_id_seq'') as change_id '
                'from (select n.%1$I::bigint as row_id, row_number() over (order by n.%1$I) as place from new_rows n) '
                'as rows) as numbered group by row_id - place, row_id - change_id',
                key
            ) using history_change_set(), tg_argv[0];
            return null;
        end if;
        insert into history_change (change_set_id, model, row_id, about, op, at, new)
        select history_change_set(), tg_argv[0], r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'I', now(), r
        from (select to_jsonb(new_row) - unrecorded as r from new_rows new_row) as rows;
        return null;
    end if;

    if is_numbered then
        execute format(
            'insert into history_change (id, change_set_id, model, row_id, about, op, at, new) '
            'select c.first_change + n.%1$I - lower(c.rows), c.change_set_id, c.model, n.%1$I::text, coalesce(%2$s), '
            '''I'', c.at, to_jsonb(n) - $1 '
            'from old_rows n join history_creation c on c.rows @> n.%1$I::bigint and c.model = $2 '
            'where not exists (select from history_change h where h.id = c.first_change + n.%1$I - lower(c.rows))',
            key, about
        ) using unrecorded, tg_argv[0];
    elsif written <= history_few() then
        insert into history_change (id, change_set_id, model, row_id, about, op, at, new)
        select c.first_change + number - lower(c.rows), c.change_set_id, c.model, r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'I', c.at, r
        from (
            select r, case jsonb_typeof(r -> key) when 'number' then (r ->> key)::bigint end as number
            from (select to_jsonb(old_row) - unrecorded as r from old_rows old_row) as read
        ) as rows
        join history_creation c on c.rows @> number and c.model = tg_argv[0]
        where not exists (select from history_change h where h.id = c.first_change + number - lower(c.rows));
    end if;

    if tg_op = 'DELETE' then
        insert into history_change (change_set_id, model, row_id, about, op, at, old)
        select history_change_set(), tg_argv[0], r ->> key,
            coalesce(tg_argv[4] || ':' || (r ->> tg_argv[5]), tg_argv[6] || ':' || (r ->> tg_argv[7])),
            'D', now(), r
        from (select to_jsonb(old_row) - unrecorded as r from old_rows old_row) as rows;
        return null;
    end if;
    if written <= history_few() then
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
                    about,
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

BEFORE = import_module("apps.history.migrations.0003_versions").RECORD
# On the way back every creation becomes a change of its own, which the function before reads and writes.
SPELL_OUT = """
do $$
declare
    told record;
begin
    for told in
        select c.oid::regclass as tab, string_to_array(encode(t.tgargs, 'escape'), '\\000') as args
        from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
        where p.proname = 'history_record' and t.tgname = 'history_insert'
            and c.relnamespace = current_schema()::regnamespace
    loop
        execute format(
            'insert into history_change (id, change_set_id, model, row_id, about, op, at, new) '
            'select c.first_change + (r ->> $2)::bigint - lower(c.rows), c.change_set_id, c.model, r ->> $2, '
            'coalesce($4 || '':'' || (r ->> $5), $6 || '':'' || (r ->> $7)), ''I'', c.at, r '
            'from (select to_jsonb(n) - string_to_array($3, '','') as r from %s n) as rows '
            'join history_creation c on c.model = $1 and jsonb_typeof(r -> $2) = ''number'' '
            'and c.rows @> (r ->> $2)::bigint on conflict (id) do nothing',
            told.tab
        ) using told.args[1], told.args[2], told.args[3], told.args[5], told.args[6], told.args[7], told.args[8];
    end loop;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("history", "0004_impersonator")]

    operations = [
        migrations.CreateModel(
            name="Creation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=80)),
                ("rows", django.contrib.postgres.fields.ranges.BigIntegerRangeField()),
                ("first_change", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "change_set",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="creations",
                        to="history.changeset",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["change_set", "model"], name="creation_of_set"),
                    django.contrib.postgres.indexes.GistIndex(fields=["rows"], name="creation_of_row"),
                ],
            },
        ),
        migrations.RunSQL(FEW, DROP_FEW),
        migrations.RunSQL(RECORD, [SPELL_OUT, BEFORE]),
    ]
