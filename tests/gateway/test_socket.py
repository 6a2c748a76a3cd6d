"""The socket tells what moves, from where the client stopped, to whom may know, for as long as they may."""

import json
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from redis import Redis
from websockets.exceptions import InvalidStatus

from apps.accounts.faces.sockets import access_stream
from apps.accounts.models import RoleGrant
from apps.events.wakeup import poke_stream
from apps.jobs.kinds import Step
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import cancel_job, working
from apps.jobs.services.writing import advance
from tests.gateway.sockets import Door, Socket
from tests.jobs.factories import make_job, make_owner, make_user


def log(job: Job, *texts: str) -> None:
    """Let a job that is being done say something."""
    with transaction.atomic():
        advance(job, {}, [(JobEvent.Kind.LOG, {"text": text}) for text in texts])


def running_job() -> Job:
    job = working.claim_job(make_job().pk)
    assert job is not None
    return job


def watch(door: Door, job: Job) -> tuple[Socket, dict[str, Any]]:
    """Watch a job from its state on, which is read after the welcome: what happens before is told with it."""
    socket = door.open(job.owner)
    socket.hello(**{f"job_{job.pk}": {}})
    return socket, socket.next_of("reset")


def test_hello_brings_the_state_and_then_what_happens(door: Door) -> None:
    job = running_job()
    socket = door.open(job.owner)
    socket.hello(**{f"job_{job.pk}": {}})
    shown = socket.next_of("welcome")["streams"][f"job:{job.pk}"]
    assert shown["head"] == 2
    reset = socket.next_of("reset")
    assert (reset["stream"], reset["seq"], reset["epoch"]) == (f"job:{job.pk}", 2, shown["epoch"])
    assert (reset["state"]["state"], reset["state"]["total"], reset["state"]["log"]) == ("RUNNING", 30, [])
    log(job, "one", "two")
    first, second = socket.events_to(4)
    assert (first["seq"], first["data"]["kind"], first["data"]["text"]) == (3, "LOG", "one")
    assert (second["seq"], second["data"]["text"]) == (4, "two")


def test_a_client_that_comes_back_is_told_what_it_missed(door: Door) -> None:
    job = running_job()
    socket, shown = watch(door, job)
    socket.connection.close()
    log(job, *"abc")
    again = door.open(job.owner)
    again.hello(**{f"job_{job.pk}": {"epoch": shown["epoch"], "seq": 2}})
    assert again.next_of("welcome")["streams"][f"job:{job.pk}"]["head"] == 5
    assert [event["data"]["text"] for event in again.events_to(5)] == ["a", "b", "c"]


def test_a_client_that_is_up_to_date_is_sent_nothing_twice(door: Door) -> None:
    job = running_job()
    _socket, shown = watch(door, job)
    other = door.open(job.owner)
    other.hello(**{f"job_{job.pk}": {"epoch": shown["epoch"], "seq": 2}})
    other.next_of("welcome")
    log(job, "news")
    assert other.next_of("event", "reset")["seq"] == 3


def test_a_client_with_another_past_starts_over(door: Door) -> None:
    job = running_job()
    cookie = door.cookie(job.owner)
    pasts: list[dict[str, Any]] = [{"epoch": "another", "seq": 2}, {"seq": 1}, {"seq": 10**6}]
    for since in pasts:
        socket = door.open(cookie=cookie)
        socket.hello(**{f"job_{job.pk}": since})
        assert socket.next_of("event", "reset")["op"] == "reset"


def test_a_client_that_was_away_for_long_gets_the_state(door: Door) -> None:
    job = running_job()
    _socket, shown = watch(door, job)
    log(job, *(f"line {number}" for number in range(300)))
    again = door.open(job.owner)
    again.hello(**{f"job_{job.pk}": {"epoch": shown["epoch"], "seq": 2}})
    reset = again.next_of("event", "reset")
    assert (reset["op"], reset["seq"]) == ("reset", 302)
    assert len(reset["state"]["log"]) == 200
    assert reset["state"]["log"][-1]["text"] == "line 299"


