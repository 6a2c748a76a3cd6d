"""Quotes: from the lines of a deal to a paper that somebody has agreed to, once."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import IntegrityError, connections, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.common.links import digest_of
from apps.crm.models import Deal, Quote, QuoteLine
from apps.crm.services import deals, lines, quotes
from apps.crm.services.lines import NewLine
from apps.documents.amounts import figure_text, money_text
from apps.documents.models import DocumentLink
from apps.documents.services.blobs import open_blob
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.crm.quoting import CUSTOMER, LINK, accept, draft, make_sale, sent
from tests.documents.papers.factories import make_entity
from tests.documents.papers.files import pdf_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]
MANY = 32


@pytest.fixture
def seller(db: None) -> User:
    return make_member(make_team("North"), "salesperson", "seller")


@pytest.fixture
def sale(seller: User) -> Deal:
    return make_sale(seller)


def code_of(error: ValidationError) -> str | None:
    by_field = getattr(error, "error_dict", None)
    return next(iter(by_field.values()))[0].code if by_field else error.error_list[0].code


def told(fact: str) -> int:
    return Event.objects.filter(type=f"crm.quote.{fact}.v1").count()


def test_a_draft_says_what_the_deal_says(seller: User, sale: Deal) -> None:
    quote = draft(sale, seller)
    assert (quote.number, quote.revision) == (f"Q{sale.number[1:]}", 1)
    assert [(line.name, line.amount_minor) for line in quote.lines.order_by("position")][1] == (
        "Assembly",
        10000,
    )
    # 40 × 100 less 10 %, and 2 × 50; 22 % within the 3,600.
    assert (quote.total_minor, quote.tax_minor) == (370000, 64918)
    assert sale.amount == Decimal("3700.00")
    lines.change_lines(sale.pk, actor=seller, add=[NewLine(description="Transport", unit_price=Decimal(300))])
    quote.refresh_from_db()
    assert quote.total_minor == 400000
    assert quote.lines.count() == 3


def test_what_is_sent_is_what_the_paper_the_page_and_the_deal_say(seller: User, sale: Deal) -> None:
    make_entity()
    quote, token = sent(sale, seller, terms="Half in advance")
    document = quote.document
    assert document is not None
    assert document.current_version is not None
    with open_blob(document.current_version.blob) as file:
        text = pdf_text(file.read()).replace("\u00a0", " ").replace("\u202f", " ")
    for said in [
        money_text(quote.total, "RUB", "en"),
        money_text(quote.tax, "RUB", "en"),
        money_text(quote.net, "RUB", "en"),
        figure_text(Decimal(3600), "RUB", "en"),
        *(quote.number, "Assembly", "Clara Customer", "Half in advance"),
    ]:
        assert said.replace("\u00a0", " ") in text
    page = Client().get(f"/q/{token}/").content.decode()
    assert f'data-total="{quote.total}"' in page
    targets = set(DocumentLink.objects.filter(document=document).values_list("target_type__model", flat=True))
    assert targets == {"quote", "deal"}
    assert told("sent") == 1


def test_what_was_sent_is_never_changed_whoever_writes(seller: User, sale: Deal) -> None:
    quote, _token = sent(sale, seller)
    writes = [
        lambda: Quote.objects.filter(pk=quote.pk).update(net_minor=1),
        lambda: Quote.objects.filter(pk=quote.pk).update(status="DRAFT", sent_at=None),
        lambda: Quote.objects.filter(pk=quote.pk).update(paper_digest="0" * 64),
        lambda: QuoteLine.objects.filter(quote=quote).update(quantity=1),
        lambda: QuoteLine.objects.create(quote=quote, name="More", position=9),
        lambda: QuoteLine.objects.filter(quote=quote).delete(),
    ]

    def judged(write: Callable[[], object]) -> None:
        with transaction.atomic():
            write()
            with connections["default"].cursor() as cursor:
                cursor.execute("set constraints all immediate")

    for write in writes:
        with pytest.raises(IntegrityError, match="never changed"):
            judged(write)
    for refused in (
        lambda: quotes.change_quote(quote.pk, actor=seller, terms="More"),
        lambda: quotes.discard_quote(quote.pk, actor=seller),
        lambda: quotes.send_quote(quote.pk, link=LINK, actor=seller),
    ):
        with pytest.raises(ValidationError) as error:
            refused()
        assert code_of(error.value) == "quote_sent"


def test_an_accepted_quote_is_what_the_deal_comes_to(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller)
    accept(token, quote)
    quote.refresh_from_db()
    sale.refresh_from_db()
    assert (quote.status, quote.decided_by_name) == (Quote.Status.ACCEPTED, "Clara Customer")
    assert (sale.amount, sale.amount_mode) == (quote.total, Deal.AmountMode.QUOTE)
    with pytest.raises(ValidationError) as refused:
        lines.change_lines(sale.pk, actor=seller, add=[NewLine(description="More")])
    assert code_of(refused.value) == "quote_accepted"
    with pytest.raises(ValidationError) as refused:
        deals.change_deal(sale.pk, actor=seller, amount=Decimal(1))
    assert code_of(refused.value) == "amount_follows"
    with pytest.raises(ValidationError) as refused:
        draft(sale, seller)
    assert code_of(refused.value) == "quote_accepted"
    assert (told("accepted"), told("rejected")) == (1, 0)


def test_a_new_revision_supersedes_the_one_that_is_out(seller: User, sale: Deal) -> None:
    first, old_token = sent(sale, seller, terms="Old")
    second, token = sent(sale, seller)
    first.refresh_from_db()
    assert (first.status, second.revision, second.terms) == (Quote.Status.SUPERSEDED, 2, "Old")
    with pytest.raises(ObjectDoesNotExist):
        accept(old_token, first)
    accept(token, second)
    assert told("superseded") == 1


def _without_secrets(page: Any) -> str:
    """Return a page without what is new on each: the token of its forms, and where they come back to."""
    return re.sub(r'value="([A-Za-z0-9]{64}|/q/[\w-]{43}/)"', "", page.content.decode())


def test_links_that_lead_nowhere_answer_alike(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller)
    unknown = Client().get("/q/" + "x" * 43 + "/")
    assert Client().get(f"/q/{token}/").status_code == 200
    with transaction.atomic():
        again = quotes.send_again(quote.pk, link=LINK, actor=seller)
    over = Client().get(f"/q/{token}/")
    assert (unknown.status_code, over.status_code) == (404, 404)
    assert _without_secrets(unknown) == _without_secrets(over)
    assert again.token_digest != digest_of(token)
    assert Client().get(f"/q/{token}/paper/").status_code == 404


def test_the_page_takes_an_answer_once(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller)
    page = Client(REMOTE_ADDR="203.0.113.9")
    said = {"action": "accept", "name": "", "has_agreed": "", "paper_digest": quote.paper_digest}
    refused = page.post(f"/q/{token}/", said)
    assert refused.status_code == 400
    assert "Write your name." in refused.content.decode()
    done = page.post(f"/q/{token}/", said | {"name": "Clara", "has_agreed": "on"})
    assert done.status_code == 302
    quote.refresh_from_db()
    assert (quote.decided_address, quote.decided_by_name) == ("203.0.113.9", "Clara")
    later = page.post(f"/q/{token}/", {"action": "reject", "reason": "No"})
    assert later.status_code == 400
    assert quote.viewed_at is None


def test_a_rejection_says_why(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller)
    with pytest.raises(ValidationError) as refused:
        quotes.reject_quote(digest_of(token), reason=" ")
    assert code_of(refused.value) == "required"
    quotes.reject_quote(digest_of(token), reason="Too dear")
    quote.refresh_from_db()
    assert (quote.status, quote.rejected_reason) == (Quote.Status.REJECTED, "Too dear")
    assert told("rejected") == 1
    # Another revision may be better.
    assert draft(sale, seller).revision == 2


def test_quotes_end_with_their_last_day(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller, valid_until=timezone.localdate())
    assert quotes.expire_quotes() == 0
    day = timezone.localdate() - timedelta(days=1)
    with connections["default"].cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("alter table crm_quote disable trigger quote_frozen")
        cursor.execute("update crm_quote set valid_until = %s", [day])
        cursor.execute("alter table crm_quote enable trigger quote_frozen")
    with pytest.raises(ObjectDoesNotExist):
        accept(token, quote)
    assert (quotes.expire_quotes(), quotes.expire_quotes()) == (1, 0)
    quote.refresh_from_db()
    assert quote.status == Quote.Status.EXPIRED
    assert told("expired") == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"recipient_email": ""}, "required"),
        ({"recipient_name": " "}, "required"),
        ({"valid_until": timezone.localdate() - timedelta(days=1)}, "valid_until_past"),
    ],
)
def test_what_is_not_complete_is_not_sent(seller: User, sale: Deal, fields: Any, code: str) -> None:
    quote = draft(sale, seller, **fields)
    with pytest.raises(ValidationError) as refused:
        quotes.send_quote(quote.pk, link=LINK, actor=seller)
    assert code_of(refused.value) == code
    quote.refresh_from_db()
    assert quote.status == Quote.Status.DRAFT


def test_a_line_without_price_is_not_sent(seller: User, sale: Deal) -> None:
    lines.change_lines(sale.pk, actor=seller, add=[NewLine(description="Something")])
    quote = draft(sale, seller)
    with pytest.raises(ValidationError) as refused:
        quotes.send_quote(quote.pk, link=LINK, actor=seller)
    assert code_of(refused.value) == "line_without_price"


def test_who_does_not_see_the_deal_sees_no_quote(seller: User, sale: Deal) -> None:
    quote = draft(sale, seller)
    stranger = make_member(make_team("South"), "salesperson", "stranger")
    auditor = make_member(make_team("Books"), "auditor", "auditor")
    with pytest.raises(ObjectDoesNotExist):
        quotes.change_quote(quote.pk, actor=stranger, terms="Mine")
    with pytest.raises(PermissionDenied):
        quotes.change_quote(quote.pk, actor=auditor, terms="Mine")


@pytest.mark.django_db(transaction=True)
def test_thirty_two_clicks_are_one_answer(seller: User) -> None:
    quote, token = sent(make_sale(seller), seller)
    barrier = Barrier(MANY)

    def click(number: int) -> str:
        barrier.wait(timeout=60)
        try:
            if number % 2:
                return str(accept(token, quote).status)
            return str(quotes.reject_quote(digest_of(token), reason="No").status)
        except ValidationError as error:
            return str(code_of(error))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(MANY) as pool:
        said = list(pool.map(click, range(MANY)))
    assert said.count("decided") == MANY - 1
    quote.refresh_from_db()
    assert quote.status in said
    assert told("accepted") + told("rejected") == 1


def test_delivering_twice_is_delivering_once(seller: User, sale: Deal) -> None:
    quote, token = sent(sale, seller)
    assert quote.document_id is not None
    quotes.deliver_quote(quote.pk, document_id=quote.document_id)
    assert Quote.objects.get(pk=quote.pk).token_digest == digest_of(token)
    assert CUSTOMER["recipient_email"] == quote.recipient_email
