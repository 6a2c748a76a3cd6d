"""The paper of an invoice: it says what the page says, to the last kopeck, and can be paid by its code."""

import io
from decimal import Decimal
from typing import Any

import pytest
import segno.helpers
from pypdf import PdfReader

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.crm.services.deals import assign_deal
from apps.documents.models import Generation
from apps.documents.services import blobs
from apps.events.models import Event
from apps.payments.models import Invoice
from apps.payments.qr import Transfer, content_of
from apps.payments.receivers import keep_paper_of_invoice, let_invoices_follow_deal, make_paper_of_invoice
from apps.payments.services import invoices
from apps.payments.services.papers import make_paper, qr_of
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.crm.quoting import make_sale
from tests.documents.papers.factories import make_entity, work
from tests.payments.factories import draft, issued, line

pytestmark = pytest.mark.django_db
RUB = Transfer(
    name="ООО «Артель»",
    account="40702810400000000001",
    bank_name="АО «Банк»",
    bank_code="044525225",
    correspondent_account="30101810400000000225",
    tax_id="7701234567",
    amount=Decimal("1234.56"),
    currency="RUB",
    purpose="Оплата по счёту 1 | 2",
)


def test_roubles_are_paid_by_st00012() -> None:
    assert content_of(RUB) == (
        "ST00012|Name=ООО «Артель»|PersonalAcc=40702810400000000001|BankName=АО «Банк»|BIC=044525225"
        "|CorrespAcc=30101810400000000225|Sum=123456|Purpose=Оплата по счёту 1 2|PayeeINN=7701234567"
    )


def test_euros_are_paid_as_segno_has_it() -> None:
    account, amount = "DE89 3704 0044 0532 0130 00", Decimal("12.34")
    ours = Transfer("Artel GmbH", account, "", "COBADEFF", "", "", amount, "EUR", "Invoice 7")
    theirs = segno.helpers._make_epc_qr_data(  # type: ignore[attr-defined]
        "Artel GmbH", account.replace(" ", ""), amount, text="Invoice 7", bic="COBADEFF", encoding="utf-8"
    )
    assert content_of(ours) == theirs.decode()


@pytest.mark.parametrize(
    "changes",
    [{"account": "407"}, {"bank_code": "1"}, {"name": ""}, {"currency": "USD"}, {"currency": "EUR"}],
)
def test_without_requisites_there_is_no_code(changes: dict[str, str]) -> None:
    from dataclasses import replace

    assert content_of(replace(RUB, **changes)) == ""  # type: ignore[arg-type]


def text_of(generation: Generation) -> str:
    version = generation.document.current_version  # type: ignore[union-attr]
    with blobs.open_blob(version.blob) as file:  # type: ignore[union-attr]
        pages = PdfReader(io.BytesIO(file.read())).pages
    return (
        " ".join(" ".join(each.extract_text() for each in pages).split())
        .replace("\u202f", " ")
        .replace("\xa0", " ")
    )


def test_the_paper_says_what_the_page_says(berta: User) -> None:
    make_entity()
    customer = make_company("Ромашка", legal_name="ООО «Ромашка»", tax_id="7707083893")
    invoice = issued(berta, line("1000.01", "3"), line("0.10", tax=None), company=customer, locale="ru")
    fact = Event.objects.get(type="payments.invoice.issued.v1")
    make_paper_of_invoice(fact)
    make_paper_of_invoice(fact)
    (generation,) = Generation.objects.filter(target_model="payments.invoice")
    done = work(generation)
    text = text_of(done)
    assert str(invoice.number) in text
    assert "3 000,13" in text
    assert "500,01" in text
    assert "Три тысячи рублей 13 копеек" in text
    assert "ООО «Ромашка»" in text
    assert invoice.total == Decimal("3000.13")
    told = Event.objects.filter(type="documents.document.version_added.v1").latest("id")
    keep_paper_of_invoice(told)
    invoice.refresh_from_db()
    assert invoice.document_id == done.document_id
    assert "Sum=300013" in qr_of(invoice)


def test_a_draft_has_no_paper(berta: User) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as caught:
        make_paper(draft(berta).pk, actor=berta)
    assert caught.value.code == "invoice_draft"


def test_invoices_follow_a_deal_that_is_given_away(berta: User) -> None:
    admin = make_member(make_team("Top"), "administrator")
    team = make_team("North")
    anna, boris = (make_member(team, "salesperson", name) for name in ("Anna", "Boris"))
    deal: Any = make_sale(anna, team=team, company=make_company("Customer", owner=anna))
    invoice = invoices.create_invoice(actor=anna, deal_id=deal.pk)
    assign_deal(deal.pk, actor=admin, owner_id=boris.pk)
    let_invoices_follow_deal(Event.objects.filter(type="crm.deal.assigned.v1").latest("id"))
    assert Invoice.objects.get(pk=invoice.pk).owner == boris
    assert Deal.objects.get(pk=deal.pk).owner == boris
