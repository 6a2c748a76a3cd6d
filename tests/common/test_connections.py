"""What a web process keeps open: a few connections to the database, however many requests come."""

import os
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from tests.support.processes import Processes, Server

CLIENTS, REQUESTS = 12, 15
POOL = 4


def ask(server: "Server") -> int:
    """Ask something for which the database is asked: whose session that is."""
    request = urllib.request.Request(
        f"{server.url}/admin/login/", headers={"Cookie": f"sessionid={os.urandom(16).hex()}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


def open_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def test_a_crowd_of_requests_shares_a_few_connections(artel_processes: "Processes") -> None:
    server = artel_processes.web(DATABASE_POOL=str(POOL))
    others = open_connections()
    statuses: list[int] = []
    clients = [
        threading.Thread(target=lambda: statuses.extend(ask(server) for _each in range(REQUESTS)))
        for _client in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    most = 0
    while any(client.is_alive() for client in clients):
        most = max(most, open_connections() - others)
        time.sleep(0.01)
    assert statuses == [200] * CLIENTS * REQUESTS
    assert 0 < most <= POOL