def test_events_that_are_gone_for_good_are_replaced_by_the_state(door: Door) -> None:
    job = running_job()
    _socket, shown = watch(door, job)
    log(job, *"abc")
    JobEvent.objects.filter(job=job, seq=3).delete()
    again = door.open(job.owner)
    again.hello(**{f"job_{job.pk}": {"epoch": shown["epoch"], "seq": 2}})
    assert again.next_of("event", "reset")["op"] == "reset"


def test_a_new_epoch_makes_those_who_watch_start_over(door: Door) -> None:
    job = running_job()
    socket, shown = watch(door, job)
    # As when another database with another job of this number was restored.
    Job.objects.filter(pk=job.pk).update(created_at="2020-01-01T00:00:00Z")
    reset = socket.next_of("reset")
    assert reset["epoch"] != shown["epoch"]


def test_heartbeats_tell_the_heads(door: Door) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    assert socket.next_of("heartbeat", within=10)["heads"] == {f"job:{job.pk}": 2}
    log(job, "news")
    socket.events_to(3)
    assert socket.next_of("heartbeat", within=10)["heads"] == {f"job:{job.pk}": 3}


def test_a_lost_poke_costs_a_heartbeat_and_nothing_else(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    monkeypatch.setattr("apps.jobs.services.writing.poke_stream", lambda name: None)
    log(job, "unheard")
    assert socket.events_to(3)[0]["data"]["text"] == "unheard"


def test_a_flushed_redis_loses_nothing(door: Door, redis_url: str) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    with Redis.from_url(redis_url) as client:
        client.flushall()
        client.client_kill_filter(_type="pubsub")
    log(job, *"abc")
    assert [event["data"]["text"] for event in socket.events_to(5)] == ["a", "b", "c"]


def test_two_who_watch_are_told_the_same(door: Door) -> None:
    job = running_job()
    sockets = [watch(door, job)[0] for _number in range(2)]
    for number in range(20):
        log(job, str(number))
    for socket in sockets:
        assert [event["seq"] for event in socket.events_to(22)] == list(range(3, 23))


def test_subscribing_and_unsubscribing(door: Door) -> None:
    job, other = running_job(), running_job()
    owner = make_user("jobs.view_job", reach=RoleGrant.Reach.ALL)
    socket = door.open(owner)
    socket.hello(**{f"job_{job.pk}": {}})
    socket.next_of("reset")
    socket.say(op="subscribe", stream=f"job:{other.pk}")
    assert list(socket.next_of("welcome")["streams"]) == [f"job:{other.pk}"]
    socket.next_of("reset")
    socket.say(op="unsubscribe", stream=f"job:{job.pk}")
    socket.say(op="subscribe", stream="job:0")
    socket.next_of("welcome")
    log(job, "unheard")
    log(other, "heard")
    assert socket.next_of("event")["stream"] == f"job:{other.pk}"


# Who may


def test_what_one_may_not_see_and_what_is_not_there_are_denied_alike(door: Door) -> None:
    foreign = make_job(title="CANARY")
    names = [
        f"job:{foreign.pk}",
        "job:0",
        "job:",
        "job:-1",
        "job:x",
        "job:" + "9" * 30,
        "nothing:1",
        "nothing",
    ]
    socket = door.open(make_owner())
    socket.say(op="hello", streams={name: {} for name in names})
    welcome = socket.next_of("welcome")
    assert (welcome["streams"], welcome["denied"]) == ({}, sorted(names))
    cancel_job(foreign.pk, actor=foreign.owner)
    assert socket.next_of("event", "reset", "heartbeat", within=10) == {"op": "heartbeat", "heads": {}}


def test_losing_the_right_ends_the_stream_within_a_second(door: Door) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    RoleGrant.objects.all().delete()
    poke_stream(access_stream(job.owner.pk))
    assert socket.next_of("denied", within=1)["streams"] == [f"job:{job.pk}"]
    log(job, "unheard")
    assert socket.next_of("event", "heartbeat", within=10) == {"op": "heartbeat", "heads": {}}


def test_a_lost_poke_about_rights_is_made_up_for_at_the_heartbeat(door: Door) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    RoleGrant.objects.all().delete()
    job.owner.perm_version += 1
    job.owner.save(update_fields=["perm_version"])
    assert socket.next_of("denied", within=10)["streams"] == [f"job:{job.pk}"]


def test_logging_out_closes_the_socket(door: Door) -> None:
    job = running_job()
    client = Client()
    client.force_login(job.owner)
    socket = door.open(cookie=f"sessionid={client.cookies['sessionid'].value}")
    socket.hello(**{f"job_{job.pk}": {}})
    socket.next_of("reset")
    client.logout()
    assert socket.await_close(within=10) == 4401


def test_a_deactivated_user_is_shown_out(door: Door) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    job.owner.is_active = False
    job.owner.save(update_fields=["is_active"])
    assert socket.await_close(within=10) == 4401


def test_without_a_session_nobody_gets_in(door: Door, redis_url: str) -> None:
    assert door.open().await_close() == 4401
    user = make_owner()
    cookie = door.cookie(user)
    Session.objects.all().delete()
    with Redis.from_url(redis_url) as client:
        client.flushdb()
    assert door.open(cookie=cookie).await_close() == 4401


def test_a_page_of_somebody_else_gets_no_socket(door: Door) -> None:
    cookie = door.cookie(make_owner())
    for origin in (None, "https://evil.example", "http://127.0.0.1:1", "null"):
        with pytest.raises(InvalidStatus) as refused:
            door.open(cookie=cookie, origin=origin)
        assert refused.value.response.status_code == 403


def test_there_is_one_address(door: Door) -> None:
    with pytest.raises(InvalidStatus):
        door.open(make_owner(), query="nowhere/")


# What is sent that is no protocol


NONSENSE = [
    ("", "not_json"),
    ("{", "not_json"),
    ("[]", "not_an_object"),
    ('{"op":"dance"}', "unknown_op"),
    ('{"op":"hello"}', "no_streams"),
    ('{"op":"hello","streams":{"job:1":7}}', "bad_position"),
    ('{"op":"hello","streams":{"job:1":{"seq":"7"}}}', "bad_position"),
    ('{"op":"hello","streams":{"job:1":{"seq":-7}}}', "bad_position"),
    ('{"op":"hello","streams":{"job:1":{"seq":true}}}', "bad_position"),
    ('{"op":"subscribe","stream":["job:1"]}', "bad_stream"),
    (json.dumps({"op": "hello", "streams": {f"job:{n}": {} for n in range(101)}}), "too_many_streams"),
]


def test_nonsense_is_answered_and_the_socket_lives(door: Door) -> None:
    socket = door.open(make_owner())
    for text, code in NONSENSE:
        socket.connection.send(text)
        assert socket.next_of("error") == {"op": "error", "code": code}
    socket.connection.send(b"\xff\xfe")
    assert socket.next_of("error")["code"] == "not_json"
    socket.hello()
    assert socket.next_of("welcome")["streams"] == {}


def test_a_message_that_is_too_large_closes_the_socket(door: Door) -> None:
    socket = door.open(make_owner())
    socket.connection.send("x" * 20_000)
    assert socket.await_close() == 4413


def test_a_client_that_talks_too_much_is_closed(door: Door) -> None:
    socket = door.open(make_owner())
    for _number in range(40):
        socket.hello()
    assert socket.await_close() == 4429


def test_a_client_that_does_not_read_is_closed_with_4408(door: Door) -> None:
    job = running_job()
    socket = door.open(job.owner, max_queue=1)
    socket.hello(**{f"job_{job.pk}": {}})
    reader, _shown = watch(door, job)
    # More than the server's bound and the kernel's buffers hold together.
    text = "x" * 100_000
    for _number in range(120):
        log(job, text)
        reader.next_of("event")
    assert socket.await_close(within=15) == 4408
    assert reader.next_of("heartbeat", within=10)["heads"] == {f"job:{job.pk}": 122}


def test_the_stream_of_a_finished_job_ends_with_its_result(door: Door) -> None:
    job = running_job()
    socket, _shown = watch(door, job)
    step = Step(done=30, total=30, result={"counted": 30})
    working.do_chunk(job, lambda fresh: step, eta=lambda *_: None, is_told=lambda: True)
    data = socket.events_to(3)[0]["data"]
    assert (data["kind"], data["state"], data["result"], data["done"]) == (
        "STATE",
        "SUCCEEDED",
        {"counted": 30},
        30,
    )
