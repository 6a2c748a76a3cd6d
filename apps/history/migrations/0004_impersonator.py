"""A change set names both, where somebody acted as somebody else."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The function of the first migration; what is new in it are the two places that say "impersonator".
CHANGE_SET = """
create or replace function history_change_set() returns bigint language plpgsql as $$
declare
    told jsonb := nullif(current_setting('artel.change_set', true), '')::jsonb;
    -- "<uid> <id>" of the change set that this transaction has used last.
    known text := coalesce(current_setting('artel.change_set_known', true), '');
    set_id bigint;
begin
    if split_part(known, ' ', 1) = coalesce(told ->> 'uid', 'unnamed') then
        return split_part(known, ' ', 2)::bigint;
    end if;
    insert into history_changeset (uid, at, actor_id, impersonator_id, face, label, reason, request_id, job_id, reverts_id)
    values (
        coalesce((told ->> 'uid')::uuid, gen_random_uuid()),
        now(),
        (told ->> 'actor')::bigint,
        (told ->> 'impersonator')::bigint,
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
CHANGE_SET_BACK = """
create or replace function history_change_set() returns bigint language plpgsql as $$
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


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0003_versions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="changeset",
            name="impersonator",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="who acted as them",
            ),
        ),
        migrations.RunSQL(CHANGE_SET, CHANGE_SET_BACK),
    ]
