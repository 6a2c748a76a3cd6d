"""How charges through providers go, and that a fee which a provider tells later is written once."""

from django.db import migrations

RULES = """
create function payments_refuse_attempt_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'charges stay'
            using errcode = 'check_violation', constraint = 'payment_attempt_frozen', table = tg_table_name;
    end if;
    if (new.payment_id, new.account_id, new.request_key) is distinct from (old.payment_id, old.account_id, old.request_key)
        or (old.external_id <> '' and new.external_id <> old.external_id)
    then
        raise exception 'what a provider was asked for is never changed'
            using errcode = 'check_violation', constraint = 'payment_attempt_frozen', table = tg_table_name;
    end if;
    if new.state <> old.state and (old.state, new.state) not in (
        ('CREATED', 'PENDING'), ('CREATED', 'UNKNOWN'), ('CREATED', 'SUCCEEDED'), ('CREATED', 'FAILED'),
        ('CREATED', 'CANCELED'),
        ('PENDING', 'UNKNOWN'), ('PENDING', 'SUCCEEDED'), ('PENDING', 'FAILED'), ('PENDING', 'CANCELED'),
        ('UNKNOWN', 'PENDING'), ('UNKNOWN', 'SUCCEEDED'), ('UNKNOWN', 'FAILED'), ('UNKNOWN', 'CANCELED')
    ) then
        raise exception 'a charge does not go from % to %', old.state, new.state
            using errcode = 'check_violation', constraint = 'payment_attempt_state_order', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger payment_attempt_frozen before update or delete on payments_paymentattempt
    for each row execute function payments_refuse_attempt_change();

create function payments_refuse_dispute_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.status <> 'OPEN'
        or (new.payment_id, new.external_id) is distinct from (old.payment_id, old.external_id)
        or (old.is_withdrawn and (new.amount_minor, new.fee_minor, new.is_withdrawn)
            is distinct from (old.amount_minor, old.fee_minor, old.is_withdrawn))
    then
        raise exception 'a dispute that has ended is never changed'
            using errcode = 'check_violation', constraint = 'dispute_frozen', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger dispute_frozen before update or delete on payments_dispute
    for each row execute function payments_refuse_dispute_change();
"""

NO_RULES = """
drop trigger dispute_frozen on payments_dispute;
drop function payments_refuse_dispute_change();
drop trigger payment_attempt_frozen on payments_paymentattempt;
drop function payments_refuse_attempt_change();
"""

# As in 0002, but for the fee: a provider may tell it after the money, once.
_PAYMENT = """
create or replace function payments_refuse_payment_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'payments stay'
            using errcode = 'check_violation', constraint = 'payment_frozen', table = tg_table_name;
    end if;
    if (new.provider, new.amount_minor, new.currency, new.invoice_id)
            is distinct from (old.provider, old.amount_minor, old.currency, old.invoice_id)
        or (old.external_id <> '' and new.external_id <> old.external_id)
        or (old.status in ('SUCCEEDED', 'CANCELED') and (new.account_id, new.received_date, new.base_rate{fee_new})
            is distinct from (old.account_id, old.received_date, old.base_rate{fee_old}))
        {fee_rule}
    then
        raise exception 'what was paid is never changed'
            using errcode = 'check_violation', constraint = 'payment_frozen', table = tg_table_name;
    end if;
    if new.status <> old.status and (old.status, new.status) not in (
        ('REQUIRES_METHOD', 'REQUIRES_ACTION'), ('REQUIRES_METHOD', 'PROCESSING'), ('REQUIRES_METHOD', 'CANCELED'),
        ('REQUIRES_ACTION', 'PROCESSING'), ('REQUIRES_ACTION', 'UNKNOWN'), ('REQUIRES_ACTION', 'REQUIRES_CAPTURE'),
        ('REQUIRES_ACTION', 'SUCCEEDED'), ('REQUIRES_ACTION', 'CANCELED'),
        ('PROCESSING', 'UNKNOWN'), ('PROCESSING', 'REQUIRES_ACTION'), ('PROCESSING', 'REQUIRES_CAPTURE'),
        ('PROCESSING', 'SUCCEEDED'), ('PROCESSING', 'CANCELED'),
        ('UNKNOWN', 'PROCESSING'), ('UNKNOWN', 'REQUIRES_ACTION'), ('UNKNOWN', 'REQUIRES_CAPTURE'),
        ('UNKNOWN', 'SUCCEEDED'), ('UNKNOWN', 'CANCELED'),
        ('REQUIRES_CAPTURE', 'SUCCEEDED'), ('REQUIRES_CAPTURE', 'UNKNOWN'), ('REQUIRES_CAPTURE', 'CANCELED'),
        ('SUCCEEDED', 'CANCELED')
    ) then
        raise exception 'a payment does not go from % to %', old.status, new.status
            using errcode = 'check_violation', constraint = 'payment_state_order', table = tg_table_name;
    end if;
    return new;
end $$;
"""
FEE_LATER = _PAYMENT.format(
    fee_new="",
    fee_old="",
    fee_rule="""or (old.status = 'CANCELED' and new.fee_minor <> old.fee_minor)
        or (old.status = 'SUCCEEDED' and old.fee_minor <> 0 and new.fee_minor <> old.fee_minor)""",
)
FEE_AT_ONCE = _PAYMENT.format(fee_new=", new.fee_minor", fee_old=", old.fee_minor", fee_rule="")


class Migration(migrations.Migration):
    dependencies = [("payments", "0008_providers")]

    operations = [
        migrations.RunSQL(RULES, NO_RULES),
        migrations.RunSQL(FEE_LATER, FEE_AT_ONCE),
    ]
