"""Requests that no browser of ours sends: they are refused in words, and nothing breaks."""

import json

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    ada = User.objects.create(name="Ada", email="ada@example.org", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(ada)
    return client


@pytest.mark.parametrize(
    "address",
    [
        "/admin/search/?s=%00",
        "/admin/crm/importbatch/?kind__exact=%00",
        "/admin/autocomplete/?app_label=crm&model_name=deal&field_name=owner&term=a%00",
        "/api/v1/accounts/users/?name=%00",
        "/api/v1/streams/job:1/?after=%00",
    ],
)
def test_a_nul_in_the_address_is_a_bad_request(client: Client, address: str) -> None:
    assert client.get(address).status_code == 400


@pytest.mark.parametrize("digits", [19, 4400])
def test_a_number_without_end_is_no_row(client: Client, digits: int) -> None:
    assert client.get(f"/admin/crm/importbatch/{'9' * digits}/change/").status_code == 404
    job = Job.objects.create(kind="any", title="Any", owner=User.objects.get(name="Ada"))
    refused = client.get(f"/api/v1/streams/job:{job.pk}/?after={'9' * digits}")
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_position")


def test_only_files_are_large(client: Client) -> None:
    body = json.dumps({"name": "x" * (6 * 1024 * 1024)})
    refused = client.patch("/api/v1/me/", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert (
        client.patch("/api/v1/me/", '{"name": "Ada B"}', content_type="application/json").status_code == 200
    )
