"""A connection beside Django's own, as an import draws its ids on, while the own one is busy."""

import pytest
from django.db import connection

from apps.history.context import Face, Work, change_set


@pytest.mark.django_db(transaction=True)
def test_a_second_connection_does_not_wait_for_the_first() -> None:
    beside = connection.copy()
    try:
        with change_set(Work(Face.SYSTEM)), connection.cursor() as cursor:
            cursor.execute("create temporary table lines (line int)")
            with cursor.copy("copy lines from stdin") as copy, beside.cursor() as other:
                # Reads that may write begin with "with"; on the busy connection this would wait forever.
                other.execute("with ids as (select 1 as id) select id from ids")
                assert other.fetchone() == (1,)
                copy.write(b"1\n")
            cursor.execute("select count(*) from lines")
            assert cursor.fetchone() == (1,)
    finally:
        beside.close()
