"""Tables of codes and tokens stay as small as what is alive."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import AuthorizationCode, DeviceCode, RefreshToken, TokenFamily, User
from apps.accounts.services import token_families
from apps.accounts.tasks import clear_tokens
from tests.accounts.oauth.relying import Browser, Relying

pytestmark = pytest.mark.django_db


def plant(calendar: Relying, user: User, count: int, *, days: float) -> None:
    """Plant families with a code and three refresh tokens each, which expired so many days ago."""
    ended = timezone.now() - timedelta(days=days)
    families = [
        TokenFamily(id=uuid.uuid4(), application=calendar.application, user=user, expires_at=ended)
        for _n in range(count)
    ]
    TokenFamily.objects.bulk_create(families)
    common: dict[str, Any] = {"application": calendar.application, "expires_at": ended}
    AuthorizationCode.objects.bulk_create(
        AuthorizationCode(digest=uuid.uuid4().hex, user=user, family=family, **common) for family in families
    )
    DeviceCode.objects.bulk_create(
        DeviceCode(digest=uuid.uuid4().hex, user_code=uuid.uuid4().hex[:8], interval=5, **common)
        for _n in families
    )
    RefreshToken.objects.bulk_create(
        RefreshToken(digest=uuid.uuid4().hex, family=family, used_at=ended if n else None)
        for family in families
        for n in range(3)
    )


def counts() -> list[int]:
    return [model.objects.count() for model in (AuthorizationCode, DeviceCode, RefreshToken, TokenFamily)]


def test_what_expired_goes_and_what_lives_stays(calendar: Relying, browser: Browser) -> None:
    alive = browser.tokens(calendar)
    plant(calendar, browser.user, 7, days=2)
    plant(calendar, browser.user, 5, days=0.5)
    assert clear_tokens() == 7 * 6
    assert counts() == [6, 5, 16, 6]
    assert calendar.refresh(alive["refresh_token"]).status_code == 200
    assert clear_tokens() == 0


def test_it_goes_in_batches(calendar: Relying, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(calendar, browser.user, 10, days=2)
    monkeypatch.setattr(token_families, "_BATCH", 4)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert clear_tokens() == 60
    assert counts() == [0, 0, 0, 0]
    # 10 rows: two full batches and a last one; 30 rows: seven full ones and a last one.
    assert len(asked) == 3 + 3 + 8 + 3


@pytest.mark.parametrize(
    "table", ["accounts_authorizationcode", "accounts_devicecode", "accounts_tokenfamily"]
)
def test_what_expired_is_found_by_an_index(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        cursor.execute(f"explain select ctid from {table} where expires_at < now() limit 5000")
        assert "expiry" in " ".join(row[0] for row in cursor.fetchall())
