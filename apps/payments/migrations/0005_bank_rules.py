"""What is never false, whoever writes: rates that were published and what a bank says of a line stay as they are."""

from django.db import migrations

RATES = """
create function payments_refuse_rate_change() returns trigger language plpgsql as $$
begin
    raise exception 'a rate that was published never changes'
        using errcode = 'check_violation', constraint = 'exchange_rate_immutable', table = tg_table_name;
end $$;
create trigger exchange_rate_immutable before update or delete on payments_exchangerate
    for each row execute function payments_refuse_rate_change();
create trigger exchange_rate_not_truncated before truncate on payments_exchangerate
    for each statement execute function payments_refuse_rate_change();
"""
NO_RATES = """
drop trigger exchange_rate_not_truncated on payments_exchangerate;
drop trigger exchange_rate_immutable on payments_exchangerate;
drop function payments_refuse_rate_change();
"""
# A line goes with the import that brought it, as long as nothing is matched with it; what it says stays.
LINES = """
create function payments_refuse_line_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.matched_minor <> 0 then
            raise exception 'a line that is matched stays'
                using errcode = 'check_violation', constraint = 'bank_line_immutable', table = tg_table_name;
        end if;
        return old;
    end if;
    if (new.account_id, new.statement_id, new.booked_on, new.amount_minor, new.counterparty_name,
        new.counterparty_tax_id, new.counterparty_account, new.counterparty_bank_code, new.purpose, new.reference,
        new.bank_reference, new.dedupe_key)
        is distinct from
       (old.account_id, old.statement_id, old.booked_on, old.amount_minor, old.counterparty_name,
        old.counterparty_tax_id, old.counterparty_account, old.counterparty_bank_code, old.purpose, old.reference,
        old.bank_reference, old.dedupe_key)
        or new.valued_on is distinct from old.valued_on
    then
        raise exception 'what a bank says of a line never changes'
            using errcode = 'check_violation', constraint = 'bank_line_immutable', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger bank_line_immutable before update or delete on payments_bankline
    for each row execute function payments_refuse_line_change();
"""
NO_LINES = """
drop trigger bank_line_immutable on payments_bankline;
drop function payments_refuse_line_change();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_rates_and_bank")]

    operations = [
        migrations.RunSQL(RATES, NO_RATES),
        migrations.RunSQL(LINES, NO_LINES),
    ]
