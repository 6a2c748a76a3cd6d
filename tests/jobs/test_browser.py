"""In the browser: the bar moves by itself, and goes on when the worker is killed, Redis emptied and the web restarted."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from apps.accounts.models import User
from apps.jobs.models import Job
from tests.jobs.factories import make_job, make_owner
from tests.jobs.kinds import effects

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.processes import Processes, Server

pytestmark = pytest.mark.browser
SETTINGS = "tests.jobs.settings"

Aside = Callable[..., Any]


def session_of(user: User) -> str:
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def log_in(page: "Page", server: "Server", session: str) -> None:
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])


def await_percent(page: "Page", percent: int) -> None:
    """Wait until the bar has come this far, without reloading."""
    page.wait_for_function(
        "least => Number(document.querySelector('[role=progressbar]').getAttribute('aria-valuenow')) >= least",
        arg=percent,
        timeout=30_000,
    )


def test_the_bar_goes_on_through_everything(
    artel_processes: "Processes", page: "Page", aside: Aside, redis_url: str
) -> None:
    server = artel_processes.web(DJANGO_SETTINGS_MODULE=SETTINGS)
    worker = artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    artel_processes.beat()
    user = aside(make_owner, is_staff=True)
    job: Job = aside(make_job, actor=user, total=1200, chunk=10, pause=0.1, is_logged=True)
    log_in(page, server, aside(session_of, user))
    page.goto(f"{server.url}/admin/jobs/job/{job.pk}/change/")
    page.evaluate("window.isSamePage = true")

    await_percent(page, 5)
    worker.kill()
    with Redis.from_url(redis_url) as client:
        client.flushall()
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    port = server.port
    server.kill()
    artel_processes.web(port=port, DJANGO_SETTINGS_MODULE=SETTINGS)
    aside(job.refresh_from_db)
    await_percent(page, min(job.done * 100 // 1200 + 10, 95))
    page.get_by_text("Done", exact=True).wait_for()

    assert page.evaluate("window.isSamePage") is True
    assert page.get_by_text("1,200 of 1,200").first.is_visible()
    link = page.get_by_role("link", name="Open the result")
    assert link.get_attribute("href") == f"/admin/counted/{job.pk}/"
    lines = page.locator("[data-job-log] li span").all_inner_texts()
    assert lines == [f"counted to {done}" for done in range(10, 1201, 10)], "each line once"
    assert aside(effects, job) == list(range(1200))


def test_a_job_is_watched_in_the_list_then_cancelled_and_told_to_go_on(
    artel_processes: "Processes", page: "Page", aside: Aside
) -> None:
    server = artel_processes.web(DJANGO_SETTINGS_MODULE=SETTINGS)
    user = aside(make_owner, is_staff=True)
    job: Job = aside(make_job, actor=user, total=200, chunk=10, pause=0.5)
    log_in(page, server, aside(session_of, user))
    page.goto(f"{server.url}/admin/jobs/job/")
    page.get_by_text("Waiting", exact=True).wait_for()
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    await_percent(page, 5)
    page.get_by_text("Running", exact=True).wait_for()

    page.get_by_role("link", name="Counting").click()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_text("Cancelled", exact=True).wait_for()
    assert page.get_by_role("button", name="Cancel job").count() == 0
    aside(Job.objects.filter(pk=job.pk).update, params=job.params | {"pause": 0})
    page.get_by_role("button", name="Go on from there").click()
    page.get_by_text("Done", exact=True).wait_for()
    assert aside(effects, job) == list(range(200))
