"""
What is never false, whoever writes: entries balance and stay, balances follow them, closed periods stay closed, what was
issued stays as it is, and counters are sums of what they count.
"""

from django.db import migrations

LEDGER = """
create function payments_refuse_ledger_change() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is only added to: % of % is refused', lower(tg_op), tg_table_name
        using errcode = 'check_violation', constraint = 'ledger_append_only', table = tg_table_name;
end $$;
create trigger ledger_append_only before update or delete on payments_journalentry
    for each row execute function payments_refuse_ledger_change();
create trigger ledger_append_only before update or delete on payments_posting
    for each row execute function payments_refuse_ledger_change();
create trigger ledger_append_only before update or delete on payments_periodlock
    for each row execute function payments_refuse_ledger_change();
create trigger ledger_not_truncated before truncate on payments_journalentry
    for each statement execute function payments_refuse_ledger_change();
create trigger ledger_not_truncated before truncate on payments_posting
    for each statement execute function payments_refuse_ledger_change();
create trigger ledger_not_truncated before truncate on payments_accountbalance
    for each statement execute function payments_refuse_ledger_change();

-- Judged at commit, by what stands there then. Both an entry without postings and a posting that comes to an entry of an
-- earlier transaction are met.
create function payments_require_balance() returns trigger language plpgsql as $$
declare
    judged bigint;
    unbalanced text;
    legs bigint;
begin
    if tg_table_name = 'payments_journalentry' then
        judged := new.id;
    else
        judged := new.entry_id;
    end if;
    select sum(found.legs), string_agg(found.currency, ', ') filter (where found.total <> 0) into legs, unbalanced
    from (
        select currency, count(*) as legs, sum(amount_minor) as total
        from payments_posting where entry_id = judged group by currency
    ) found;
    if coalesce(legs, 0) < 2 then
        raise exception 'entry % has fewer than two postings', judged
            using errcode = 'check_violation', constraint = 'ledger_balanced', table = tg_table_name;
    end if;
    if unbalanced is not null then
        raise exception 'entry % does not balance in %', judged, unbalanced
            using errcode = 'check_violation', constraint = 'ledger_balanced', table = tg_table_name;
    end if;
    return null;
end $$;
create constraint trigger ledger_balanced after insert on payments_journalentry
    deferrable initially deferred for each row execute function payments_require_balance();
create constraint trigger ledger_balanced after insert on payments_posting
    deferrable initially deferred for each row execute function payments_require_balance();

-- Postings of one statement change the balances in the order of their accounts, so that two of them never wait for each
-- other in a circle.
create function payments_keep_balances() returns trigger language plpgsql as $$
begin
    insert into payments_accountbalance as kept (account_id, currency, debit_minor, credit_minor)
    select account_id, currency, sum(greatest(amount_minor, 0)), sum(greatest(-amount_minor, 0))
    from added group by account_id, currency order by account_id, currency
    on conflict (account_id, currency) do update
        set debit_minor = kept.debit_minor + excluded.debit_minor,
            credit_minor = kept.credit_minor + excluded.credit_minor;
    return null;
end $$;
create trigger ledger_balances after insert on payments_posting
    referencing new table as added for each statement execute function payments_keep_balances();

create function payments_refuse_balance_change() returns trigger language plpgsql as $$
begin
    -- Depth 2 is the trigger of postings above.
    if pg_trigger_depth() < 2 then
        raise exception 'balances follow postings, and are written by nobody else'
            using errcode = 'check_violation', constraint = 'ledger_balance_follows', table = tg_table_name;
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
create trigger ledger_balance_follows before insert or update or delete on payments_accountbalance
    for each row execute function payments_refuse_balance_change();

-- Who posts holds the lock together with others, who closes a period holds it alone: nothing is posted into a period
-- that is closed at the same moment.
create function payments_require_open_period() returns trigger language plpgsql as $$
declare
    closed date;
begin
    perform pg_advisory_xact_lock_shared(7239041, 1);
    select closed_until into closed from payments_periodlock order by id desc limit 1;
    if new.accounting_date <= closed then
        raise exception 'the books are closed until %', closed
            using errcode = 'check_violation', constraint = 'ledger_period_open', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger ledger_period_open before insert on payments_journalentry
    for each row execute function payments_require_open_period();
create function payments_close_period() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(7239041, 1);
    return new;
end $$;
create trigger ledger_period_closing before insert on payments_periodlock
    for each row execute function payments_close_period();

-- An account with postings keeps its type, without which balances mean something else.
create function payments_refuse_retyping() returns trigger language plpgsql as $$
begin
    if (new.type, new.purpose) is distinct from (old.type, old.purpose)
        and exists (select from payments_posting where account_id = old.id)
    then
        raise exception 'an account with postings keeps its type'
            using errcode = 'check_violation', constraint = 'ledger_account_type_kept', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger ledger_account_type_kept before update of type, purpose on payments_ledgeraccount
    for each row execute function payments_refuse_retyping();

-- The one way to post. Takes entries as
--   [{"kind", "source", "source_id", "date", "memo", "actor", "reverses",
--     "legs": [{"account" or "purpose", "currency", "amount", "invoice", "payment"}]}]
-- and returns their ids in order. Entries and postings are inserted first; balances, which others wait for, come last
-- and in the order of their accounts.
create function payments_post(entries jsonb) returns bigint[] language plpgsql as $$
declare
    ids bigint[];
begin
    select array_agg(nextval(pg_get_serial_sequence('payments_journalentry', 'id')) order by place) into ids
    from generate_series(1, jsonb_array_length(entries)) place;
    insert into payments_journalentry
        (id, kind, source, source_id, accounting_date, posted_at, memo, reverses_id, actor_id)
    overriding system value
    select ids[place], e ->> 'kind', e ->> 'source', coalesce((e ->> 'source_id')::bigint, ids[place]),
        (e ->> 'date')::date, now(), coalesce(e ->> 'memo', ''), (e ->> 'reverses')::bigint, (e ->> 'actor')::bigint
    from jsonb_array_elements(entries) with ordinality as given (e, place);
    insert into payments_posting (entry_id, account_id, currency, amount_minor, invoice_id, payment_id)
    select ids[place],
        coalesce((leg ->> 'account')::bigint,
            (select id from payments_ledgeraccount where purpose = leg ->> 'purpose' and purpose <> '')),
        leg ->> 'currency', (leg ->> 'amount')::bigint, (leg ->> 'invoice')::bigint, (leg ->> 'payment')::bigint
    from jsonb_array_elements(entries) with ordinality as given (e, place),
        jsonb_array_elements(e -> 'legs') with ordinality as legs (leg, at)
    order by place, at;
    return ids;
end $$;
"""

