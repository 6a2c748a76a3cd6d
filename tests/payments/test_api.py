"""Money over REST: what it takes and tells, under which keys, and in which versions."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import IdempotencyKey, Invoice, LedgerAccount, Payment
from apps.payments.services.idempotency import KEPT, expire_idempotency_keys
from tests.access.world import client_with_key
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.payments.factories import balance, issued, line, overdue, paid, wrong
from tests.payments.test_invoices import committed

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/payments"


@pytest.fixture
def program(berta: User) -> Client:
    return client_with_key(berta, ["all"])


def post(client: Client, path: str, body: Any = None, *, key: str = "k", **headers: str) -> Any:
    return client.post(
        f"{ROOT}/{path}",
        json.dumps(body or {}),
        content_type="application/json",
        headers={"Idempotency-Key": key, **headers},
    )


def test_from_a_draft_to_a_settled_invoice(program: Client) -> None:
    company = make_company("Customer")
    lines = [{"name": "Desk", "quantity": "3", "unit_price": "99.99", "tax_rate": "20.00"}]
    body = {"company": company.pk, "currency": "RUB", "due_date": "2099-01-31", "lines": lines}
    made = post(program, "invoices/", body)
    assert made.status_code == 201, made.content
    invoice = made.json()
    assert invoice["total"] == {"amount_minor": 29997, "currency": "RUB"}
    assert invoice["lines"][0]["tax"]["amount_minor"] == 5000
    changed = program.patch(
        f"{ROOT}/invoices/{invoice['id']}/",
        {"note": "Thank you"},
        content_type="application/json",
        headers={"If-Match": made.headers["ETag"]},
    )
    assert changed.json()["note"] == "Thank you"
    late = post(program, f"invoices/{invoice['id']}/issue/", **{"If-Match": made.headers["ETag"]})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    number = post(program, f"invoices/{invoice['id']}/issue/", **{"If-Match": changed.headers["ETag"]})
    assert number.json()["number"] == f"INV-{timezone.localdate().year}-000001"
    came = post(program, "payments/", {"amount_minor": 30000, "currency": "RUB", "invoice": invoice["id"]})
    assert came.json()["free"] == {"amount_minor": 3, "currency": "RUB"}
    assert program.get(f"{ROOT}/invoices/{invoice['id']}/").json()["status"] == "PAID"
    (allocation,) = program.get(f"{ROOT}/allocations/?invoice={invoice['id']}").json()["results"]
    assert allocation["settles"]["amount_minor"] == 29997
    committed()
    assert wrong() == []


def test_what_moves_money_needs_a_key(program: Client, berta: User) -> None:
    invoice = issued(berta)
    for path, body in [
        ("payments/", {"amount_minor": 1, "currency": "RUB"}),
        (f"invoices/{invoice.pk}/void/", {"reason": "No"}),
    ]:
        answer = program.post(f"{ROOT}/{path}", json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    assert not Payment.objects.exists()


def test_the_same_key_is_the_same_answer(program: Client) -> None:
    body = {"amount_minor": 500, "currency": "RUB", "reference": "Invoice 7"}
    first = post(program, "payments/", body)
    again = post(program, "payments/", dict(reversed(body.items())))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert (again.headers["Idempotent-Replayed"], again.headers["ETag"]) == ("true", first.headers["ETag"])
    other = post(program, "payments/", body | {"amount_minor": 501})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert Payment.objects.count() == 1
    assert post(program, "payments/", body, key="another").status_code == 201
    assert balance("CASH") == 1000


def test_a_refusal_is_not_kept(program: Client, berta: User) -> None:
    body = {"amount_minor": 500, "currency": "RUB", "company": 10**9}
    assert post(program, "payments/", body).status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert post(program, "payments/", {"amount_minor": 500, "currency": "RUB"}).status_code == 201


def test_a_key_is_its_owners_and_of_one_address(program: Client, berta: User) -> None:
    other = client_with_key(make_member(make_team("Other books"), "accountant"), ["all"])
    body = {"amount_minor": 500, "currency": "RUB"}
    for client in (program, other):
        assert "Idempotent-Replayed" not in post(client, "payments/", body).headers
    assert Payment.objects.count() == 2
    assert (
        post(program, "refunds/", {"payment": Payment.objects.latest("id").pk, "reason": "x"}).status_code
        == 201
    )


def test_a_key_of_too_many_characters_is_refused(program: Client) -> None:
    answer = post(program, "payments/", {"amount_minor": 5, "currency": "RUB"}, key="x" * 256)
    assert answer.json()["code"] == "key_too_long"


def test_answers_are_forgotten_in_the_end(program: Client) -> None:
    post(program, "payments/", {"amount_minor": 5, "currency": "RUB"})
    assert expire_idempotency_keys() == 0
    IdempotencyKey.objects.update(expires_at=timezone.now() - KEPT)
    assert expire_idempotency_keys() == 1


@pytest.mark.parametrize("amount", [1.5, 100.0, "100", True, 0, -1, 10**14, None])
def test_an_amount_is_a_whole_number_of_minor_units(program: Client, amount: Any) -> None:
    answer = post(program, "payments/", {"amount_minor": amount, "currency": "RUB"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "amount_minor"


def test_every_step_has_its_address(program: Client, berta: User) -> None:
    company = make_company("Customer")
    first, second = issued(berta, line("100"), company=company), issued(berta, line("50"), company=company)
    payment = paid(berta, 12000, company_id=company.pk)
    said = {"payment": payment.pk, "invoice": first.pk, "amount_minor": 4000}
    allocation = post(program, "allocations/", said).json()
    post(program, f"allocations/{allocation['id']}/release/")
    assert (
        post(program, f"payments/{payment.pk}/allocate-by-due-date/").json()["allocated"]["amount_minor"]
        == 12000
    )
    line_id = second.lines.get().pk
    note = post(
        program,
        f"invoices/{second.pk}/credit/",
        {"reason": "Less", "parts": [{"line": line_id, "amount_minor": 1000}]},
    )
    assert (note.status_code, note.json()["tax"]["amount_minor"]) == (201, 167)
    gone = post(program, f"invoices/{second.pk}/write-off/", {"reason": "Bankrupt"})
    assert gone.json()["written_off"]["amount_minor"] == 2000
    assert post(program, f"invoices/{second.pk}/reinstate/", key="r").json()["status"] == "OPEN"
    void = issued(berta)
    assert post(program, f"invoices/{void.pk}/void/", {"reason": "Twice"}).json()["status"] == "VOID"
    mistake = paid(berta, 70)
    assert post(program, f"payments/{mistake.pk}/cancel/", {"reason": "Twice"}).json()["status"] == "CANCELED"
    committed()
    assert wrong() == []


def test_the_books_over_rest(program: Client, berta: User) -> None:
    company = make_company("Customer")
    overdue(berta, line("100"), days=45, company=company)
    paid(berta, 3000, company_id=company.pk)
    trial = program.get(f"{ROOT}/reports/trial-balance/").json()
    assert sum(row["balance_minor"] for row in trial) == 0
    assert {row["name"]: row["balance_minor"] for row in trial}["Receivables from customers"] == 10000
    assert trial == program.get(f"{ROOT}/reports/trial-balance/?until={timezone.localdate()}").json()
    (aged,) = program.get(f"{ROOT}/reports/aged-receivables/").json()
    assert (aged["buckets"], aged["advance_minor"]) == ([0, 0, 10000, 0, 0], 3000)
    told = program.get(f"{ROOT}/reports/customer-statement/?currency=RUB&company={company.pk}").json()
    assert [row["amount_minor"] for row in told["rows"]] == [10000, -3000]
    assert told["closing_minor"] == 7000
    (cash,) = program.get(f"{ROOT}/reports/cash-flow/").json()
    assert (cash["in_minor"], cash["out_minor"]) == (3000, 0)
    (revenue,) = program.get(f"{ROOT}/reports/revenue/").json()
    assert revenue["net_minor"] == 8333
    account = LedgerAccount.objects.get(purpose="CASH")
    statement = program.get(f"{ROOT}/ledger/accounts/{account.pk}/statement/?currency=RUB").json()
    assert (statement["opening_minor"], statement["closing_minor"]) == (0, 3000)
    entries = program.get(f"{ROOT}/ledger/entries/?postings__account={account.pk}").json()["results"]
    assert [entry["kind"] for entry in entries] == ["PAYMENT"]
    assert program.get(f"{ROOT}/reports/customer-statement/?currency=RUB").status_code == 400
    assert program.get(f"{ROOT}/reports/trial-balance/?until=never").status_code == 400


def test_by_hand_over_rest(program: Client) -> None:
    fees, cash = (LedgerAccount.objects.get(purpose=purpose).pk for purpose in ("FEES", "CASH"))
    legs = [
        {"account": fees, "amount_minor": 5, "currency": "RUB"},
        {"account": cash, "amount_minor": -5, "currency": "RUB"},
    ]
    body = {"accounting_date": str(timezone.localdate()), "memo": "Fee", "legs": legs}
    made = post(program, "ledger/entries/", body)
    assert made.status_code == 201, made.content
    back = post(program, f"ledger/entries/{made.json()['id']}/reverse/", {"reason": "Twice"})
    assert back.json()["reverses"] == made.json()["id"]
    account = post(program, "ledger/accounts/", {"code": "1001", "name": "Till", "type": "ASSET"}).json()
    named = program.patch(
        f"{ROOT}/ledger/accounts/{account['id']}/", {"name": "Cash box"}, content_type="application/json"
    )
    assert named.json()["name"] == "Cash box"
    closed = post(program, "ledger/periods/", {"closed_until": "2020-12-31", "reason": "2020 is done"})
    assert closed.status_code == 201
    refused = post(program, "ledger/entries/", body | {"accounting_date": "2020-12-31"}, key="late")
    assert (refused.status_code, refused.json()["code"]) == (400, "ledger_period_open")


def test_what_others_sell_is_not_there(berta: User) -> None:
    anna = make_member(make_team("North"), "salesperson", "Anna")
    mine = issued(berta, company=make_company("Annas", owner=anna))
    Invoice.objects.filter(pk=mine.pk).update(owner=anna)
    foreign = issued(berta)
    client = client_with_key(anna, ["all"])
    assert [row["id"] for row in client.get(f"{ROOT}/invoices/").json()["results"]] == [mine.pk]
    assert client.get(f"{ROOT}/invoices/{foreign.pk}/").status_code == 404
    assert post(client, f"invoices/{foreign.pk}/issue/").status_code == 404
    assert post(client, f"invoices/{mine.pk}/void/", {"reason": "x"}).status_code == 403
    assert post(client, "payments/", {"amount_minor": 1, "currency": "RUB"}).status_code == 403
    assert client.get(f"{ROOT}/reports/trial-balance/").status_code == 403
    assert [row["total_minor"] for row in client.get(f"{ROOT}/reports/aged-receivables/").json()] == [10000]
