"""
Handing work to Celery in a way that a wiped Redis does not silence.

Kombu's Redis transport keeps the bindings of a named exchange in a Redis set that it writes once per process:
after a FLUSHALL a message to such an exchange is dropped without an error. A message to the nameless exchange
goes straight to the list that bears the queue's name, so these functions send no other way.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from amqp import AMQPError
from celery import Task, current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError
from redis import RedisError

logger = logging.getLogger(__name__)

_Task = Task[Any, Any]
Call = tuple[_Task, Mapping[str, Any]]

# Someone may be waiting for the answer of the request that sends; the sweepers repair what was not sent.
_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
# What goes wrong between here and any broker; Celery wraps only some of it.
_BROKER_ERRORS = (KombuError, AMQPError, RedisError, OSError)
# One round trip to Redis takes this many messages.
_BATCH = 500


class NotSent(Exception):
    """The broker did not confirm; some of the calls may have been sent all the same."""


def enqueue(task: _Task, /, **kwargs: Any) -> None:
    """
    Send a call to the workers at once, outside any transaction's protection.

    :raises NotSent: the broker cannot be reached
    """
    try:
        task.apply_async(kwargs=kwargs, retry=True, retry_policy=_RETRY, **_straight_to_the_queue(task))
    except _BROKER_ERRORS as error:
        raise NotSent(str(error)) from error


def enqueue_on_commit(task: _Task, /, **kwargs: Any) -> None:
    """
    Send a call to the workers once the current transaction has committed.

    Of a broker that cannot be reached then only the log hears: the caller keeps a row that a sweeper finds.
    """
    transaction.on_commit(lambda: _enqueue_or_log(task, kwargs))


def enqueue_all(calls: Iterable[Call]) -> None:
    """
    Send calls in order and in as few round trips as the broker allows.

    :raises NotSent: the broker did not confirm all of them
    """
    try:
        with current_app.producer_or_acquire() as producer, producer.batch(_BATCH):
            for task, kwargs in calls:
                task.apply_async(
                    kwargs=dict(kwargs), producer=producer, retry=False, **_straight_to_the_queue(task)
                )
    except _BROKER_ERRORS as error:
        raise NotSent(str(error)) from error


def _enqueue_or_log(task: _Task, kwargs: Mapping[str, Any]) -> None:
    try:
        enqueue(task, **kwargs)
    except NotSent as error:
        logger.warning("%s %s not sent, left to the sweeper: %s", task.name, dict(kwargs), error)


def _straight_to_the_queue(task: _Task) -> dict[str, Any]:
    route = settings.CELERY_TASK_ROUTES.get(task.name, {})
    return {"exchange": "", "routing_key": route.get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)}


def backlog() -> int:
    """
    Return how many calls wait for a worker in the queue that receivers share.

    :raises NotSent: the broker cannot be reached
    """
    name = settings.CELERY_TASK_DEFAULT_QUEUE
    try:
        with current_app.producer_or_acquire() as producer:
            # As Celery itself declares it, so that no broker objects to a second opinion.
            arguments = current_app.amqp.queues[name].queue_arguments
            answer = producer.channel.queue_declare(
                queue=name, durable=True, exclusive=False, auto_delete=False, arguments=arguments
            )
    except _BROKER_ERRORS as error:
        raise NotSent(str(error)) from error
    return int(answer.message_count)
