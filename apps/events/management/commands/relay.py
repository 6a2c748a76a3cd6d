"""manage.py relay: sends what has happened to those who want to know."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from apps.events.relay import Relay


class Command(BaseCommand):
    help = (
        "Sends facts from the outbox to their receivers; a second one stands by. Ends on SIGTERM or Ctrl-C."
    )
    # The schema may be newer than this process for a moment, and PostgreSQL may be away when it starts.
    requires_system_checks = []
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()
        for number in [signal.SIGTERM, signal.SIGINT]:
            signal.signal(number, lambda *_args: relay.stop())
        relay.run()
