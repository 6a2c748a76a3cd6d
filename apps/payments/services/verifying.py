"""The proof of the books: every figure is compared with the postings that it is made of."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

# Each selects what is wrong, as one line of text; all of them read one state of the database.
_CHECKS = {
    "entries_balance": """
        select 'entry ' || entry_id || ': ' || currency || ' ' || sum(amount_minor)
        from payments_posting group by entry_id, currency having sum(amount_minor) <> 0
    """,
    "entries_have_legs": """
        select 'entry ' || e.id || ': ' || count(p.id) || ' postings'
        from payments_journalentry e left join payments_posting p on p.entry_id = e.id
        group by e.id having count(p.id) < 2
    """,
    "all_sums_are_zero": """
        select currency || ' ' || sum(debit_minor - credit_minor)
        from payments_accountbalance group by currency having sum(debit_minor - credit_minor) <> 0
    """,
    "balances_are_postings": """
        select 'account ' || coalesce(b.account_id, p.account_id) || ' ' || coalesce(b.currency, p.currency)
            || ': kept ' || coalesce(b.debit_minor, 0) || '/' || coalesce(b.credit_minor, 0)
            || ', posted ' || coalesce(p.debit, 0) || '/' || coalesce(p.credit, 0)
        from payments_accountbalance b full join (
            select account_id, currency, sum(greatest(amount_minor, 0)) as debit,
                sum(greatest(-amount_minor, 0)) as credit
            from payments_posting group by account_id, currency
        ) p using (account_id, currency)
        where (coalesce(b.debit_minor, 0), coalesce(b.credit_minor, 0))
            is distinct from (coalesce(p.debit, 0), coalesce(p.credit, 0))
    """,
    "payments_are_counted": """
        select 'payment ' || p.id || ': allocated ' || p.allocated_minor || ', refunded ' || p.refunded_minor
            || ', under way ' || p.refund_pending_minor
        from payments_payment p
        left join (select payment_id, sum(amount_minor) as total from payments_allocation
            where released_at is null group by payment_id) a on a.payment_id = p.id
        left join (select payment_id, sum(amount_minor) filter (where status = 'SUCCEEDED') as done,
                sum(amount_minor) filter (where status = 'PENDING') as pending
            from payments_refund group by payment_id) r on r.payment_id = p.id
        where (p.allocated_minor, p.refunded_minor, p.refund_pending_minor)
            is distinct from (coalesce(a.total, 0), coalesce(r.done, 0), coalesce(r.pending, 0))
    """,
    "invoices_are_counted": """
        select 'invoice ' || i.id || ': paid ' || i.paid_minor || ', credited ' || i.credited_minor
        from payments_invoice i
        left join (select invoice_id, sum(invoice_amount_minor) as total from payments_allocation
            where released_at is null group by invoice_id) a on a.invoice_id = i.id
        left join (select invoice_id, sum(total_minor) as total from payments_creditnote
            group by invoice_id) c on c.invoice_id = i.id
        where (i.paid_minor, i.credited_minor) is distinct from (coalesce(a.total, 0), coalesce(c.total, 0))
    """,
    "invoices_are_lines": """
        select 'invoice ' || i.id || ': ' || i.net_minor || ' + ' || i.tax_minor
        from payments_invoice i
        left join (select invoice_id, sum(net_minor) as net, sum(tax_minor) as tax from payments_invoiceline
            group by invoice_id) l on l.invoice_id = i.id
        where (i.net_minor, i.tax_minor) is distinct from (coalesce(l.net, 0), coalesce(l.tax, 0))
    """,
    "what_is_owed_is_posted": """
        select 'invoice ' || i.id || ': owed ' || i.due_minor || ', posted ' || coalesce(p.total, 0)
        from payments_invoice i
        left join (select invoice_id, sum(amount_minor) as total from payments_posting
            where account_id = (select id from payments_ledgeraccount where purpose = 'RECEIVABLE')
            group by invoice_id) p on p.invoice_id = i.id
        where coalesce(p.total, 0)
            <> case when i.status in ('DRAFT', 'VOID') then 0 else i.due_minor end
    """,
    "what_is_left_is_posted": """
        select 'payment ' || m.id || ': left ' || m.free_minor + m.refund_pending_minor
            || ', posted ' || coalesce(-p.total, 0)
        from payments_payment m
        left join (select payment_id, sum(amount_minor) as total from payments_posting
            where account_id = (select id from payments_ledgeraccount where purpose = 'ADVANCES')
            group by payment_id) p on p.payment_id = m.id
        where coalesce(-p.total, 0) <> m.free_minor + m.refund_pending_minor
    """,
}


@dataclass(frozen=True)
class Finding:
    """Something in the books that is not as it has to be."""

    check: str
    text: str


def verify_ledger(*, most: int = 100) -> list[Finding]:
    """
    Compare every balance and counter with what it is made of, in one state of the database.

    :param most: as many findings of each check at most
    """
    found: list[Finding] = []
    with transaction.atomic(), connection.cursor() as cursor:
        if not _is_nested():
            cursor.execute("set transaction isolation level repeatable read, read only")
        for name, sql in _CHECKS.items():
            cursor.execute(f"{sql} limit %s", [most])
            found += [Finding(name, str(row[0])) for row in cursor.fetchall()]
    return found


def _is_nested() -> bool:
    # Within another transaction its state is the one state.
    return len(connection.savepoint_ids) > 0


def checks() -> list[str]:
    """Name what is compared."""
    return list(_CHECKS)


def totals() -> dict[str, Any]:
    """Count what was compared, for whoever reads the proof."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select (select count(*) from payments_journalentry), (select count(*) from payments_posting)"
        )
        entries, postings = cursor.fetchone()
    return {"entries": entries, "postings": postings}
