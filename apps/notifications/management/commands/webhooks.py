"""manage.py webhooks: sends facts to the systems that want to be told of them."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from apps.notifications.webhooks.sender import Sender


class Command(BaseCommand):
    help = "Sends facts to other systems; several share the work. Ends on SIGTERM or Ctrl-C."
    # The schema may be newer than this process for a moment, and PostgreSQL may be away when it starts.
    requires_system_checks = []
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        sender = Sender()
        for number in [signal.SIGTERM, signal.SIGINT]:
            signal.signal(number, lambda *_args: sender.stop())
        sender.run()
