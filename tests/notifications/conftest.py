from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.fakes import receiver as fake
from tests.fakes.receiver import Receiver


@pytest.fixture
def to_this_machine(settings: Settings) -> None:
    """Let facts go to this machine by plain http, as for development."""
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver(to_this_machine: None) -> Iterator[Receiver]:
    """Somebody else's system, which facts may be sent to."""
    with fake.running() as running:
        yield running


from tests.crm.conftest import admin, anna, boris, deal, lena, team  # noqa: E402, F401 - who sells, here too
