"""Rates, statements and matches over REST."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.payments.models import BankLine, Payment, Provider
from apps.payments.rates.files import Published, Sheet
from apps.payments.services import rates
from tests.crm.factories import make_company
from tests.payments.camt import camt, entry
from tests.payments.factories import issued, line
from tests.payments.people import make_accountant, make_entity, make_seller
from tests.payments.test_matching import came, fresh
from tests.payments.test_statement_files import DATA

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/payments"


@pytest.fixture
def accountant() -> User:
    make_entity()
    return make_accountant()


@pytest.fixture
def api(accountant: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(accountant)
    return client


def send(api: APIClient, data: bytes, name: str = "s.xml") -> Any:
    return api.post(f"{ROOT}/statement-files/", {"file": SimpleUploadedFile(name, data)}, format="multipart")


def test_a_file_goes_in_and_out(api: APIClient) -> None:
    made = send(api, camt([entry("1.00", purpose="a")], opening=0, closing=100))
    assert made.status_code == 201
    file = f"{ROOT}/statement-files/{made.data['id']}"
    plan = api.get(f"{file}/plan/").data
    assert (plan["refusal"], plan["statements"][0]["new"], plan["statements"][0]["account"]) == (
        None,
        1,
        None,
    )
    applied = api.post(f"{file}/apply/")
    assert (applied.status_code, applied.data["state"], applied.data["counts"]["new"]) == (200, "APPLIED", 1)
    again = send(api, camt([entry("1.00", purpose="a")], opening=0, closing=100))
    assert (again.status_code, again.data["errors"][0]["code"]) == (409, "statement_known")
    (row,) = api.get(f"{ROOT}/bank-lines/").data["results"]
    assert row["amount"] == {"amount_minor": 100, "currency": "EUR"}
    assert len(api.get(f"{ROOT}/bank-statements/").data["results"]) == 1
    assert len(api.get(f"{ROOT}/bank-accounts/").data["results"]) == 1
    assert api.post(f"{file}/undo/").data["state"] == "UNDONE"
    assert not BankLine.objects.exists()


def test_a_refusal_has_its_code_and_words(api: APIClient) -> None:
    refused = send(api, (DATA / "mt940-jejik-ing.sta").read_bytes())
    assert refused.status_code == 400
    assert refused.data["errors"][0]["code"] == "unbalanced"
    assert "does not add up" in refused.data["errors"][0]["message"]


def test_a_table_is_corrected(api: APIClient) -> None:
    made = send(api, b"When;What;Sum\n01.03.2026;rent;-5,00\n", "b.csv")
    file = f"{ROOT}/statement-files/{made.data['id']}"
    assert api.get(f"{file}/plan/").data["code"] == "no_columns"
    layout = {"columns": {"date": 0, "amount": 2}, "account": "123", "currency": "RUB"}
    assert api.patch(f"{file}/", layout, format="json").status_code == 200
    assert api.get(f"{file}/plan/").data["statements"][0]["new"] == 1
    assert api.post(f"{file}/discard/").data["state"] == "DISCARDED"


def test_a_line_is_matched_once_for_each_key_and_taken_back(api: APIClient, accountant: User) -> None:
    invoice = issued(accountant, line("100.00"), company=make_company("Ромашка", tax_id="7707083893"))
    (one,) = came(accountant, "100.00", purpose=f"Счет {invoice.number}")
    (found,) = api.get(f"{ROOT}/bank-lines/{one.pk}/candidates/").data
    assert found["parts"][0]["invoice"] == invoice.pk
    assert found["confidence"] >= 85
    assert "its number is in the purpose" in found["why"]
    url, body = f"{ROOT}/bank-lines/{one.pk}/match/", {"parts": [{"invoice": invoice.pk}]}
    assert api.post(url, body, format="json").status_code == 400
    first = api.post(url, body, format="json", headers={"Idempotency-Key": "m1"})
    second = api.post(url, body, format="json", headers={"Idempotency-Key": "m1"})
    assert (first.status_code, second.status_code, second["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.data["id"] == second.data["id"]
    assert Payment.objects.count() == 1
    other = api.post(url, body, format="json", headers={"Idempotency-Key": "m2"})
    assert (other.status_code, other.data["code"]) == (409, "line_matched")
    back = api.post(
        f"{ROOT}/bank-matches/{first.data['id']}/release/",
        {"reason": "x"},
        format="json",
        headers={"Idempotency-Key": "r1"},
    )
    assert back.status_code == 200
    assert fresh(invoice).paid_minor == 0


def test_lines_are_set_aside(api: APIClient, accountant: User) -> None:
    (one,) = came(accountant, "100.00")
    line_url = f"{ROOT}/bank-lines/{one.pk}"
    assert (
        api.post(f"{line_url}/set-aside/", {"reason": "fee"}, format="json").data["set_aside_reason"] == "fee"
    )
    assert api.post(f"{line_url}/put-back/").data["set_aside_at"] is None
    assert api.post(f"{line_url}/put-back/").status_code == 409


def test_rates_are_written_read_and_convert(api: APIClient) -> None:
    today = timezone.localdate()
    rates.keep_rates(Provider.CBR, Sheet(today, (Published("USD", "RUB", 1, Decimal(80)),)), sha256="")
    values = {"base": "EUR", "quote": "RUB", "rate": "90", "reason": "Contract"}
    assert api.post(f"{ROOT}/exchange-rates/", values, format="json").status_code == 201
    assert len(api.get(f"{ROOT}/exchange-rates/", {"provider": "MANUAL"}).data["results"]) == 1
    asked: dict[str, Any] = {"source": "USD", "target": "RUB", "amount_minor": 1001}
    found = api.get(f"{ROOT}/exchange-rates/convert/", asked).data
    assert found["converted"] == {"amount_minor": 80080, "currency": "RUB"}
    assert (found["day"], found["legs"][0]["provider"]) == (today.isoformat(), "CBR")
    nobody = api.get(f"{ROOT}/exchange-rates/convert/", asked | {"target": "KZT"})
    assert (nobody.status_code, nobody.data["errors"][0]["code"]) == (400, "no_rate")


def test_accounts_are_made_changed_and_archived(api: APIClient) -> None:
    from apps.documents.models import LegalEntity

    values = {"legal_entity": LegalEntity.objects.get().pk, "number": "DE42 1001", "currency": "EUR"}
    made = api.post(f"{ROOT}/bank-accounts/", values, format="json")
    assert made.status_code == 201
    url = f"{ROOT}/bank-accounts/{made.data['id']}"
    assert api.patch(f"{url}/", {"name": "Main"}, format="json").data["name"] == "Main"
    assert api.post(f"{url}/archive/").data["archived_at"] is not None
    assert api.post(f"{url}/restore/").data["archived_at"] is None


def test_sellers_see_rates_alone(accountant: User) -> None:
    came(accountant, "1.00")
    client = APIClient()
    client.force_authenticate(make_seller())
    assert client.get(f"{ROOT}/exchange-rates/").status_code == 200
    for name in ("bank-accounts", "statement-files", "bank-statements", "bank-lines", "bank-matches"):
        assert client.get(f"{ROOT}/{name}/").status_code == 403
