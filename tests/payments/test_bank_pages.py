"""Statements, rates and reconciliation in the admin, as an accountant meets them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import BankLine, BankMatch, ExchangeRate, Payment, Provider, StatementFile
from apps.payments.rates.files import Published, Sheet
from apps.payments.services import rates
from tests.crm.factories import make_company
from tests.payments.camt import camt, entry
from tests.payments.factories import issued, line
from tests.payments.people import make_accountant, make_entity, make_seller
from tests.payments.test_matching import came, fresh
from tests.payments.test_statement_files import DATA

pytestmark = pytest.mark.django_db
ADD = "admin:payments_statementfile_add"
RECONCILE = "admin:payments_bankline_reconcile"


@pytest.fixture
def accountant() -> User:
    make_entity()
    return make_accountant()


@pytest.fixture
def page(accountant: User) -> Client:
    client = Client()
    client.force_login(accountant)
    return client


def send(page: Client, data: bytes, name: str = "march.xml") -> str:
    """Upload a file; return the address of its page."""
    answer = page.post(reverse(ADD), {"file": SimpleUploadedFile(name, data)})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def test_a_file_is_read_imported_and_taken_back(page: Client) -> None:
    url = send(page, camt([entry("1.00", purpose="a"), entry("2.00", purpose="b")], opening=0, closing=300))
    shown = page.get(url).content.decode()
    assert "2 new lines would come" in shown
    assert "new account" in shown
    assert not BankLine.objects.exists()
    file = StatementFile.objects.get()
    answer = page.post(reverse("admin:payments_statementfile_apply", args=[file.pk]), follow=True)
    assert "2 new lines came" in answer.content.decode()
    answer = page.post(reverse("admin:payments_statementfile_undo", args=[file.pk]), follow=True)
    assert "The import was taken back" in answer.content.decode()
    assert not BankLine.objects.exists()


def test_a_refusal_stands_on_the_page_in_words(page: Client) -> None:
    data = (DATA / "mt940-jejik-ing.sta").read_bytes()
    answer = page.post(reverse(ADD), {"file": SimpleUploadedFile("ing.sta", data)})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "does not add up" in text
    assert "ing.sta" in text
    assert page.post(reverse(ADD)).status_code == 422


def test_a_table_is_read_as_somebody_says(page: Client) -> None:
    url = send(page, b"When;What;Sum\n01.03.2026;rent;-5,00\n", "bank.csv")
    assert "Say which they are" in page.get(url).content.decode()
    pk = StatementFile.objects.get().pk
    fields = {
        "field-date": "0",
        "field-purpose": "1",
        "field-amount": "2",
        "account": "123",
        "currency": "RUB",
    }
    answer = page.post(reverse("admin:payments_statementfile_layout", args=[pk]), fields, follow=True)
    assert "1 new line would come" in answer.content.decode()
    wrong = page.post(reverse("admin:payments_statementfile_layout", args=[pk]), {"decimal": "x"})
    assert wrong.status_code == 422


def test_the_screen_offers_matches_and_goes_on(page: Client, accountant: User) -> None:
    company = make_company("Ромашка", tax_id="7707083893")
    first, second = (issued(accountant, line(price), company=company) for price in ("100.00", "70.00"))
    one, two = came(accountant, "100.00", "70.00", purpose=f"Счета {first.number}, {second.number}")
    shown = page.get(reverse(RECONCILE)).content.decode()
    assert "0 of 2 that came in" in shown
    assert first.number is not None
    assert first.number in shown
    assert "exactly what is due" in shown
    choice = {"choice": f"i:{first.pk}"}
    answer = page.post(reverse("admin:payments_bankline_match", args=[one.pk]), choice, follow=True)
    text = answer.content.decode()
    assert "1 of 2 that came in" in text
    assert fresh(first).status == "PAID"
    match = BankMatch.objects.get()
    assert "number" in match.reasons
    assert match.confidence is not None
    assert reverse("admin:payments_bankline_release", args=[one.pk]) in text
    page.post(reverse("admin:payments_bankline_match", args=[two.pk]), {"choice": f"i:{second.pk}"})
    assert "All that came in is matched" in page.get(reverse(RECONCILE)).content.decode()
    answer = page.post(
        reverse("admin:payments_bankline_release", args=[one.pk]), {"match": match.pk}, follow=True
    )
    assert "The match was taken back" in answer.content.decode()
    assert fresh(first).status == "OPEN"


def test_a_line_is_split_on_the_screen(page: Client, accountant: User) -> None:
    company = make_company("Ромашка", tax_id="7707083893")
    first, second = (issued(accountant, line(price), company=company) for price in ("100.00", "70.00"))
    (one,) = came(accountant, "120.00")
    url = reverse("admin:payments_bankline_match", args=[one.pk])
    values = {"choice": "split:", f"part-{first.pk}": "100,00", f"part-{second.pk}": "20.00"}
    page.post(url, values)
    assert (fresh(first).paid_minor, fresh(second).paid_minor) == (10000, 2000)
    (two,) = came(accountant, "10.00")
    url = reverse("admin:payments_bankline_match", args=[two.pk])
    for wrong in (
        {"choice": "split:"},
        {"choice": "split:", f"part-{second.pk}": "x"},
        {"choice": "z:1"},
        {},
    ):
        assert page.post(url, wrong).status_code == 422
    answer = page.post(url, {"choice": "split:", f"part-{second.pk}": "99.00"})
    assert "more than came with this line" in answer.content.decode()


def test_who_paid_is_found_where_no_invoice_speaks(page: Client, accountant: User) -> None:
    company = make_company("Василёк")
    (one,) = came(accountant, "33.00")
    url = reverse("admin:payments_bankline_change", args=[one.pk])
    assert "No invoice speaks for this line" in page.get(url).content.decode()
    assert "paid ahead" in page.get(url, {"q": "Василё"}).content.decode()
    page.post(reverse("admin:payments_bankline_match", args=[one.pk]), {"choice": f"c:{company.pk}"})
    assert Payment.objects.get().company == company


def test_lines_are_set_aside_and_stay_in_sight(page: Client, accountant: User) -> None:
    (one,) = came(accountant, "33.00")
    aside = reverse("admin:payments_bankline_aside", args=[one.pk])
    assert page.post(aside, {"reason": ""}).status_code == 422
    page.post(aside, {"reason": "A deposit"})
    listed = page.get(reverse("admin:payments_bankline_changelist"), {"standing": "aside"}).content.decode()
    assert f"№ {one.pk}" in listed
    page.post(reverse("admin:payments_bankline_back", args=[one.pk]))
    assert fresh(one).set_aside_at is None


def test_empty_places_say_what_to_do(page: Client) -> None:
    assert "Upload a statement of your bank" in page.get(reverse(RECONCILE)).content.decode()
    for name in ("statementfile", "bankline", "bankaccount", "exchangerate"):
        assert page.get(reverse(f"admin:payments_{name}_changelist")).status_code == 200
    assert "Nobody was asked yet" in page.get(reverse("admin:payments_rate_chart")).content.decode()


def test_a_currency_is_drawn_and_rates_are_written(page: Client) -> None:
    today = timezone.localdate()
    for back, rate in ((2, "80"), (1, "81.5"), (0, "79")):
        sheet = Sheet(today - timedelta(days=back), (Published("USD", "RUB", 1, Decimal(rate)),))
        rates.keep_rates(Provider.CBR, sheet, sha256="")
    shown = page.get(reverse("admin:payments_rate_chart"), {"of": "USD-RUB-CBR"}).content.decode()
    assert "polyline" in shown
    assert "answers" in shown
    values = {
        "base": "usd",
        "quote": "RUB",
        "nominal": "1",
        "rate": "77",
        "valid_on": str(today),
        "reason": "Contract",
    }
    page.post(reverse("admin:payments_exchangerate_add"), values)
    assert ExchangeRate.objects.get(provider="MANUAL").base == "USD"


def test_sellers_have_no_way_in() -> None:
    client = Client()
    client.force_login(make_seller())
    for name in (ADD, RECONCILE, "admin:payments_statementfile_changelist"):
        assert client.get(reverse(name)).status_code == 403
