"""What Django does before the processes start: reach its servers, migrate, translate, load the demo."""

import io
import os
from pathlib import Path

import django
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command, get_commands
from django.db import OperationalError, connection

from config.local.home import ROOT, Home
from config.local.messages import compile_messages
from config.local.refusal import Refusal


def prepare() -> None:
    """
    Bring database, translations and demo up to date; each of them does nothing when it is.

    :raises Refusal: a setting is missing or wrong, or a server cannot be reached
    """
    compile_messages(ROOT / "locale")
    _load_settings()
    _reach_database()
    _reach_redis()
    _check()
    call_command("migrate", interactive=False, verbosity=0)
    _load_demo(Home.from_environment())


def _load_settings() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    try:
        django.setup()
    except (ImproperlyConfigured, ValueError, OSError) as problem:
        raise Refusal(
            f"A setting is missing or wrong: {one_line(problem)} (.env.example explains all)"
        ) from None


def _check() -> None:
    errors = [found for found in run_checks() if found.is_serious() and not found.is_silenced()]
    if errors:
        raise Refusal(f"A check of the platform fails: {one_line(errors[0].msg)} ({errors[0].id})")


def _reach_database() -> None:
    try:
        connection.ensure_connection()
    except OperationalError as problem:
        raise Refusal(f"The database of DATABASE_URL cannot be reached: {one_line(problem)}") from None


def _reach_redis() -> None:
    from django.conf import settings
    from redis import Redis
    from redis.exceptions import RedisError

    for name in ["REDIS_URL", "CELERY_BROKER_URL"]:
        url = getattr(settings, name)
        if not url.startswith(("redis://", "rediss://")):
            continue
        try:
            with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
                client.ping()
        except (RedisError, ValueError) as problem:
            raise Refusal(f"The Redis of {name} cannot be reached: {one_line(problem)}") from None


def _load_demo(home: Home) -> None:
    if "make_demo" not in get_commands():
        return
    output = io.StringIO()
    call_command("make_demo", small=True, if_empty=True, stdout=output)
    text = output.getvalue().strip()
    if text and not home.demo_logins.exists():
        write_private(home.demo_logins, text + "\n")


def write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def one_line(problem: object) -> str:
    """Say a problem in one line; reports of several lines have the reason in the first ones."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return " ".join(lines[:3]).removesuffix(".") if lines else type(problem).__name__
