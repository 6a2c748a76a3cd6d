"""Deals with lines, and quotes of them made to the end in this process."""

import re
from decimal import Decimal
from typing import Any

from django.core import mail

from apps.accounts.models import Letter, User
from apps.accounts.services.letters import deliver_letter
from apps.common.links import digest_of
from apps.crm.models import Deal, Quote, Stage
from apps.crm.services import lines, quotes
from apps.crm.services.lines import NewLine
from apps.documents.models import Generation
from tests.crm.factories import make_deal, make_product
from tests.documents.papers.factories import work

LINK = "https://crm.example/q/"
CUSTOMER = {"recipient_name": "Clara Customer", "recipient_email": "clara@customer.example"}


def make_sale(owner: User, **fields: Any) -> Deal:
    """Make a deal of 40 desks at 100.00 with 22 % within, 10 % off, and 2 hours at 50.00 without tax: 3,700.00."""
    deal = make_deal("Forty desks", owner=owner, **fields)
    desk = make_product(price=100, tax_rate=22, unit="pcs")
    add = [
        NewLine(desk.pk, Decimal(40), discount_percent=Decimal(10)),
        NewLine(description="Assembly", quantity=Decimal(2), unit="h", unit_price=Decimal(50)),
    ]
    return lines.change_lines(deal.pk, actor=owner, add=add, amount_mode="LINES")


def draft(deal: Deal, actor: User, **fields: Any) -> Quote:
    return quotes.create_quote(deal.pk, actor=actor, **{"locale": "en", **CUSTOMER, **fields})


def sent(deal: Deal, actor: User, **fields: Any) -> tuple[Quote, str]:
    """Send a quote, make its paper as workers do, and return it with the secret of its link."""
    quote = quotes.send_quote(draft(deal, actor, **fields).pk, link=LINK, actor=actor)
    generation = Generation.objects.get(target_model="crm.quote", target_id=quote.pk)
    document = work(generation).document
    assert document is not None
    quotes.deliver_quote(quote.pk, document_id=document.pk)
    return Quote.objects.get(pk=quote.pk), token_of_last_letter()


def token_of_last_letter() -> str:
    """Deliver the letters that wait, and return the secret in the last one."""
    for letter in Letter.objects.order_by("pk"):
        deliver_letter(letter.pk)
    found = re.findall(r"/q/([\w-]{40,})/", str(mail.outbox[-1].body))
    return str(found[0])


def accept(token: str, quote: Quote, name: str = "Clara Customer") -> Quote:
    return quotes.accept_quote(digest_of(token), name=name, has_agreed=True, paper_digest=quote.paper_digest)


def ask_for(stage: Stage, *criteria: tuple[str, dict[str, str]]) -> Stage:
    """Let a stage ask for things, as an administrator does."""
    from apps.crm.services.pipelines import change_stage
    from tests.crm.factories import make_admin

    given = [{"kind": kind, "params": params} for kind, params in criteria]
    return change_stage(stage.pk, actor=make_admin(), exit_criteria=given)
