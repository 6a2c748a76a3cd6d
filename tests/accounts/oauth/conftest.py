"""What the tests of the server share: an application, somebody at a browser, and no attempts of earlier tests."""

import pytest
from django.core.cache import cache

from tests.accounts.oauth.relying import Browser, Relying, register


@pytest.fixture(autouse=True)
def no_earlier_attempts() -> None:
    cache.clear()


@pytest.fixture
def calendar() -> Relying:
    return register()


@pytest.fixture
def browser() -> Browser:
    return Browser().log_in()
