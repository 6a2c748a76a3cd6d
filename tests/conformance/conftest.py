"""What each module of the suite begins with: an application that is registered, and somebody at a browser."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.accounts.oauth.relying import Browser, Relying


@pytest.fixture(autouse=True)
def no_earlier_attempts() -> None:
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def client() -> "Relying":
    from tests.accounts.oauth.relying import register

    return register()


@pytest.fixture
def second_client() -> "Relying":
    from tests.accounts.oauth.relying import register

    return register(name="Second")


@pytest.fixture
def browser() -> "Browser":
    from tests.accounts.oauth.relying import Browser

    return Browser().log_in()
