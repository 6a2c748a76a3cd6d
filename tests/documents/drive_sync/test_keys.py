"""The keys of accounts are sealed, and sealed anew when the secret that seals them is another one."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.documents.drive.client import LoginRefused
from apps.documents.drive.gate import key_of
from apps.documents.models import DriveAccount
from apps.documents.services.drive import roots
from tests.documents.drive_sync.world import World
from tests.fakes.drive import ROBOT

pytestmark = pytest.mark.django_db

OLD, NEW = "the secret of last year, long enough for all", "the secret of this year, as long as that one"


@pytest.fixture
def account(settings: Any, world: World) -> DriveAccount:
    """An account whose key was sealed under the old secret."""
    settings.SIGNING_KEYS_SECRET = [OLD]
    key = json.dumps(world.fake.service_account())
    return roots.change_key(world.account.pk, actor=world.admin, key=key)


def test_a_rotation_seals_the_keys_of_accounts_anew(
    world: World, account: DriveAccount, settings: Any
) -> None:
    settings.SIGNING_KEYS_SECRET = [NEW, OLD]
    call_command("rotate_signing_keys", stdout=StringIO())
    settings.SIGNING_KEYS_SECRET = [NEW]
    account.refresh_from_db()
    assert key_of(account)["client_email"] == ROBOT
    # And it still opens Drive.
    document = world.write(b"one")
    world.settle()
    world.assert_in_step(document)


def test_what_is_under_the_first_secret_stays(account: DriveAccount, settings: Any) -> None:
    settings.SIGNING_KEYS_SECRET = [NEW, OLD]
    before = account.sealed
    assert roots.seal_keys_anew() == 1
    account.refresh_from_db()
    after = account.sealed
    assert after != before
    assert roots.seal_keys_anew() == 0
    account.refresh_from_db()
    assert account.sealed == after


def test_a_key_that_nobody_opens_is_told_of_and_stops_no_rotation(
    world: World, account: DriveAccount, settings: Any
) -> None:
    settings.SIGNING_KEYS_SECRET = [NEW]
    out = StringIO()
    call_command("rotate_signing_keys", stdout=out)
    account.refresh_from_db()
    with pytest.raises(LoginRefused):
        key_of(account)
    with pytest.raises(CommandError, match="would not work"):
        call_command("drive_check", stdout=out)
    assert "another SIGNING_KEYS_SECRET" in out.getvalue()
    # The old secret back, as the last of the list, is all that it takes.
    settings.SIGNING_KEYS_SECRET = [NEW, OLD]
    assert roots.seal_keys_anew() == 1
