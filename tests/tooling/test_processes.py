"""The fixtures that start the platform's processes and a browser do what they say."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tests.support.processes import Processes, Server, is_listening

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.mark.browser
def test_a_page_shows_what_the_server_says(
    artel_server: Server, page: "Page", aside: Callable[..., Any]
) -> None:
    response = page.goto(f"{artel_server.url}/accounts/login/")
    assert response is not None
    assert response.ok
    assert page.locator("input[type=password]").is_visible()
    assert aside(lambda: 42) == 42


def test_a_killed_server_is_gone_and_another_takes_its_port(artel_processes: Processes) -> None:
    first = artel_processes.web()
    first.kill()
    assert not is_listening(first.port)
    assert first.wait() == -9
    assert artel_processes.web(port=first.port).answers()


def test_processes_use_the_database_of_the_test(artel_processes: Processes) -> None:
    program = "from django.db import connection as c; c.ensure_connection(); print(c.settings_dict['NAME'])"
    shell = artel_processes.manage("shell", "--no-imports", "-c", program)
    assert shell.wait() == 0
    assert shell.output().splitlines()[-1] == connection.settings_dict["NAME"]
