"""
What the database itself keeps true about teams and permissions.

A team's path follows its parent, below it too, and no team comes to stand under itself. Whatever changes what somebody
may do raises their `perm_version`, whoever writes it.
"""

from django.db import migrations

TREE = """
create function accounts_team_place() returns trigger language plpgsql as $$
declare
    above text := '/';
begin
    if tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id then
        -- One move at a time: two at once could each be right and make a circle together.
        perform pg_advisory_xact_lock(hashtext('accounts_team.parent_id'));
    end if;
    if new.parent_id is not null then
        select path into above from accounts_team where id = new.parent_id;
        if above is null and new.parent_id <> new.id then
            raise exception 'team % is not there', new.parent_id using errcode = 'foreign_key_violation';
        end if;
        if new.parent_id = new.id or position('/' || new.id || '/' in above) > 0 then
            raise exception 'team % would be part of itself', new.id
                using errcode = 'check_violation', constraint = 'team_cycle', table = 'accounts_team';
        end if;
    end if;
    new.path := above || new.id || '/';
    return new;
end $$;

create function accounts_team_replace_below() returns trigger language plpgsql as $$
begin
    update accounts_team set path = new.path where parent_id = new.id;
    return null;
end $$;

create trigger team_place before insert or update on accounts_team
    for each row execute function accounts_team_place();
create trigger team_replace_below after update on accounts_team
    for each row when (old.path is distinct from new.path) execute function accounts_team_replace_below();
"""

TREE_BACK = """
drop trigger team_replace_below on accounts_team;
drop trigger team_place on accounts_team;
drop function accounts_team_replace_below();
drop function accounts_team_place();
"""

VERSIONS = """
create function accounts_user_perm_version() returns trigger language plpgsql as $$
begin
    -- A row saved from an older copy must not turn the number back.
    new.perm_version := greatest(old.perm_version, new.perm_version);
    if (new.is_active, new.is_superuser, new.is_staff) is distinct from
            (old.is_active, old.is_superuser, old.is_staff) then
        new.perm_version := greatest(new.perm_version, old.perm_version + 1);
    end if;
    return new;
end $$;

create function accounts_membership_touched() returns trigger language plpgsql as $$
begin
    update accounts_user set perm_version = perm_version + 1
        where id in (select user_id from touched);
    return null;
end $$;

create function accounts_grant_touched() returns trigger language plpgsql as $$
begin
    update accounts_user set perm_version = perm_version + 1
        where id in (select m.user_id from accounts_membership m join touched using (role_id));
    return null;
end $$;

-- A team that comes, moves, or goes to the trash matters to its members and to those of the teams above it.
create function accounts_team_touched() returns trigger language plpgsql as $$
begin
    update accounts_user set perm_version = perm_version + 1 where id in (
        select m.user_id from accounts_membership m join accounts_team t on t.id = m.team_id
        join touched on starts_with(touched.path, t.path)
    );
    return null;
end $$;

create function accounts_team_moved() returns trigger language plpgsql as $$
begin
    update accounts_user set perm_version = perm_version + 1 where id in (
        select m.user_id from accounts_membership m join accounts_team t on t.id = m.team_id
        join (
            select was.path as old_path, now.path as new_path from before_it was join after_it now using (id)
            where was.path <> now.path or was.archived_at is distinct from now.archived_at
        ) moved on starts_with(moved.old_path, t.path) or starts_with(moved.new_path, t.path)
    );
    return null;
end $$;

create trigger user_perm_version before update on accounts_user
    for each row execute function accounts_user_perm_version();
create trigger membership_added after insert on accounts_membership
    referencing new table as touched
    for each statement execute function accounts_membership_touched();
create trigger membership_removed after delete on accounts_membership
    referencing old table as touched
    for each statement execute function accounts_membership_touched();
create trigger membership_was after update on accounts_membership
    referencing old table as touched
    for each statement execute function accounts_membership_touched();
create trigger membership_is after update on accounts_membership
    referencing new table as touched
    for each statement execute function accounts_membership_touched();
create trigger grant_added after insert on accounts_rolegrant
    referencing new table as touched
    for each statement execute function accounts_grant_touched();
create trigger grant_removed after delete on accounts_rolegrant
    referencing old table as touched
    for each statement execute function accounts_grant_touched();
create trigger grant_was after update on accounts_rolegrant
    referencing old table as touched
    for each statement execute function accounts_grant_touched();
create trigger grant_is after update on accounts_rolegrant
    referencing new table as touched
    for each statement execute function accounts_grant_touched();
create trigger team_added after insert on accounts_team
    referencing new table as touched
    for each statement execute function accounts_team_touched();
create trigger team_removed after delete on accounts_team
    referencing old table as touched
    for each statement execute function accounts_team_touched();
create trigger team_moved after update on accounts_team
    referencing old table as before_it new table as after_it
    for each statement execute function accounts_team_moved();
"""

VERSIONS_BACK = """
drop trigger team_moved on accounts_team;
drop trigger team_removed on accounts_team;
drop trigger team_added on accounts_team;
drop trigger grant_is on accounts_rolegrant;
drop trigger grant_was on accounts_rolegrant;
drop trigger grant_removed on accounts_rolegrant;
drop trigger grant_added on accounts_rolegrant;
drop trigger membership_is on accounts_membership;
drop trigger membership_was on accounts_membership;
drop trigger membership_removed on accounts_membership;
drop trigger membership_added on accounts_membership;
drop trigger user_perm_version on accounts_user;
drop function accounts_team_moved();
drop function accounts_team_touched();
drop function accounts_grant_touched();
drop function accounts_membership_touched();
drop function accounts_user_perm_version();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(TREE, TREE_BACK),
        migrations.RunSQL(VERSIONS, VERSIONS_BACK),
    ]
