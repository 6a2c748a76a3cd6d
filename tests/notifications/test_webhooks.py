"""What people do with webhooks: make, change, rotate, pause and resume them, and send again."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuthEvent, User
from apps.events.models import Event
from apps.events.registry import all_facts
from apps.events.schemas import check_data
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.services import webhooks
from apps.notifications.webhooks.messages import custom_headers, secrets_of
from apps.notifications.webhooks.reach import matches
from apps.notifications.webhooks.samples import sample_of
from tests.accounts.factories import make_member, make_team
from tests.notifications.telling import make_webhook

pytestmark = pytest.mark.django_db
URL = "https://example.com/hook"


@pytest.fixture
def lead() -> User:
    return make_member(make_team("Sales"), "sales_lead", "lead")


def code_of(error: ValidationError) -> str:
    errors = error.error_dict.values() if hasattr(error, "error_dict") else [error.error_list]
    return str(next(iter(errors))[0].code)


def test_a_webhook_is_made_with_a_secret_that_is_kept_sealed(lead: User) -> None:
    endpoint, secret = make_webhook(lead, URL, headers={"Authorization": "Bearer of-theirs"})
    endpoint.refresh_from_db()
    assert secret.startswith("whsec_")
    assert secrets_of(endpoint) == [secret]
    assert custom_headers(endpoint) == {"Authorization": "Bearer of-theirs"}
    columns = " ".join(str(value) for value in WebhookEndpoint.objects.values_list()[0])
    assert secret not in columns
    assert "of-theirs" not in columns
    event = Event.objects.get(type="notifications.webhook.created.v1")
    assert event.data["url"] == URL
    assert AuthEvent.objects.filter(kind="webhook_made", user=lead).exists()
    assert secret.removeprefix("whsec_") not in str(event.data)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://example.com/"}, "needs_https"),
        ({"url": "https://127.0.0.1/"}, "refused_address"),
        ({"event_types": []}, "no_types"),
        ({"event_types": ["crm.deel.*"]}, "unknown_type"),
        ({"event_types": ["crm.deal.won.v1; drop"]}, "unknown_type"),
        ({"event_types": [f"crm.*{'*' * n}" for n in range(51)]}, "too_many"),
        ({"per_minute": 0}, "min_value"),
        ({"per_minute": 6001}, "max_value"),
        *[
            ({"headers": {name: "x"}}, "forbidden_header")
            for name in ("Host", "content-length", "Transfer-Encoding", "Webhook-Id", "webhook-signature", "Cookie",
                         "Proxy-Authorization", "X-Forwarded-For", "Connection", "Content-Type", "User-Agent")
        ],
        *[
            ({"headers": {"X-A": value}}, "bad_header")
            for value in ("", " x", "x ", "a\r\nHost: b", "a\nb", "ü", "\x00", "x" * 1001)
        ],
        *[({"headers": {name: "x"}}, "bad_header") for name in ("", "a b", "a:b", "a\r\n", "ü", "x" * 61)],
        ({"headers": {"X-A": "1", "x-a": "2"}}, "forbidden_header"),
        ({"headers": {f"X-{n}": "1" for n in range(11)}}, "too_many"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(lead: User, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        webhooks.create_webhook(actor=lead, **{"url": URL, "event_types": ["crm.*"], **fields})
    assert code_of(refusal.value) == code
    assert not WebhookEndpoint.objects.exists()


def test_what_makes_no_sense_is_refused_of_a_change_too(lead: User) -> None:
    endpoint, _secret = make_webhook(lead, URL)
    with pytest.raises(ValidationError):
        webhooks.change_webhook(endpoint.pk, actor=lead, url="https://[::1]/")
    with pytest.raises(ValidationError, match="Somebody else"):
        webhooks.change_webhook(endpoint.pk, actor=lead, expected_version=99, description="x")
    changed = webhooks.change_webhook(endpoint.pk, actor=lead, description="stock", expected_version=1)
    assert (changed.description, changed.version) == ("stock", 2)
    assert webhooks.change_webhook(endpoint.pk, actor=lead, description="stock", headers={}).version == 2


def test_salespeople_make_none_and_a_limited_key_neither(lead: User) -> None:
    seller = make_member(make_team("Other"), "salesperson", "seller")
    with pytest.raises(PermissionDenied):
        make_webhook(seller, URL)
    lead.key_scopes = frozenset({"read", "notifications.add_webhookendpoint"})
    with pytest.raises(PermissionDenied, match="key"):
        make_webhook(lead, URL)


def test_an_administrator_sends_nobody_elses_facts_elsewhere(lead: User) -> None:
    boss = make_member(make_team("Top"), "administrator", "boss")
    endpoint, _secret = make_webhook(lead, URL)
    with pytest.raises(PermissionDenied, match="owner"):
        webhooks.change_webhook(endpoint.pk, actor=boss, url="https://example.org/")
    with pytest.raises(PermissionDenied, match="owner"):
        webhooks.rotate_secret(endpoint.pk, actor=boss)
    assert webhooks.pause_webhook(endpoint.pk, actor=boss).state == "PAUSED"


def test_an_earlier_secret_signs_for_a_day(lead: User) -> None:
    endpoint, first = make_webhook(lead, URL)
    endpoint, second = webhooks.rotate_secret(endpoint.pk, actor=lead)
    assert secrets_of(endpoint) == [second, first]
    WebhookEndpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    endpoint.refresh_from_db()
    assert secrets_of(endpoint) == [second]


def test_stopping_and_resuming_are_asked_once(lead: User) -> None:
    endpoint, _secret = make_webhook(lead, URL)
    with pytest.raises(ValidationError, match="active"):
        webhooks.resume_webhook(endpoint.pk, actor=lead)
    webhooks.pause_webhook(endpoint.pk, actor=lead)
    with pytest.raises(ValidationError, match="stopped already"):
        webhooks.pause_webhook(endpoint.pk, actor=lead)
    with pytest.raises(ValidationError, match="resume it first"):
        webhooks.send_sample(endpoint.pk, actor=lead)
    assert webhooks.resume_webhook(endpoint.pk, actor=lead).stopped_at is None


def test_a_sample_looks_like_a_fact(lead: User) -> None:
    endpoint, _secret = make_webhook(lead, URL, "crm.deal.won.*")
    delivery = webhooks.send_sample(endpoint.pk, actor=lead)
    assert (delivery.event_type, delivery.state) == ("crm.deal.won.v1", "PENDING")
    with pytest.raises(ValidationError, match="no such type"):
        webhooks.send_sample(endpoint.pk, actor=lead, event_type="crm.deal.sneezed.v1")
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.parametrize("event_type", sorted(fact.type for _app, fact in all_facts()))
def test_samples_fit_the_schema_of_their_type(event_type: str) -> None:
    check_data(event_type, sample_of(event_type))


def test_patterns_mean_what_they_say() -> None:
    assert matches(["crm.deal.*"], "crm.deal.won.v1")
    assert matches(["*"], "crm.deal.won.v1")
    assert matches(["*.won.v1"], "crm.deal.won.v1")
    assert matches(["crm.deal.won.v1"], "crm.deal.won.v1")
    assert not matches(["crm.deal"], "crm.deal.won.v1")
    assert not matches(["crm?deal.*"], "crm.deal.won.v1")
    assert not matches([], "crm.deal.won.v1")


@given(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), st.integers(0, 20))
def test_a_star_stands_for_anything(name: str, place: int) -> None:
    assert matches([f"{name[:place]}*"], name)
    assert matches([f"*{name[place:]}"], name)
