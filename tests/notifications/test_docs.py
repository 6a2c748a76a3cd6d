"""The consumer of the documentation works as it stands there."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.notifications.models import WebhookDelivery
from apps.notifications.services import webhooks
from config.local.redis import free_port
from tests.accounts.factories import make_member, make_team
from tests.notifications.telling import make_deal, make_webhook, relay, send
from tests.support.processes import is_listening

DOCS = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return make_member(make_team("Top"), "administrator", "boss")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def consumer(
    tmp_path: Path, boss: User, to_this_machine: None, port: int
) -> Iterator["subprocess.Popen[str]"]:
    """The example of the docs, with the secret of a webhook that leads to it."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    program = tmp_path / "consumer.py"
    program.write_text(example)
    _endpoint, secret = make_webhook(boss, f"http://127.0.0.1:{port}/", "crm.deal.created.v1")
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "PORT": str(port)}
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as popen:
        deadline = time.monotonic() + 30
        while not is_listening(port):
            assert popen.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield popen
        popen.kill()


def test_the_consumer_takes_each_fact_once_and_nothing_of_strangers(
    boss: User, consumer: "subprocess.Popen[str]", port: int
) -> None:
    deal = make_deal("deal", owner=boss)
    relay()
    assert send() == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.code) == ("DELIVERED", 204)
    webhooks.redeliver(delivery.pk, actor=boss)
    assert send() == 1
    other = make_deal("other", owner=boss)
    relay()
    assert send() == 1
    assert consumer.stdout is not None
    lines = [consumer.stdout.readline().strip() for _fact in range(2)]
    assert lines == [f"crm.deal.created.v1 deal/{pk}" for pk in (deal.pk, other.pk)]

    forged = urllib.request.Request(
        f"http://127.0.0.1:{port}/", b"{}", {"webhook-id": "x", "webhook-timestamp": "1"}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(forged, timeout=30)
    assert refusal.value.code == 401
