"""What a CHECK cannot say: versions stay as they are, signed documents too, and folders form a tree."""

from django.db import migrations

# Deletion is judged at commit: a version may go only in the transaction in which its document goes.
VERSIONS_STAY = """
create function documents_refuse_version_change() returns trigger language plpgsql as $$
begin
    raise exception 'a version of a document is never changed'
        using errcode = 'check_violation', constraint = 'document_version_append_only', table = tg_table_name;
end $$;
create function documents_refuse_version_delete() returns trigger language plpgsql as $$
begin
    if exists (select 1 from documents_document where id = old.document_id) then
        raise exception 'a version is deleted only together with its document'
            using errcode = 'check_violation', constraint = 'document_version_append_only', table = tg_table_name;
    end if;
    return null;
end $$;
create function documents_refuse_version_of_final() returns trigger language plpgsql as $$
begin
    if exists (select 1 from documents_document where id = new.document_id and status in ('SIGNED', 'VOID')) then
        raise exception 'a signed document gets no further version'
            using errcode = 'check_violation', constraint = 'document_signed_immutable', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger document_version_unchanged before update on documents_documentversion
    for each row execute function documents_refuse_version_change();
create constraint trigger document_version_kept after delete on documents_documentversion
    deferrable initially deferred for each row execute function documents_refuse_version_delete();
create trigger document_version_open before insert on documents_documentversion
    for each row execute function documents_refuse_version_of_final();
"""
DROP_VERSIONS_STAY = """
drop trigger document_version_open on documents_documentversion;
drop trigger document_version_kept on documents_documentversion;
drop trigger document_version_unchanged on documents_documentversion;
drop function documents_refuse_version_of_final();
drop function documents_refuse_version_delete();
drop function documents_refuse_version_change();
"""

# Void is what a signed document may still become; nothing leads out of void, and a hold is no way around it.
SIGNED_STAYS = """
create function documents_refuse_signed_change() returns trigger language plpgsql as $$
begin
    raise exception 'a signed document is never changed'
        using errcode = 'check_violation', constraint = 'document_signed_immutable', table = tg_table_name;
end $$;
create trigger document_signed_immutable before update on documents_document
    for each row when (
        old.status in ('SIGNED', 'VOID')
        and (
            (new.current_version_id, new.number, new.title, new.type_id)
                is distinct from (old.current_version_id, old.number, old.title, old.type_id)
            or not (new.status = old.status or (old.status = 'SIGNED' and new.status = 'VOID'))
        )
    ) execute function documents_refuse_signed_change();
create function documents_refuse_held_delete() returns trigger language plpgsql as $$
begin
    raise exception 'a document on legal hold, or to be kept until later, is not deleted'
        using errcode = 'check_violation', constraint = 'document_held', table = tg_table_name;
end $$;
create trigger document_held before delete on documents_document
    for each row when (old.has_legal_hold or old.retain_until_date >= current_date)
    execute function documents_refuse_held_delete();
"""
DROP_SIGNED_STAYS = """
drop trigger document_held on documents_document;
drop function documents_refuse_held_delete();
drop trigger document_signed_immutable on documents_document;
drop function documents_refuse_signed_change();
"""

# After the statement, so that a set-based insert is judged as a whole. Two sessions that each put one folder into the
# other would both see no cycle: the advisory lock lets them look one after the other.
FOLDER_TREE = """
create function documents_refuse_folder_cycle() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('documents_folder.parent_id'));
    if exists (
        with recursive above (id, parent_id) as (
            select id, parent_id from documents_folder where id = new.parent_id
            union
            select f.id, f.parent_id from documents_folder as f join above on f.id = above.parent_id
        )
        select 1 from above where id = new.id
    ) then
        raise exception 'a folder cannot lie in itself'
            using errcode = 'check_violation', constraint = 'folder_cycle', table = tg_table_name;
    end if;
    return null;
end $$;
create trigger folder_cycle after insert or update of parent_id on documents_folder
    for each row when (new.parent_id is not null) execute function documents_refuse_folder_cycle();
"""
DROP_FOLDER_TREE = """
drop trigger folder_cycle on documents_folder;
drop function documents_refuse_folder_cycle();
"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial")]

    operations = [
        migrations.RunSQL(VERSIONS_STAY, DROP_VERSIONS_STAY),
        migrations.RunSQL(SIGNED_STAYS, DROP_SIGNED_STAYS),
        migrations.RunSQL(FOLDER_TREE, DROP_FOLDER_TREE),
    ]
