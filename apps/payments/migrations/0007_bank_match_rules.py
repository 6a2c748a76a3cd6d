"""What is matched of a line is the sum of its matches at every commit, and a match is taken back and never changed."""

from django.db import migrations

RULES = """
create function payments_count_matches() returns trigger language plpgsql as $$
declare
    judged bigint;
    counted bigint;
    said bigint;
begin
    if tg_table_name = 'payments_bankline' then
        judged := new.id;
    else
        judged := new.line_id;
    end if;
    select matched_minor into said from payments_bankline where id = judged;
    if not found then
        return null;
    end if;
    select coalesce(sum(amount_minor), 0) into counted
    from payments_bankmatch where line_id = judged and released_at is null;
    if counted <> said then
        raise exception 'line % says % is matched, its matches come to %', judged, said, counted
            using errcode = 'check_violation', constraint = 'bank_match_counted', table = tg_table_name;
    end if;
    return null;
end $$;
create constraint trigger bank_match_counted after insert or update of matched_minor on payments_bankline
    deferrable initially deferred for each row execute function payments_count_matches();
create constraint trigger bank_match_counted after insert or update on payments_bankmatch
    deferrable initially deferred for each row execute function payments_count_matches();

create function payments_refuse_match_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.released_at is null
        and (new.line_id, new.payment_id, new.amount_minor, new.is_payment_made, new.allocation_ids)
            is not distinct from (old.line_id, old.payment_id, old.amount_minor, old.is_payment_made, old.allocation_ids)
    then
        return new;
    end if;
    raise exception 'a match is taken back, and never changed'
        using errcode = 'check_violation', constraint = 'bank_match_frozen', table = tg_table_name;
end $$;
create trigger bank_match_frozen before update or delete on payments_bankmatch
    for each row execute function payments_refuse_match_change();
"""
NO_RULES = """
drop trigger bank_match_frozen on payments_bankmatch;
drop function payments_refuse_match_change();
drop trigger bank_match_counted on payments_bankmatch;
drop trigger bank_match_counted on payments_bankline;
drop function payments_count_matches();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_bank_match")]

    operations = [migrations.RunSQL(RULES, NO_RULES)]
