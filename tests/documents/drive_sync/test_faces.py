"""Google Drive over REST and in the admin: each says what the services say, to whom the policy lets."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.documents.models import DriveConflict, DriveRoot, SyncTask, WatchChannel
from apps.documents.services.drive import bindings
from apps.events.streams import source_of
from tests.accounts.factories import make_member, make_team
from tests.documents.drive_sync.world import World

pytestmark = pytest.mark.django_db

API = "/api/v1/documents/drive"


@pytest.fixture
def seller(db: None) -> User:
    return make_member(make_team("South"), "salesperson", "seller")


def api(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_roots_over_rest(world: World, seller: User) -> None:
    address = f"{API}/roots/{world.root_id}/"
    shown = api(world.admin).get(address).json()
    assert (shown["name"], shown["state"]) == ("Company", "ACTIVE")
    assert "sealed" not in shown
    assert api(seller).get(address).status_code in {403, 404}
    assert api(seller).post(f"{address}pause/").status_code in {403, 404}
    assert api(world.admin).post(f"{address}pause/").json()["state"] == "PAUSED"
    again = api(world.admin).post(f"{address}pause/")
    assert (again.status_code, again.json()["code"]) == (400, "paused")
    assert api(world.admin).post(f"{address}reconcile/").json()["code"] == "stopped"
    assert api(world.admin).post(f"{address}resume/").status_code == 202
    assert api(world.admin).post(f"{address}probe/").status_code == 202
    assert api(world.admin).post(f"{address}reconcile/").status_code == 202
    kinds = set(SyncTask.objects.filter(state="QUEUED").values_list("kind", flat=True))
    assert {"PROBE", "RECONCILE"} <= kinds


def test_bindings_and_quota_over_rest(world: World, seller: User) -> None:
    document = world.write(b"one")
    world.settle()
    [binding] = api(world.admin).get(f"{API}/bindings/?document={document.pk}").json()["results"]
    assert (binding["state"], binding["base_name"]) == ("SYNCED", "Notes.txt")
    assert api(seller).get(f"{API}/bindings/{binding['id']}/").status_code == 404
    assert api(world.admin).post(f"{API}/bindings/{binding['id']}/sync/").status_code == 202
    detached = api(world.admin).post(f"{API}/bindings/{binding['id']}/detach/")
    assert detached.json()["state"] == "DETACHED"
    [quota] = api(world.admin).get(f"{API}/quota/").json()["results"]
    assert quota["limit"] == 325_000
    assert len(quota["minutes"]) == 60
    assert sum(minute["spent"] for minute in quota["minutes"]) > 0
    assert "sealed" not in quota


def conflict_of(world: World) -> DriveConflict:
    document = world.write(b"one")
    world.settle()
    world.edit(document, b"ours")
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.settle()
    [conflict] = world.conflicts()
    return conflict


def test_a_conflict_over_rest(world: World, seller: User) -> None:
    conflict = conflict_of(world)
    address = f"{API}/conflicts/{conflict.pk}/"
    shown = api(world.admin).get(address).json()
    assert (shown["kind"], shown["state"]) == ("EDITED", "OPEN")
    assert api(seller).post(f"{address}resolve/", {"choice": "OURS"}).status_code == 404
    assert api(world.admin).post(f"{address}resolve/", {"choice": "NOBODYS"}).status_code == 400
    resolved = api(world.admin).post(f"{address}resolve/", {"choice": "OURS"}).json()
    assert (resolved["state"], resolved["resolution"]) == ("RESOLVED", "OURS")


@pytest.fixture
def page(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def test_pages_of_a_root(world: World, page: Client) -> None:
    shown = page.get(f"/admin/documents/driveroot/{world.root_id}/change/")
    text = shown.content.decode()
    assert shown.status_code == 200
    assert "How it stands" in text
    assert text.count('<li style="--share') == 60
    assert page.get("/admin/documents/driveroot/").status_code == 200
    assert page.get("/admin/documents/driveroot/add/").status_code == 200
    address = f"/admin/documents/driveroot/{world.root_id}"
    asked = page.get(f"{address}/pause/")
    assert "Nothing travels either way" in asked.content.decode()
    page.post(f"{address}/pause/")
    assert world.root.state == DriveRoot.State.PAUSED
    assert "Paused by" in page.get(f"{address}/change/").content.decode()
    page.post(f"{address}/resume/")
    assert world.root.state == DriveRoot.State.ACTIVE


def test_an_account_is_made_and_its_key_never_shown(world: World, page: Client) -> None:
    import json

    key = json.dumps(world.fake.service_account("other@artel-demo.iam.gserviceaccount.com"))
    made = page.post(
        "/admin/documents/driveaccount/add/",
        {"name": "Other", "key": key, "subject": "", "profile": "units_2026"},
    )
    assert made.status_code == 302, made.content.decode()[-3000:]
    from apps.documents.models import DriveAccount

    account = DriveAccount.objects.get(name="Other")
    assert account.client_email.startswith("other@")
    assert "PRIVATE KEY" not in account.sealed
    shown = page.get(f"/admin/documents/driveaccount/{account.pk}/change/").content.decode()
    assert "PRIVATE KEY" not in shown
    assert account.sealed not in shown
    refused = page.post(
        "/admin/documents/driveaccount/add/",
        {"name": "Bad", "key": "nonsense", "subject": "", "profile": "units_2026"},
    )
    assert "no key file" in refused.content.decode()


def test_a_root_is_made_and_probed(world: World, page: Client) -> None:
    folder = world.fake.person.create_folder(world.drive.id, "Second")
    made = page.post(
        "/admin/documents/driveroot/add/",
        {
            "name": "Second",
            "account": world.account.pk,
            "drive_id": world.drive.id,
            "folder_id": folder.id,
            "direction": "BOTH",
            "takes": "CHOSEN",
            "follows_trash": "on",
        },
    )
    assert made.status_code == 302, made.content.decode()[-3000:]
    world.settle()
    assert DriveRoot.objects.get(name="Second").state == DriveRoot.State.ACTIVE


def test_the_page_of_a_conflict_shows_both_and_takes_one_click(world: World, page: Client) -> None:
    conflict = conflict_of(world)
    address = f"/admin/documents/driveconflict/{conflict.pk}"
    text = page.get(f"{address}/change/").content.decode()
    assert text.count("drive-side-") >= 2
    # unfold's router names the address of a choice.
    assert f"{address}/keep-ours" in text
    import re

    [choice] = re.findall(r'action="([^"]*keep-theirs[^"]*)"', text)
    page.post(choice)
    conflict.refresh_from_db()
    assert (conflict.state, conflict.resolution) == ("RESOLVED", "THEIRS")
    assert "stands" in page.get(f"{address}/change/").content.decode()
    assert page.get("/admin/documents/driveconflict/").status_code == 200


def test_pages_of_bindings_and_channels(world: World, page: Client) -> None:
    document = world.write(b"one")
    world.settle()
    binding = world.binding(document)
    text = page.get(f"/admin/documents/drivebinding/{binding.pk}/change/").content.decode()
    assert "Open in Google Drive" in text
    assert page.get("/admin/documents/drivebinding/").status_code == 200
    WatchChannel.objects.create(cursor=world.account.cursors.get(), token_sha256=b"x" * 32, state="ACTIVE")
    assert page.get("/admin/documents/watchchannel/").status_code == 200


def test_the_panel_of_a_document(world: World, admin: User) -> None:
    from django.template.loader import render_to_string
    from django.test import RequestFactory

    from apps.documents.admin.panels import panels

    document = world.write(b"one")
    request = RequestFactory().get("/")
    request.user = admin
    [panel] = [one for one in panels() if one.key == "drive"]
    assert panel.context(request, document) is None
    world.settle()
    context = panel.context(request, document)
    assert context is not None
    assert "in step" in render_to_string(panel.template, context)


def test_where_a_document_stands_moves_its_stream(world: World) -> None:
    document = world.write()
    source, key = source_of(f"document:{document.pk}")

    def head() -> int:
        return source.head(key)[1]

    written = head()
    world.settle()
    in_step = head()
    assert in_step > written
    bindings.detach(world.binding(document).pk, actor=world.admin)
    assert head() > in_step
