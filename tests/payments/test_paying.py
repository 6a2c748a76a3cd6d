"""The page that customers pay by: whoever has the link sees what is owed, pays it once, and reads how it ended."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import Invoice, Payment, PaymentAttempt, PaymentLink, ProviderAccount
from apps.payments.services import charging, payment_links
from apps.payments.services.invoices import void_invoice
from apps.payments.services.provider_accounts import archive_provider_account, create_provider_account
from tests.fakes.provider import Fault
from tests.fakes.stripe import FakeStripe, fake_stripe
from tests.fakes.yookassa import fake_yookassa
from tests.payments.factories import draft, issued, line, paid, wrong
from tests.payments.people import make_entity, make_seller
from tests.payments.providing import account_with, told_all
from tests.payments.test_invoices import code_of, committed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_has_asked() -> None:
    cache.clear()


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as served:
        yield served


def page_of(invoice: Invoice, berta: User, **terms: Any) -> str:
    _link, token = payment_links.make_link(invoice.pk, actor=berta, **terms)
    return reverse("payments:pay", args=[token])


def text_of(response: Any) -> str:
    return str(response.content.decode()).replace("\u202f", " ").replace("\xa0", " ")


def state_on(response: Any) -> str:
    found = re.search(r'data-state="(\w+)"', text_of(response))
    assert found is not None, text_of(response)
    return found[1]


def due_on(response: Any) -> str:
    found = re.search(r'data-due="([\d.]+)"', text_of(response))
    assert found is not None, text_of(response)
    return found[1]


def test_a_customer_pays_a_part_and_then_the_rest(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    invoice, account = issued(berta, line("100"), locale="en"), account_with(stripe, settings, berta)
    address, client = page_of(invoice, berta), Client()
    shown = client.get(address)
    assert (shown.status_code, due_on(shown)) == (200, "100.00")
    assert "default-src 'none'" in shown["Content-Security-Policy"]
    assert shown["Cache-Control"].find("no-store") >= 0
    for amount, left in (("40,00", "60.00"), ("", "0")):
        sent = client.post(address, {"action": "pay", "account": account.pk, "amount": amount})
        attempt = PaymentAttempt.objects.latest("pk")
        assert (sent.status_code, sent["Location"]) == (302, attempt.url)
        stripe.pay(attempt.external_id)
        # Stripe sends the payer back before its webhook comes.
        back = stripe.sessions[attempt.external_id]["success_url"].removeprefix("http://testserver")
        thanks = client.get(back)
        assert (state_on(thanks), due_on(thanks)) == ("SUCCEEDED", left)
        assert "http-equiv" not in text_of(thanks)
    invoice.refresh_from_db()
    assert (invoice.status, Payment.objects.count()) == ("PAID", 2)
    told_all(account, stripe.messages)
    committed()
    assert wrong() == []


def test_who_comes_back_sees_the_truth(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    invoice, account = issued(berta, line("100")), account_with(stripe, settings, berta)
    address, client = page_of(invoice, berta), Client()
    stripe.faults.append(Fault.ERROR_AFTER)
    sent = client.post(address, {"action": "pay", "account": account.pk})
    # Nobody knows: the page waits, and no other payment is offered.
    waiting = client.get(sent["Location"])
    assert state_on(waiting) in ("UNKNOWN", "PENDING")
    assert 'http-equiv="refresh"' in text_of(waiting)
    assert 'value="pay"' not in text_of(client.get(address))
    again = client.post(address, {"action": "pay", "account": account.pk})
    assert (again.status_code, PaymentAttempt.objects.count()) == (400, 1)
    attempt = PaymentAttempt.objects.get()
    with time_machine.travel(timezone.now() + timedelta(seconds=10)):
        assert state_on(client.get(sent["Location"])) == "PENDING"
    attempt.refresh_from_db()
    stripe.expire(attempt.external_id)
    with time_machine.travel(timezone.now() + timedelta(seconds=20)):
        ended = client.get(sent["Location"])
    assert state_on(ended) == "CANCELED"
    # And may try again from here.
    assert 'value="pay"' in text_of(ended)
    assert client.post(sent["Location"], {"action": "pay", "account": account.pk}).status_code == 302
    assert PaymentAttempt.objects.count() == 2


def test_a_payment_is_given_up_for_another(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    invoice, account = issued(berta, line("100")), account_with(stripe, settings, berta)
    address, client = page_of(invoice, berta), Client()
    client.post(address, {"action": "pay", "account": account.pk, "amount": "10"})
    assert "give-up" in text_of(client.get(address))
    assert client.post(address, {"action": "give-up"}).status_code == 302
    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, stripe.sessions[attempt.external_id]["status"]) == ("CANCELED", "expired")
    assert 'value="pay"' in text_of(client.get(address))


def test_what_was_paid_meanwhile_is_not_given_up(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    invoice, account = issued(berta, line("100")), account_with(stripe, settings, berta)
    address, client = page_of(invoice, berta), Client()
    client.post(address, {"action": "pay", "account": account.pk})
    attempt = PaymentAttempt.objects.get()
    stripe.pay(attempt.external_id)
    client.post(address, {"action": "give-up"})
    invoice.refresh_from_db()
    assert invoice.status == "PAID"


def test_yookassa_does_not_let_go(settings: LazySettings, berta: User) -> None:
    with fake_yookassa() as fake:
        invoice, account = issued(berta, line("100"), locale="en"), account_with(fake, settings, berta)
        address, client = page_of(invoice, berta), Client()
        client.post(address, {"action": "pay", "account": account.pk})
        refused = client.post(address, {"action": "give-up"})
        assert refused.status_code == 400
        assert "within the hour" in text_of(refused)


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "100.001", "abc", "1" * 40, "١٠"])
def test_what_is_no_amount_is_refused(
    stripe: FakeStripe, settings: LazySettings, berta: User, amount: str
) -> None:
    account = account_with(stripe, settings, berta)
    address = page_of(issued(berta, line("100")), berta)
    assert (
        Client().post(address, {"action": "pay", "account": account.pk, "amount": amount}).status_code == 400
    )
    assert not PaymentAttempt.objects.exists()


def test_no_more_than_is_owed_and_no_part_where_all_is_wanted(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    address = page_of(issued(berta, line("100")), berta, lets_part=False)
    client = Client()
    for amount in ("100.01", "99"):
        said = {"action": "pay", "account": account.pk, "amount": amount}
        assert client.post(address, said).status_code == 400
    assert not PaymentAttempt.objects.exists()
    assert client.post(address, {"action": "pay", "account": account.pk, "amount": "100"}).status_code == 302


@pytest.mark.parametrize("account", ["", "0", "999999", "x", "9" * 30])
def test_what_is_not_offered_is_refused(
    stripe: FakeStripe, settings: LazySettings, berta: User, account: str
) -> None:
    account_with(stripe, settings, berta)
    address = page_of(issued(berta), berta)
    assert Client().post(address, {"action": "pay", "account": account}).status_code == 400


def test_links_end(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    invoice = issued(berta)
    client = Client()
    link, token = payment_links.make_link(
        invoice.pk, actor=berta, expires_at=timezone.now() + timedelta(days=1)
    )
    address = reverse("payments:pay", args=[token])
    assert token not in (link.digest, str(link.pk))
    assert client.get(address).status_code == 200
    link.refresh_from_db()
    assert (link.views, link.viewed_at is not None) == (1, True)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert client.get(address).status_code == 404
    payment_links.revoke_link(link.pk, actor=berta)
    payment_links.revoke_link(link.pk, actor=berta)
    assert client.get(address).status_code == 404
    assert client.get(reverse("payments:pay", args=["nobody-has-this"])).status_code == 404
    other = page_of(invoice, berta)
    void_invoice(invoice.pk, actor=berta, reason="mistake")
    assert client.get(other).status_code == 404


def test_who_may_make_links(berta: User) -> None:
    invoice = issued(berta)
    with pytest.raises(Invoice.DoesNotExist):
        payment_links.make_link(invoice.pk, actor=make_seller())
    for made, code in ((draft(berta), "invoice_not_open"),):
        with pytest.raises(ValidationError) as caught:
            payment_links.make_link(made.pk, actor=berta)
        assert code_of(caught) == code
    with pytest.raises(ValidationError) as caught:
        payment_links.make_link(invoice.pk, actor=berta, expires_at=timezone.now() + timedelta(days=400))
    assert code_of(caught) == "expiry_refused"
    link, _token = payment_links.make_link(invoice.pk, actor=berta)
    with pytest.raises((PermissionDenied, PaymentLink.DoesNotExist)):
        payment_links.revoke_link(link.pk, actor=make_seller())


def test_a_signed_address_leads_to_its_charge_alone(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    client = Client()
    client.post(page_of(issued(berta), berta), {"action": "pay", "account": account.pk})
    address = charging.back_path(PaymentAttempt.objects.get())
    assert client.get(address).status_code == 200
    assert client.get(re.sub(r"back/(\d+):", lambda m: f"back/{int(m[1]) + 1}:", address)).status_code == 404
    # The link has ended: how it stands is shown, and nothing more is taken.
    payment_links.revoke_link(PaymentLink.objects.get().pk, actor=berta)
    assert client.get(address).status_code == 200
    assert client.post(address, {"action": "pay", "account": account.pk}).status_code == 404


def test_nobody_looks_for_links_by_trying(settings: LazySettings) -> None:
    settings.PAYMENT_PAGE_VIEWS = 3
    client = Client(REMOTE_ADDR="203.0.113.77")
    found = [client.get(reverse("payments:pay", args=[f"guess{n}"])).status_code for n in range(5)]
    assert found == [404, 404, 404, 429, 429]


def test_what_is_offered_follows_the_invoice(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    with fake_yookassa() as fake:
        ours = make_entity(name="Ours")
        common = account_with(stripe, settings, berta)
        roubles = account_with(fake, settings, berta)
        own = account_with(stripe, settings, berta, legal_entity_id=ours.pk)
        from apps.payments.services.provider_accounts import offered_for

        invoice = issued(berta, legal_entity_id=ours.pk)
        assert {each.pk for each in offered_for(invoice)} == {own.pk, roubles.pk}
        assert [each.pk for each in offered_for(issued(berta, currency="USD", legal_entity_id=ours.pk))] == [
            own.pk
        ]
        archive_provider_account(own.pk, actor=berta)
        assert {each.pk for each in offered_for(invoice)} == {common.pk, roubles.pk}


def test_the_page_speaks_the_language_of_the_invoice(berta: User) -> None:
    address = page_of(issued(berta, locale="ru"), berta)
    assert 'lang="ru"' in text_of(Client().get(address))


# A demonstration


@pytest.fixture
def demo(settings: LazySettings, berta: User) -> ProviderAccount:
    settings.PAYMENT_DEMO = True
    return create_provider_account(actor=berta, provider="YOOKASSA", mode="DEMO", has_receipts=True)


@pytest.mark.parametrize(
    ("decision", "state"), [("pay", "SUCCEEDED"), ("refuse", "FAILED"), ("cancel", "CANCELED")]
)
def test_a_demonstration_says_that_it_is_one(
    demo: ProviderAccount, berta: User, decision: str, state: str
) -> None:
    invoice, client = issued(berta, line("100"), locale="en"), Client()
    address = page_of(invoice, berta)
    assert "demonstration" in text_of(client.get(address))
    said = {"action": "pay", "account": demo.pk, "contact": "anna@example.org"}
    plays = client.post(address, said)["Location"]
    assert "no money moves" in text_of(client.get(plays))
    back = client.post(plays, {"decision": decision})["Location"]
    # What was decided first stays.
    client.post(plays, {"decision": "pay" if decision != "pay" else "refuse"})
    assert state_on(client.get(back)) == state
    committed()
    assert wrong() == []


def test_nobody_pays_by_a_demonstration_that_is_turned_off(
    demo: ProviderAccount, berta: User, settings: LazySettings
) -> None:
    client = Client()
    address = page_of(issued(berta), berta)
    plays = client.post(address, {"action": "pay", "account": demo.pk, "contact": "+7 912 345-67-89"})[
        "Location"
    ]
    settings.PAYMENT_DEMO = False
    assert client.get(plays).status_code == 404
    assert 'value="pay"' not in text_of(client.get(address))


def test_a_receipt_has_to_go_somewhere(demo: ProviderAccount, berta: User) -> None:
    client, address = Client(), page_of(issued(berta), berta)
    for contact in ("", "nobody", "12", "a@b"):
        said = {"action": "pay", "account": demo.pk, "contact": contact}
        assert client.post(address, said).status_code == 400
    assert not PaymentAttempt.objects.exists()


def test_an_invoice_that_was_paid_otherwise_shows_so(berta: User, demo: ProviderAccount) -> None:
    invoice = issued(berta, line("100"))
    address = page_of(invoice, berta)
    paid(berta, 10000, invoice_id=invoice.pk)
    shown = Client().get(address)
    assert due_on(shown) == "0"
    assert 'value="pay"' not in text_of(shown)
