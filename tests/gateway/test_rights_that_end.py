"""What somebody may watch for a while, they watch for that while: a row shared with them, and what another sees."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import AccessGrant, ImpersonationSession
from apps.jobs.models import Job
from tests.accounts.factories import make_superuser
from tests.gateway.sockets import Door, Socket
from tests.gateway.test_socket import running_job
from tests.jobs.factories import make_user


def share(job: Job, lasts: timedelta) -> tuple[Any, AccessGrant]:
    guest = make_user()
    grant = AccessGrant.objects.create(
        user=guest,
        content_type=ContentType.objects.get_for_model(Job),
        object_id=job.pk,
        actions=["view"],
        reason="they wait for it",
        granted_by=job.owner,
        expires_at=timezone.now() + lasts,
    )
    return guest, grant


def watching(socket: Socket, job: Job) -> dict[str, Any]:
    socket.hello(**{f"job_{job.pk}": {}})
    welcome: dict[str, Any] = socket.next_of("welcome")
    return welcome


def test_a_shared_stream_is_watched_until_it_is_taken_back(door: Door) -> None:
    job = running_job()
    guest, grant = share(job, timedelta(hours=1))
    socket = door.open(guest)
    assert list(watching(socket, job)["streams"]) == [f"job:{job.pk}"]
    socket.next_of("reset")
    services.revoke_access(grant.pk, actor=make_superuser())
    assert socket.next_of("denied", within=10)["streams"] == [f"job:{job.pk}"]


def test_a_neighbour_of_what_is_shared_is_not_watched(door: Door) -> None:
    job, other = running_job(), running_job()
    guest, _grant = share(job, timedelta(hours=1))
    assert watching(door.open(guest), other)["denied"] == [f"job:{other.pk}"]


def test_a_shared_stream_ends_by_itself_at_the_next_heartbeat(door: Door) -> None:
    job = running_job()
    guest, _grant = share(job, timedelta(seconds=3))
    socket = door.open(guest)
    watching(socket, job)
    socket.next_of("reset")
    assert socket.next_of("denied", within=8)["streams"] == [f"job:{job.pk}"]


def acting_as_owner(job: Job) -> tuple[Client, ImpersonationSession]:
    client = Client()
    client.force_login(make_superuser())
    body = {"reason": "to look", "minutes": "15", "is_read_only": "on"}
    client.post(f"/admin/accounts/user/{job.owner.pk}/act_as/", body)
    return client, ImpersonationSession.objects.get()


def open_of(door: Door, client: Client) -> Socket:
    return door.open(cookie=f"sessionid={client.cookies['sessionid'].value}")


@pytest.mark.parametrize("how", ["stopped", "expired", "turned off"])
def test_a_socket_opened_while_acting_as_somebody_ends_with_that(door: Door, how: str) -> None:
    job = running_job()
    # Opens the admin, where it begins.
    job.owner.is_staff = True
    job.owner.save(update_fields=["is_staff"])
    client, session = acting_as_owner(job)
    if how == "expired":
        ends_at = timezone.now() + timedelta(seconds=3)
        ImpersonationSession.objects.filter(pk=session.pk).update(expires_at=ends_at)
    socket = open_of(door, client)
    assert list(watching(socket, job)["streams"]) == [f"job:{job.pk}"]
    socket.next_of("reset")
    if how == "stopped":
        client.post("/accounts/impersonation/stop/")
    elif how == "turned off":
        services.deactivate_user(session.target_id, actor=make_superuser("Another"))
    assert socket.await_close(within=8) == 4401
