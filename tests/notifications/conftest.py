from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.fakes import mailbox as fake_mailbox
from tests.fakes import receiver as fake
from tests.fakes import telegram as fake_telegram
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


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[fake_mailbox.Mailbox]:
    """A mail server, to which this process sends."""
    with fake_mailbox.running() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


@pytest.fixture
def telegram(settings: Settings) -> Iterator[fake_telegram.Telegram]:
    """A Bot API, to which this process sends."""
    with fake_telegram.running() as running:
        settings.TELEGRAM_API_URL, settings.TELEGRAM_BOT_TOKEN = running.url, fake_telegram.TOKEN
        yield running


from tests.crm.conftest import admin, anna, boris, deal, lena, team  # noqa: E402, F401 - who sells, here too