DROP_LEDGER = """
drop function payments_post(jsonb);
drop trigger ledger_account_type_kept on payments_ledgeraccount;
drop function payments_refuse_retyping();
drop trigger ledger_period_closing on payments_periodlock;
drop function payments_close_period();
drop trigger ledger_period_open on payments_journalentry;
drop function payments_require_open_period();
drop trigger ledger_balance_follows on payments_accountbalance;
drop function payments_refuse_balance_change();
drop trigger ledger_balances on payments_posting;
drop function payments_keep_balances();
drop trigger ledger_balanced on payments_posting;
drop trigger ledger_balanced on payments_journalentry;
drop function payments_require_balance();
drop trigger ledger_not_truncated on payments_accountbalance;
drop trigger ledger_not_truncated on payments_posting;
drop trigger ledger_not_truncated on payments_journalentry;
drop trigger ledger_append_only on payments_periodlock;
drop trigger ledger_append_only on payments_posting;
drop trigger ledger_append_only on payments_journalentry;
drop function payments_refuse_ledger_change();
"""

FROZEN = """
-- What was issued is on record. Whose it is and what came of it move on; so do the names of who was erased by law.
create function payments_refuse_invoice_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.status <> 'DRAFT' then
            raise exception 'an invoice that was issued stays'
                using errcode = 'check_violation', constraint = 'invoice_frozen', table = tg_table_name;
        end if;
        return old;
    end if;
    if old.status <> 'DRAFT' and (
        (new.number, new.series, new.legal_entity_id, new.deal_id, new.currency, new.locale, new.issue_date, new.due_date,
            new.customer_name, new.customer_tax_id, new.customer_address, new.note, new.net_minor, new.tax_minor,
            new.total_minor, new.taxes, new.base_rate, new.base_rate_date, new.issued_at)
        is distinct from
        (old.number, old.series, old.legal_entity_id, old.deal_id, old.currency, old.locale, old.issue_date, old.due_date,
            old.customer_name, old.customer_tax_id, old.customer_address, old.note, old.net_minor, old.tax_minor,
            old.total_minor, old.taxes, old.base_rate, old.base_rate_date, old.issued_at)
    ) then
        raise exception 'an invoice that was issued is never changed'
            using errcode = 'check_violation', constraint = 'invoice_frozen', table = tg_table_name;
    end if;
    if new.status <> old.status and (old.status, new.status) not in (
        ('DRAFT', 'OPEN'), ('OPEN', 'PAID'), ('OPEN', 'VOID'), ('OPEN', 'UNCOLLECTIBLE'), ('PAID', 'OPEN'),
        ('UNCOLLECTIBLE', 'OPEN')
    ) then
        raise exception 'an invoice does not go from % to %', old.status, new.status
            using errcode = 'check_violation', constraint = 'invoice_state_order', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger invoice_frozen before update or delete on payments_invoice
    for each row execute function payments_refuse_invoice_change();

create function payments_refuse_invoice_line_change() returns trigger language plpgsql as $$
begin
    if exists (
        select from payments_invoice where status <> 'DRAFT' and id in (
            case when tg_op <> 'INSERT' then old.invoice_id end, case when tg_op <> 'DELETE' then new.invoice_id end)
    ) then
        raise exception 'an invoice that was issued is never changed'
            using errcode = 'check_violation', constraint = 'invoice_frozen', table = tg_table_name;
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
create trigger invoice_line_frozen before insert or update or delete on payments_invoiceline
    for each row execute function payments_refuse_invoice_line_change();

create trigger credit_note_frozen before update or delete on payments_creditnote
    for each row execute function payments_refuse_ledger_change();
create trigger credit_note_frozen before update or delete on payments_creditnoteline
    for each row execute function payments_refuse_ledger_change();

create function payments_refuse_payment_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'payments stay'
            using errcode = 'check_violation', constraint = 'payment_frozen', table = tg_table_name;
    end if;
    if (new.provider, new.amount_minor, new.currency, new.invoice_id)
            is distinct from (old.provider, old.amount_minor, old.currency, old.invoice_id)
        or (old.external_id <> '' and new.external_id <> old.external_id)
        or (old.status in ('SUCCEEDED', 'CANCELED') and (new.account_id, new.received_date, new.base_rate, new.fee_minor)
            is distinct from (old.account_id, old.received_date, old.base_rate, old.fee_minor))
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
create trigger payment_frozen before update or delete on payments_payment
    for each row execute function payments_refuse_payment_change();

create function payments_refuse_allocation_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.released_at is not null
        or (new.payment_id, new.invoice_id, new.amount_minor, new.invoice_amount_minor, new.allocated_date,
                new.exchange_minor, new.created_at, new.created_by_id)
            is distinct from (old.payment_id, old.invoice_id, old.amount_minor, old.invoice_amount_minor,
                old.allocated_date, old.exchange_minor, old.created_at, old.created_by_id)
    then
        raise exception 'an allocation is taken back, and never changed'
            using errcode = 'check_violation', constraint = 'allocation_frozen', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger allocation_frozen before update or delete on payments_allocation
    for each row execute function payments_refuse_allocation_change();

create function payments_refuse_refund_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.status <> 'PENDING'
        or (new.payment_id, new.amount_minor) is distinct from (old.payment_id, old.amount_minor)
        or (old.external_id <> '' and new.external_id <> old.external_id)
    then
        raise exception 'a refund that has ended is never changed'
            using errcode = 'check_violation', constraint = 'refund_frozen', table = tg_table_name;
    end if;
    return new;
end $$;
create trigger refund_frozen before update or delete on payments_refund
    for each row execute function payments_refuse_refund_change();

-- Judged at commit: what rows say they have spent is what was spent.
create function payments_require_counted() returns trigger language plpgsql as $$
declare
    paid bigint;
    owed bigint;
    wrong text;
begin
    if tg_table_name = 'payments_payment' then
        paid := new.id;
    elsif tg_table_name = 'payments_invoice' then
        owed := new.id;
    elsif tg_table_name = 'payments_refund' then
        paid := new.payment_id;
    elsif tg_table_name = 'payments_creditnote' then
        owed := new.invoice_id;
    else
        paid := new.payment_id;
        owed := new.invoice_id;
    end if;
    if paid is not null then
        select 'payment ' || p.id into wrong from payments_payment p
        where p.id = paid and (p.allocated_minor, p.refunded_minor, p.refund_pending_minor) is distinct from (
            (select coalesce(sum(amount_minor), 0)::bigint from payments_allocation
                where payment_id = p.id and released_at is null),
            (select coalesce(sum(amount_minor), 0)::bigint from payments_refund
                where payment_id = p.id and status = 'SUCCEEDED'),
            (select coalesce(sum(amount_minor), 0)::bigint from payments_refund
                where payment_id = p.id and status = 'PENDING'));
    end if;
    if wrong is null and owed is not null then
        select 'invoice ' || i.id into wrong from payments_invoice i
        where i.id = owed and (i.paid_minor, i.credited_minor) is distinct from (
            (select coalesce(sum(invoice_amount_minor), 0)::bigint from payments_allocation
                where invoice_id = i.id and released_at is null),
            (select coalesce(sum(total_minor), 0)::bigint from payments_creditnote where invoice_id = i.id));
    end if;
    if wrong is not null then
        raise exception 'the counters of % are not the sums of what they count', wrong
            using errcode = 'check_violation', constraint = 'money_counted', table = tg_table_name;
    end if;
    return null;
end $$;
create constraint trigger money_counted after insert or update on payments_allocation
    deferrable initially deferred for each row execute function payments_require_counted();
create constraint trigger money_counted after insert or update on payments_refund
    deferrable initially deferred for each row execute function payments_require_counted();
create constraint trigger money_counted after insert on payments_creditnote
    deferrable initially deferred for each row execute function payments_require_counted();
create constraint trigger money_counted
    after update of allocated_minor, refunded_minor, refund_pending_minor on payments_payment
    deferrable initially deferred for each row execute function payments_require_counted();
create constraint trigger money_counted after update of paid_minor, credited_minor on payments_invoice
    deferrable initially deferred for each row execute function payments_require_counted();
"""

DROP_FROZEN = """
drop trigger money_counted on payments_invoice;
drop trigger money_counted on payments_payment;
drop trigger money_counted on payments_creditnote;
drop trigger money_counted on payments_refund;
drop trigger money_counted on payments_allocation;
drop function payments_require_counted();
drop trigger refund_frozen on payments_refund;
drop function payments_refuse_refund_change();
drop trigger allocation_frozen on payments_allocation;
drop function payments_refuse_allocation_change();
drop trigger payment_frozen on payments_payment;
drop function payments_refuse_payment_change();
drop trigger credit_note_frozen on payments_creditnoteline;
drop trigger credit_note_frozen on payments_creditnote;
drop trigger invoice_line_frozen on payments_invoiceline;
drop function payments_refuse_invoice_line_change();
drop trigger invoice_frozen on payments_invoice;
drop function payments_refuse_invoice_change();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        migrations.RunSQL(LEDGER, DROP_LEDGER),
        migrations.RunSQL(FROZEN, DROP_FROZEN),
    ]
