"""The servers of the tests are real, fast and each worker's own."""

import os

import pytest
from django.db import connection
from redis import Redis

from tests.support.services import redis_url_of


@pytest.mark.django_db
def test_letters_of_every_alphabet_are_letters() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute("SELECT upper('ёлка'), array_length(show_trgm('ёлка'), 1)")
        assert cursor.fetchone() == ("ЁЛКА", 5)


@pytest.mark.django_db
def test_the_disk_is_not_waited_for() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('server_version_num')::int / 10000")
        assert cursor.fetchone() == ("off", 18)


def test_redis_of_a_worker_is_its_own(redis_url: str) -> None:
    with Redis.from_url(redis_url) as mine, Redis.from_url(redis_url_of(63, redis_url)) as other:
        mine.set("tooling", 1)
        assert other.get("tooling") is None
        assert redis_url == os.environ["REDIS_URL"]
