"""A program without a cookie opens a socket with a ticket: once, soon, and as who asked for it."""

import json
import urllib.request

from django.test import Client
from redis import Redis

from apps.gateway.tickets import issue_ticket
from apps.jobs.models import Job
from tests.gateway.sockets import Door
from tests.jobs.factories import make_job, make_owner


def ask_for_ticket(client: Client) -> str:
    response = client.post("/api/v1/ws-tickets/")
    assert response.status_code == 201
    assert response.json()["expires_in"] == 30
    assert response["Cache-Control"] == "no-store"
    ticket: str = response.json()["ticket"]
    return ticket


def test_a_ticket_opens_one_socket(door: Door) -> None:
    job = make_job()
    client = Client()
    client.force_login(job.owner)
    ticket = ask_for_ticket(client)
    socket = door.open(origin=None, query=f"?ticket={ticket}")
    socket.hello(**{f"job_{job.pk}": {}})
    assert socket.next_of("reset")["state"]["title"] == "Counting"
    assert door.open(origin=None, query=f"?ticket={ticket}").await_close() == 4401
    client.logout()
    assert socket.await_close(within=10) == 4401, "the socket ends with the session in which it was asked for"


def test_a_ticket_that_is_too_old_or_never_was_opens_nothing(door: Door, redis_url: str) -> None:
    ticket = issue_ticket(make_owner())
    with Redis.from_url(redis_url) as client:
        (key,) = client.keys("*ws-ticket*")
        assert ticket.encode() not in key, "who reads Redis cannot use what is there"
        assert 0 < client.ttl(key) <= 30
        client.delete(key)
    assert door.open(origin=None, query=f"?ticket={ticket}").await_close() == 4401
    assert door.open(origin=None, query="?ticket=guessed").await_close() == 4401


def test_nobody_gets_a_ticket_without_logging_in(door: Door) -> None:
    assert Client().post("/api/v1/ws-tickets/").status_code in {401, 403}


# Server-sent events and plain reading


def read(door: Door, path: str, cookie: str = "", **headers: str) -> "urllib.request._UrlopenRet":
    request = urllib.request.Request(f"{door.server.url}{path}", headers={"Cookie": cookie} | headers)
    return urllib.request.urlopen(request, timeout=10)


def next_told(response: "urllib.request._UrlopenRet", op: str) -> dict[str, object]:
    """Return the next server-sent message of a kind, with its id."""
    place = ""
    for line in response:
        text = line.decode().rstrip("\n")
        if text.startswith("id: "):
            place = text.removeprefix("id: ")
        elif text.startswith("data: ") and (message := json.loads(text.removeprefix("data: ")))["op"] == op:
            return {**message, "id": place}
        elif not text:
            place = ""
    raise AssertionError(f"no {op}")


def test_a_stream_is_told_as_server_sent_events_and_goes_on_where_it_stopped(door: Door) -> None:
    from apps.jobs.services import working
    from tests.gateway.test_socket import log

    job = working.claim_job(make_job().pk)
    assert job is not None
    cookie = door.cookie(job.owner)
    path = f"/api/v1/streams/job:{job.pk}/"
    with read(door, path, cookie, Accept="text/event-stream") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        reset = next_told(response, "reset")
        log(job, "one")
        assert next_told(response, "event")["seq"] == 3
    log(job, "two")
    with read(
        door, path, cookie, Accept="text/event-stream", **{"Last-Event-ID": str(reset["id"])}
    ) as response:
        assert [next_told(response, "event")["seq"] for _number in range(2)] == [3, 4]


def test_a_stream_is_read_plainly_from_a_number_on(door: Door) -> None:
    job = make_job()
    client = Client()
    client.force_login(job.owner)
    path = f"/api/v1/streams/job:{job.pk}/"
    whole = client.get(path).json()
    assert (whole["head"], whole["reset"]["state"]["state"], whole["events"]) == (1, "QUEUED", [])
    shown = client.get(path, {"after": 0, "epoch": whole["epoch"]}).json()
    assert [event["data"]["state"] for event in shown["events"]] == ["QUEUED"]
    assert client.get(path, {"after": 1, "epoch": whole["epoch"]}).json()["events"] == []
    assert client.get(path, {"after": "x"}).status_code == 400
    Job.objects.filter(pk=job.pk).update(seq=5)
    assert "reset" in client.get(path, {"after": 1, "epoch": whole["epoch"]}).json(), "the events are gone"


def test_a_foreign_stream_is_not_there(door: Door) -> None:
    job = make_job(title="CANARY")
    client = Client()
    path = f"/api/v1/streams/job:{job.pk}/"
    assert client.get(path).status_code == 401
    client.force_login(make_owner())
    foreign, missing = client.get(path), client.get("/api/v1/streams/job:0/")
    assert (foreign.status_code, foreign.json()) == (404, missing.json())
    assert "CANARY" not in foreign.content.decode()
