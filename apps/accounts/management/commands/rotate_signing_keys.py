"""`manage.py rotate_signing_keys`: do what is due about the keys that sign tokens, as the beat does each hour."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.accounts import services
from apps.accounts.models import User


class Command(BaseCommand):
    help = (
        "Publish, activate and retire the keys that sign tokens, as far as it is due, and put all that is sealed under"
        " the first of SIGNING_KEYS_SECRET."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--now", action="store_true", help="sign with the next key from now on, due or not"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = User.objects.system()
        try:
            changed = (
                [services.rotate_now(actor=actor)] if options["now"] else services.rotate_keys(actor=actor)
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        for key in changed:
            self.stdout.write(f"{key.kid} {key.get_state_display()}")
        if not changed:
            self.stdout.write("Nothing was due.")
