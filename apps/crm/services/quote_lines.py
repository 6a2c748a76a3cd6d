"""The lines of a draft, which says what its deal says until it is sent."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import connection

from apps.accounts.models import User
from apps.common.amounts import Totals
from apps.crm.models import Deal, DealLine, Quote, QuoteLine
from apps.crm.services import rows
from apps.crm.totals import taxes_json, totals_of_lines


def follow_deal(deal: Deal, lines: Sequence[DealLine], *, actor: User) -> None:
    """Let the draft of a quote, if there is one, say what the deal says by now."""
    draft = (
        Quote.objects.select_for_update(of=("self",), no_key=True)
        .filter(deal=deal, status=Quote.Status.DRAFT)
        .first()
    )
    if draft is not None:
        copy_lines(draft, deal, lines, actor=actor)


def copy_lines(quote: Quote, deal: Deal, lines: Sequence[DealLine], *, actor: User) -> None:
    """
    Write the lines of a deal into a draft, with what they come to.

    A deal that nobody has taken apart is one line for all of it, as papers have it.
    """
    quote.lines.all().delete()
    _judge_deletions()
    copies = [_copy(quote, line, place) for place, line in enumerate(lines)]
    if not copies and deal.amount is not None:
        copies = [
            QuoteLine(quote=quote, name=deal.title, quantity=Decimal(1), unit_price=deal.amount, position=0)
        ]
    totals = totals_of_lines(copies, deal.currency)
    _put_sums(copies, totals)
    QuoteLine.objects.bulk_create(copies)
    values = {
        "currency": deal.currency,
        "net_minor": totals.net,
        "tax_minor": totals.tax,
        "taxes": taxes_json(totals),
    }
    rows.write(quote, rows.differing(quote, values), actor=actor)


def _judge_deletions() -> None:
    """Let the database judge at once that lines of a draft went: by the commit the quote may have been sent."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints quote_line_kept immediate; set constraints quote_line_kept deferred")


def _copy(quote: Quote, line: DealLine, place: int) -> QuoteLine:
    return QuoteLine(
        quote=quote,
        product_id=line.product_id,
        name=line.name,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        discount_percent=line.discount_percent,
        tax_rate=line.tax_rate,
        is_tax_included=line.is_tax_included,
        position=place,
    )


def _put_sums(lines: Sequence[QuoteLine], totals: Totals) -> None:
    for line, found in zip(lines, totals.lines, strict=True):
        if line.unit_price is not None:
            line.amount_minor, line.net_minor, line.tax_minor = found.amount, found.net, found.tax
