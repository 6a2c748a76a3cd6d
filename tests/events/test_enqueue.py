"""Calls reach the workers whatever happened to Redis before, and are not lost without a word."""

from typing import Any

import pytest
import redis

from apps.events.enqueue import NotSent, backlog, enqueue, enqueue_all, enqueue_on_commit
from apps.events.tasks import deliver
from apps.jobs.tasks import run_job
from tests.events.platform import waiting_calls


def _call(number: int) -> dict[str, Any]:
    return {"event_id": number, "receiver": "tests.listener"}


def test_calls_wait_in_the_order_they_were_sent(redis_url: str) -> None:
    enqueue(deliver, **_call(1))
    enqueue_all((deliver, _call(number)) for number in range(2, 1200))

    assert [event_id for event_id, _receiver in waiting_calls()] == list(range(1, 1200))
    assert backlog() == 1199


def test_calls_arrive_after_a_flush(redis_url: str) -> None:
    enqueue(deliver, **_call(1))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    assert backlog() == 0

    enqueue(deliver, **_call(2))
    enqueue_all([(deliver, _call(3))])

    assert [event_id for event_id, _receiver in waiting_calls()] == [2, 3]


@pytest.mark.django_db
def test_call_leaves_only_after_the_commit(redis_url: str, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        enqueue_on_commit(deliver, **_call(1))
        assert backlog() == 0
    assert backlog() == 1


def test_unreachable_broker_is_said(no_broker: None) -> None:
    with pytest.raises(NotSent):
        enqueue(deliver, **_call(1))
    with pytest.raises(NotSent):
        enqueue_all([(deliver, _call(1))])
    with pytest.raises(NotSent):
        backlog()


@pytest.mark.django_db
def test_unreachable_broker_after_a_commit_is_only_logged(
    no_broker: None, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        enqueue_on_commit(deliver, **_call(1))
    assert "left to the sweeper" in caplog.text


def test_jobs_wait_in_a_queue_of_their_own(redis_url: str) -> None:
    enqueue(run_job, job_id=1)
    enqueue_all([(run_job, {"job_id": 2})])
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("artel.jobs") == 2
    assert backlog() == 0
