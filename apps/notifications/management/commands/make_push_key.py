"""manage.py make_push_key: makes a key by which browsers know this platform."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.notifications.channels.vapid import new_key


class Command(BaseCommand):
    help = "Prints a new VAPID_PRIVATE_KEY; with another one, browsers have to subscribe again."
    requires_system_checks = []
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"VAPID_PRIVATE_KEY={new_key()}")
