"""Access events: a record that only grows, chained and guarded by the database itself."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The text that is hashed: each value with its length in bytes in front, "-" where there is none, so that no two rows
# share a text. Whoever verifies builds it anew without asking this function.
TEXT = """
create function accounts_auth_event_hash(event accounts_authevent) returns text language sql stable as $$
    select encode(sha256(convert_to(event.previous || string_agg(
        coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-'), ',' order by at
    ), 'UTF8')), 'hex')
    from unnest(array[
        event.id::text,
        event.position::text,
        to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        event.kind,
        event.user_id::text,
        event.actor_id::text,
        event.impersonator_id::text,
        host(event.address),
        event.agent,
        event.request_id,
        event.data::text
    ]) with ordinality as field (value, at)
$$;
"""
TEXT_BACK = "drop function accounts_auth_event_hash(accounts_authevent);"

# An event gets its place in the chain when its transaction commits: until then nobody waits for anybody, however long
# the transaction. The last event's row is locked from there to the end of the commit, and read by a statement of its
# own, so the chain has neither gaps nor forks; under a snapshot that is too old the transaction is refused.
#
# It takes two rounds of deferred triggers. The first only queues the event for the second, which comes after all other
# constraints have been checked: who holds the chain waits for no row any more, so two cannot wait for one another.
CHAIN = """
create table accounts_autheventqueue (event_id bigint primary key);

create function accounts_auth_event_queue() returns trigger language plpgsql as $$
begin
    insert into accounts_autheventqueue values (new.id);
    return null;
end $$;

create function accounts_auth_event_chain() returns trigger language plpgsql as $$
declare
    head accounts_autheventhead;
    event accounts_authevent;
begin
    perform 1 from accounts_autheventqueue where event_id = new.event_id;
    if not found then
        -- Chained already, together with the first of its transaction.
        return null;
    end if;
    select * into head from accounts_autheventhead where id = 1 for no key update;
    if not found then
        insert into accounts_autheventhead (id, count, hash) values (1, 0, '') on conflict do nothing;
        select * into strict head from accounts_autheventhead where id = 1 for no key update;
    end if;
    -- The queue shows nobody but this transaction's events: those of others are not committed, or not there any more.
    for event in
        select e.* from accounts_authevent e join accounts_autheventqueue on event_id = e.id
        where position is null order by e.id
    loop
        event.position := head.count + 1;
        event.previous := head.hash;
        event.hash := accounts_auth_event_hash(event);
        update accounts_authevent
            set position = event.position, previous = event.previous, hash = event.hash where id = event.id;
        head.count := event.position;
        head.hash := event.hash;
    end loop;
    delete from accounts_autheventqueue;
    -- Once, for each version of the row that a transaction makes has to be passed by the next.
    update accounts_autheventhead set count = head.count, hash = head.hash where id = 1;
    return null;
end $$;

create constraint trigger auth_event_queue after insert on accounts_authevent
    deferrable initially deferred for each row execute function accounts_auth_event_queue();
create constraint trigger auth_event_chain after insert on accounts_autheventqueue
    deferrable initially deferred for each row execute function accounts_auth_event_chain();
"""
CHAIN_BACK = """
drop table accounts_autheventqueue;
drop trigger auth_event_queue on accounts_authevent;
drop function accounts_auth_event_chain();
drop function accounts_auth_event_queue();
"""

# The only change is being chained, by the trigger above. An owner of the table can turn triggers off; these stay on for
# restores and replication roles too, and whoever verifies sees whether they are on.
GUARD = """
create function accounts_auth_event_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.position is null and new.previous = '' and new.hash = '' then
            return new;
        end if;
    elsif tg_op = 'UPDATE' then
        if pg_trigger_depth() > 1 and old.position is null and new.position is not null
            and to_jsonb(old) - array['position', 'previous', 'hash']
                = to_jsonb(new) - array['position', 'previous', 'hash'] then
            return new;
        end if;
    end if;
    raise exception 'access events are only ever added' using errcode = 'check_violation',
        constraint = 'auth_event_append_only', table = 'accounts_authevent';
end $$;

create function accounts_auth_event_head_guard() returns trigger language plpgsql as $$
begin
    if tg_op in ('INSERT', 'UPDATE') and pg_trigger_depth() > 1 then
        return new;
    end if;
    raise exception 'the head of the access events follows them' using errcode = 'check_violation',
        constraint = 'auth_event_append_only', table = 'accounts_autheventhead';
end $$;

create trigger auth_event_guard before insert or update or delete on accounts_authevent
    for each row execute function accounts_auth_event_guard();
create trigger auth_event_guard_all before truncate on accounts_authevent
    for each statement execute function accounts_auth_event_guard();
create trigger auth_event_head_guard before insert or update or delete on accounts_autheventhead
    for each row execute function accounts_auth_event_head_guard();
create trigger auth_event_head_guard_all before truncate on accounts_autheventhead
    for each statement execute function accounts_auth_event_head_guard();

alter table accounts_authevent enable always trigger auth_event_queue;
alter table accounts_autheventqueue enable always trigger auth_event_chain;
alter table accounts_authevent enable always trigger auth_event_guard;
alter table accounts_authevent enable always trigger auth_event_guard_all;
alter table accounts_autheventhead enable always trigger auth_event_head_guard;
alter table accounts_autheventhead enable always trigger auth_event_head_guard_all;
"""
GUARD_BACK = """
drop trigger auth_event_head_guard_all on accounts_autheventhead;
drop trigger auth_event_head_guard on accounts_autheventhead;
drop trigger auth_event_guard_all on accounts_authevent;
drop trigger auth_event_guard on accounts_authevent;
drop function accounts_auth_event_head_guard();
drop function accounts_auth_event_guard();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_signing_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuthEventHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("count", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="auth_event_head_is_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="AuthEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(editable=False, verbose_name="when")),
                ("kind", models.CharField(editable=False, max_length=50, verbose_name="what")),
                ("address", models.GenericIPAddressField(editable=False, null=True, verbose_name="address")),
                (
                    "agent",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=300, verbose_name="program"
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="request"
                    ),
                ),
                ("data", models.JSONField(default=dict, editable=False, verbose_name="details")),
                (
                    "position",
                    models.BigIntegerField(editable=False, null=True, unique=True, verbose_name="position"),
                ),
                (
                    "previous",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="hash before it"
                    ),
                ),
                (
                    "hash",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="hash"
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="done by",
                    ),
                ),
                (
                    "impersonator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="in their name",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "access event",
                "verbose_name_plural": "access events",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["kind", "-at", "-id"], name="auth_event_kind_latest"),
                    models.Index(fields=["user", "-at", "-id"], name="auth_event_user_latest"),
                    models.Index(fields=["actor", "-at", "-id"], name="auth_event_actor_latest"),
                    models.Index(fields=["address", "-at", "-id"], name="auth_event_address_latest"),
                    models.Index(fields=["-at", "-id"], name="auth_event_latest"),
                    models.Index(fields=["request_id"], name="auth_event_request"),
                ],
            },
        ),
        migrations.RunSQL(TEXT, TEXT_BACK),
        migrations.RunSQL(CHAIN, CHAIN_BACK),
        migrations.RunSQL(GUARD, GUARD_BACK),
    ]
