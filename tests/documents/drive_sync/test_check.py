"""The check before a deployment: it says what would fail, and exits so that nobody overlooks it."""

from io import StringIO
from typing import Any, cast

import pytest
from django.core.management import CommandError, call_command

from apps.documents.integrity import Look, kind_of
from apps.documents.models import DriveBinding, DriveRoot, SyncTask
from apps.documents.services.drive import checking
from tests.documents.drive_sync.world import World
from tests.fakes.drive import ROBOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def paced(drive_settings: Any) -> Any:
    drive_settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 3.0
    return drive_settings


def told() -> str:
    """Run the check that finds something; return what it says."""
    out = StringIO()
    with pytest.raises(CommandError, match="would not work"):
        call_command("drive_check", stdout=out)
    return out.getvalue()


def test_all_is_well(world: World, paced: Any) -> None:
    out = StringIO()
    call_command("drive_check", stdout=out)
    assert "not well" not in out.getvalue()
    assert ROBOT in out.getvalue()
    made = [item for item in world.fake.store.items.values() if item.name == "Artel was here"]
    assert made
    assert all(item.explicitly_trashed for item in made)


def test_nothing_is_set_up(db: None, paced: Any) -> None:
    assert "There is no account" in told()


def test_a_key_that_counts_no_more(world: World, paced: Any) -> None:
    world.fake.revoke_key()
    assert "not well  Credentials of Robot" in told()


def test_a_drive_that_it_is_no_member_of(world: World, paced: Any) -> None:
    world.fake.person.take_away_drive(world.drive.id, ROBOT)
    assert "not well  Folder Company" in told()


def test_a_role_that_is_not_enough(world: World, paced: Any) -> None:
    world.fake.person.set_role(world.drive.id, ROBOT, "reader")
    assert "content manager" in told()


def test_no_shared_drive_and_nobody_to_speak_for(world: World, paced: Any) -> None:
    DriveRoot.objects.update(drive_id="")
    assert "owns nothing" in told()


def test_a_pace_that_google_does_not_bear(world: World, paced: Any) -> None:
    paced.GOOGLE_DRIVE_WRITES_PER_SECOND = 10.0
    assert "three a second" in told()


@pytest.mark.parametrize(
    ("base", "words"),
    [("http://crm.example.com", "https"), ("http://127.0.0.1:1", "cannot be reached")],
)
def test_a_way_back_that_is_none(world: World, paced: Any, base: str, words: str) -> None:
    paced.GOOGLE_DRIVE_WEBHOOK_BASE = base
    assert words in told()


def synced(*options: str) -> str:
    """Run a pass that cannot do everything; return what it says."""
    out = StringIO()
    with pytest.raises(CommandError, match="Not everything is kept in step"):
        call_command("drive_sync", *options, stdout=out)
    return out.getvalue()


def test_a_pass_says_why_a_key_counts_no_more(world: World, paced: Any) -> None:
    world.fake.revoke_key()
    world.write(b"one")
    world.hear()
    assert "Folder Company: Google does not accept the key" in synced()


def test_a_pass_says_that_a_drive_is_out_of_sight(world: World, paced: Any) -> None:
    world.fake.person.take_away_drive(world.drive.id, ROBOT)
    assert "Folder Company: " in synced("--compare")


def test_a_pass_says_what_is_tried_again(world: World, paced: Any) -> None:
    world.fake.faults.add("before", "files.create", nth=0)
    world.write(b"one")
    world.hear()
    out = StringIO()
    call_command("drive_sync", stdout=out)
    assert "Tried again later (1): Google Drive does not answer properly" in out.getvalue()


@pytest.mark.parametrize("seconds", ["0", "-5", "nan"])
def test_a_pass_of_no_time_is_refused(db: None, seconds: str) -> None:
    with pytest.raises(CommandError, match="more than 0"):
        call_command("drive_sync", f"--seconds={seconds}")


def wrong() -> set[str]:
    """Return what a check of all that is kept says of Drive."""
    found = list(checking.find_wrong(cast(Look, None)))
    for each in found:
        kind = kind_of(each.kind)
        assert kind is not None
        assert str(kind.sentence) % {"subject": each.subject, **each.facts}
    return {each.kind for each in found}


def test_what_whoever_verifies_documents_is_told(world: World) -> None:
    document = world.write()
    world.settle()
    assert wrong() == set()
    item = world.item(document)
    twin = world.fake.person.upload(world.folder.id, item.name, b"one")
    world.fake.person.set_app_properties(twin.id, **item.app_properties)
    world.reconcile()
    DriveBinding.objects.update(state="REMOTE_GONE")
    SyncTask.objects.filter(kind="BINDING").update(
        state="QUEUED", finished_at=None, attempts=12, next_run_at="2099-01-01T00:00Z"
    )
    assert wrong() == {"drive_duplicates", "drive_missing", "drive_stuck"}
