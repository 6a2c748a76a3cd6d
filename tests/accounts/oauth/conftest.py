"""What the tests of the server share: an application, somebody at a browser, and no attempts of earlier tests."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.accounts.oauth.relying import Browser, Relying


@pytest.fixture(autouse=True)
def no_earlier_attempts() -> None:
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def calendar() -> "Relying":
    from tests.accounts.oauth.relying import register

    return register()


@pytest.fixture
def browser() -> "Browser":
    from tests.accounts.oauth.relying import Browser

    return Browser().log_in()
