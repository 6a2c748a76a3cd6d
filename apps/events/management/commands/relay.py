"""manage.py relay: sends what has happened to those who want to know."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.events.brokers import route_named
from apps.events.brokers.relay import BrokerRelay
from apps.events.leading import Leader
from apps.events.relay import Relay


class Command(BaseCommand):
    help = (
        "Sends facts from the outbox to their receivers; a second one stands by. Ends on SIGTERM or Ctrl-C."
    )
    # The schema may be newer than this process for a moment, and PostgreSQL may be away when it starts.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", metavar="BROKER", help="tell this broker what waits for it (rabbitmq)")

    def handle(self, *args: Any, to: str | None = None, **options: Any) -> None:
        relay = _relay_to(to)
        for number in [signal.SIGTERM, signal.SIGINT]:
            signal.signal(number, lambda *_args: relay.stop())
        relay.run()


def _relay_to(name: str | None) -> Leader:
    """Return what is to run. :raises CommandError: there is no such broker, or it has no address"""
    if name is None:
        return Relay()
    try:
        return BrokerRelay(route=route_named(name))
    except LookupError as error:
        raise CommandError(str(error)) from error
