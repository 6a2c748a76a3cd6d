"""
What every test of the project may use.

Real PostgreSQL and Redis are started here, before Django reads its settings, and stopped when the run ends.
"""

import os
import shutil

# Pytest imports it while it handles an exception that nobody can catch; the next one may come within.
import tracemalloc  # noqa: F401
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config.local.messages import compile_messages
from tests.support.services import Services, start_redis, start_services, worker_number

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.processes import Processes, Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_services: Services | None = None
_skipped: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-services",
        action="store_true",
        help="A skipped test fails the run: everything the tests can use has to be installed.",
    )
    parser.addoption(
        "--drive-live",
        action="store_true",
        help="Also run the contract of Google Drive against Google: GOOGLE_DRIVE_LIVE_CREDENTIALS names the key file of a"
        " service account, GOOGLE_DRIVE_LIVE_DRIVE the shared drive where it may make and trash files.",
    )


def pytest_configure(config: pytest.Config) -> None:
    # The addresses have to stand in the environment before the settings are read.
    _start_services(config)
    # Importing `config` has set it for servers.
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    import django

    django.setup()
    from django.test import TransactionTestCase

    from tests.support.database import restore
    from tests.support.sessions import connect

    connect()
    TransactionTestCase._fixture_teardown = lambda _self: restore()  # type: ignore[attr-defined]


def _start_services(config: pytest.Config) -> None:
    global _services
    if hasattr(config, "workerinput"):
        _services = start_redis()
    else:
        # A clean checkout has none, and what speaks Russian is tested in Russian.
        compile_messages(config.rootpath / "locale")
        _services = start_services()
    os.environ.update(_services.environment())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    # A worker that inherits it reads the settings before its `pytest_configure` has started its Redis.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure() -> None:
    if _services is not None:
        _services.stop()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    is_controller = not hasattr(session.config, "workerinput")
    if is_controller and session.config.option.strict_services and _skipped and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.option.strict_services and _skipped:
        terminalreporter.section("skipped tests, not allowed by --strict-services", red=True)
        for nodeid in _skipped:
            terminalreporter.line(nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Leave no access event to other tests: a refusal is written past the transaction that a test rolls back."""
    yield
    names = {"db", "transactional_db"} & {*getattr(item, "fixturenames", ())}
    # After the last test there is no database any more.
    if nextitem is None or not (names or item.get_closest_marker("django_db")):
        return
    from pytest_django.plugin import blocking_manager_key

    from tests.support.database import forget_events

    with item.config.stash[blocking_manager_key].unblock():
        forget_events()


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """Let no test speak the language, or live in the zone, that the last request of another was answered in."""
    yield
    from django.utils import timezone, translation

    translation.activate(os.environ.get("LANGUAGE_CODE", "en"))
    timezone.deactivate()


@pytest.fixture(autouse=True)
def own_keys() -> None:
    """Let no test sign with a key that went with another's database."""
    from apps.accounts import keyring

    keyring.forget()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Give this worker a clone of the migrated database, in place of migrating one per worker."""
    from tests.support.database import clone_template, drop

    with django_db_blocker.unblock():
        name = clone_template(worker_number())
    yield
    with django_db_blocker.unblock():
        drop(name)


@pytest.fixture
def redis_url() -> str:
    """The address of a Redis that only this worker uses, emptied before the test."""
    from redis import Redis

    url = os.environ["REDIS_URL"]
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def artel_processes(transactional_db: None, redis_url: str, tmp_path: Path) -> Iterator["Processes"]:
    """Starts web, worker, beat, relay and commands as processes; they are killed after the test."""
    from tests.support.database import database_url
    from tests.support.processes import Processes

    environment = {
        "DATABASE_URL": database_url(),
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    processes = Processes(environment, tmp_path)
    yield processes
    processes.stop()


@pytest.fixture
def artel_server(artel_processes: "Processes") -> "Server":
    """A web process with sockets on a free port, against this test's database."""
    return artel_processes.web()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """
    Chromium, one for the tests of a module.

    While it is open its event loop runs in the thread of the tests: what uses `async_to_sync` goes through
    the fixture `aside`.
    """
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    from tests.support.processes import browser_arguments

    # Django sees the browser's event loop and would refuse every query of the test itself.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, **browser_arguments())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page in a fresh browser profile; an error in its scripts fails the test."""
    context = browser.new_context(locale="en-US", timezone_id="UTC", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def aside() -> Iterator[Callable[..., Any]]:
    """Call something in a thread of its own: `aside(move_deal, deal.pk, actor=user)`."""
    from django.db import connections

    def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        yield lambda function, *args, **kwargs: pool.submit(call, function, *args, **kwargs).result()
