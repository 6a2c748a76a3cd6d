"""The tests' kinds of work and the table of their effects. No worker runs unless a test starts one."""

import pytest


@pytest.fixture(autouse=True)
def _counted(redis_url: str, transactional_db: None) -> None:
    """Real transactions, as a lease that is renewed on a connection of its own needs."""
    from django.db import connection

    from tests.jobs.kinds import CREATE_EFFECTS, ended, register_all

    register_all()
    with connection.cursor() as cursor:
        cursor.execute(CREATE_EFFECTS)
        cursor.execute("TRUNCATE tests_jobs_effect")
    ended.clear()
