"""What accountants take away: statements of account, and the file for 1C, which agree with the books."""

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from apps.accounts.models import User
from apps.payments.account_papers import statement_paper
from apps.payments.onec_export import onec_file
from apps.payments.services.allocations import release_allocation
from apps.payments.services.refunds import refund_payment
from apps.payments.statements.onec import read
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.payments.factories import issued, line, paid
from tests.payments.people import make_entity
from tests.payments.test_invoices import code_of

pytestmark = pytest.mark.django_db


def words_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = " ".join(page.get_textpage().get_text_range() for page in document)
    return " ".join(text.replace("\u202f", " ").replace("\xa0", " ").split())


def test_a_statement_of_account_says_what_the_books_say(berta: User) -> None:
    make_entity(name="Artel")
    company = make_company("Nordwind")
    invoice = issued(berta, line("1500"), company=company)
    paid(berta, 50000, invoice_id=invoice.pk, reference="first part")
    with override("en"):
        text = words_of(statement_paper(berta, "RUB", company_id=company.pk))
    for said in ("Statement of account", "Nordwind", "Artel", str(invoice.number), "first part"):
        assert said in text
    assert "Nordwind owes ₽1,000.00" in text or "Nordwind owes 1,000" in text or "owes ₽1,000" in text, text
    with override("ru"):
        assert "Nordwind" in words_of(statement_paper(berta, "RUB", company_id=company.pk))


def test_a_statement_is_of_one_customer_who_is_seen(berta: User) -> None:
    company = make_company()
    for actor, said, code in (
        (berta, {}, "required"),
        (berta, {"company_id": company.pk, "person_id": 1}, "required"),
        (berta, {"company_id": company.pk + 1000}, "not_found"),
    ):
        with pytest.raises(ValidationError) as caught:
            statement_paper(actor, "RUB", **said)  # type: ignore[arg-type]
        assert code_of(caught) == code


def test_1c_reads_what_came_and_what_went_back(berta: User) -> None:
    make_entity(name="Artel", account="40702810500000000001", tax_id="7707083893")
    today = timezone.localdate()
    paid(berta, 10000, received_date=today - timedelta(days=40), payer_name="Earlier")
    payment = paid(berta, 150000, payer_name="ООО «Ромашка»", reference="Счёт\r\nСумма=1")
    refund_payment(payment.pk, actor=berta, amount_minor=30000, reason="Возврат")
    content = onec_file(berta, first=today - timedelta(days=7), last=today)
    (statement,) = read(io.BytesIO(content))
    assert (statement.opening, statement.closing) == (10000, 10000 + 150000 - 30000)
    assert sorted(each.amount for each in statement.lines) == [-30000, 150000]
    came = next(each for each in statement.lines if each.amount > 0)
    assert (came.name, came.purpose) == ("ООО «Ромашка»", "Счёт Сумма=1")


def test_1c_is_for_those_who_may_take_payments_away(berta: User) -> None:
    today = timezone.localdate()
    with pytest.raises(PermissionDenied):
        onec_file(make_member(make_team(), "auditor"), first=today, last=today)
    for first, code in ((today + timedelta(days=1), "period"), (today, "no_entity")):
        with pytest.raises(ValidationError) as caught:
            onec_file(berta, first=first, last=today)
        assert code_of(caught) == code


def test_both_are_taken_from_pages_and_by_programs(berta: User) -> None:
    make_entity(account="40702810500000000001")
    company = make_company("Nordwind")
    invoice = issued(berta, line("1500"), company=company)
    payment: Any = paid(berta, 150000, invoice_id=invoice.pk)
    release_allocation(payment.allocations.get().pk, actor=berta)
    client = Client()
    client.force_login(berta)
    said: dict[str, str | int] = {"company": company.pk, "currency": "RUB"}
    for address in (
        reverse("admin:payments_customer_statement"),
        "/api/v1/payments/reports/customer-statement/paper/",
    ):
        answer = client.get(address, said)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF")
    today = timezone.localdate().isoformat()
    for address in (reverse("admin:payments_onec_exchange"), "/api/v1/payments/payments/1c-exchange/"):
        answer = client.get(address, {"first": today, "last": today})
        assert (answer.status_code, answer.content[:20]) == (200, b"1CClientBankExchange")
    assert client.get(reverse("admin:payments_onec_exchange")).status_code == 200
    assert client.get(reverse("admin:payments_customer_statement")).status_code == 302
    card = client.get(reverse("admin:crm_company_change", args=[company.pk]))
    assert card.status_code == 200
    assert Decimal(payment.captured_minor) == 150000
