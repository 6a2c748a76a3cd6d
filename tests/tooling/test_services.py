"""The servers of the tests are real, fast and each worker's own."""

import os

import pytest
from django.db import connection
from redis import Redis

from tests.support.services import start_redis


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


def test_flushing_the_redis_of_one_process_leaves_that_of_another_alone(redis_url: str) -> None:
    other = start_redis()
    try:
        with Redis.from_url(redis_url) as mine, Redis.from_url(other.redis.url()) as theirs:
            theirs.set("tooling", 1)
            mine.flushall()
            assert theirs.get("tooling") == b"1"
        assert redis_url == os.environ["REDIS_URL"]
    finally:
        other.stop()
    assert not other.directory.exists()
