"""Three hundred uploads while one in ten fails and workers are killed at every step: none is lost, none stands twice."""

import signal
from collections import Counter

import pytest

from apps.documents.models import ApiUsage, Document, DocumentVersion, DriveBinding
from apps.documents.services.drive import bindings
from tests.documents.drive_sync.world import World
from tests.documents.factories import make_document
from tests.support.processes import Processes

UPLOADS = 300
KILLS = [
    *["drive.claimed:1", "drive.reserved:1", "drive.uploaded:7", "drive.uploaded:15", "drive.recorded:1"],
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_and_nothing_stands_twice(world: World, artel_processes: Processes) -> None:
    documents = [
        make_document(world.admin, f"Paper {number}", f"content {number}".encode())
        for number in range(UPLOADS)
    ]
    for document in documents:
        bindings.follow(document.pk)
    faults = world.fake.faults
    # A tenth of the uploads: before the effect, after it, without an answer before and after, too fast, too late.
    for seed, (kind, more) in enumerate(
        [
            ("before", {}),
            ("after", {}),
            ("drop_before", {}),
            ("drop_after", {}),
            ("throttle", {}),
            ("delay", {"seconds": 1.5, "fraction": 0.005}),
        ]
    ):
        more = {"fraction": 0.02, **more}
        faults.add(kind, "files.create", nth=0, seed=seed, **more)
    environment = {
        "GOOGLE_DRIVE_API_ROOT": world.fake.api_root,
        "GOOGLE_DRIVE_WRITES_PER_SECOND": "0",
        "GOOGLE_DRIVE_ATTEMPTS": "1",
        "GOOGLE_DRIVE_FIRST_WAIT_SECONDS": "0.01",
        "GOOGLE_DRIVE_TIMEOUT_SECONDS": "1",
        "GOOGLE_DRIVE_LEASE_SECONDS": "30",
    }
    kills = 0
    for place in KILLS:
        killed = artel_processes.manage("drive_sync", ARTEL_FAILPOINT=place, **environment)
        # It may rest before it comes there, for Drive has refused it.
        kills += killed.wait(within=240) == -signal.SIGKILL
        world.forget_leases()
        world.skip_waits()
    assert kills >= len(KILLS) // 2
    for _round in range(20):
        assert artel_processes.manage("drive_sync", **environment).wait(within=300) == 0
        world.skip_waits()
        if not DriveBinding.objects.exclude(state=DriveBinding.State.SYNCED).exists():
            break

    calls = world.fake.journal.calls("files.create")
    faulty = [call for call in calls if call.fault]
    # It was hit: without all that is done about it, each of these would stand there twice or not at all.
    assert len(faulty) >= UPLOADS // 20
    assert len(calls) > UPLOADS + len(faulty) // 2
    live = world.live()
    by_document = Counter(item.app_properties["doc"] for item in live)
    assert set(by_document) == {str(document.pk) for document in documents}
    assert max(by_document.values()) == 1
    for item in live:
        version = DocumentVersion.objects.select_related("blob").get(
            document_id=int(item.app_properties["doc"])
        )
        assert item.blob is not None
        assert item.blob.md5 == bytes(version.blob.md5).hex()
    assert Document.objects.count() == UPLOADS
    assert ApiUsage.objects.exists()
