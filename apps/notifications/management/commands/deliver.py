"""manage.py deliver: sends messages to people by e-mail, Telegram, webhooks and browsers."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.notifications.delivering.deliverer import Deliverer
from apps.notifications.models import Channel


class Command(BaseCommand):
    help = "Sends messages to people besides their inbox; several share the work. Ends on SIGTERM or Ctrl-C."
    # The schema may be newer than this process for a moment, and PostgreSQL may be away when it starts.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--channels", nargs="+", choices=list(Channel), default=list(Channel), help="by these alone"
        )

    def handle(self, *args: Any, channels: list[str], **options: Any) -> None:
        deliverer = Deliverer(channels)
        for number in [signal.SIGTERM, signal.SIGINT]:
            signal.signal(number, lambda *_args: deliverer.stop())
        deliverer.run()
