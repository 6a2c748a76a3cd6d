"""manage.py migrate: Django's own, in less time."""

from typing import Any

from django.core.management.commands import migrate

from apps.common.migrating import quick_states


class Command(migrate.Command):
    __doc__ = migrate.Command.__doc__

    def handle(self, *args: Any, **options: Any) -> None:
        with quick_states():
            super().handle(*args, **options)
