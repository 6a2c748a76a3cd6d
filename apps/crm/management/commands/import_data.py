"""`manage.py import_data KIND FILE`: rehearse a file, and apply it, without a browser and without a worker."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.crm.imports.inline import Summary, import_file
from apps.crm.imports.kinds import KINDS


class Command(BaseCommand):
    help = "Rehearse the import of a CSV or XLSX file and, with --apply, import it; a JSON summary goes to stdout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=list(KINDS))
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="match a column to a field; FIELD:OLD=NEW is taken as --value",
        )
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            metavar="FIELD:OLD=NEW",
            help="mean NEW where the file says OLD in a field",
        )
        parser.add_argument(
            "--accept-suggestions",
            action="store_true",
            help="take the nearest existing value for every value that is not found",
        )
        parser.add_argument("--apply", action="store_true", help="import what was rehearsed without errors")
        parser.add_argument("--skip-errors", action="store_true", help="leave out the rows that have errors")
        parser.add_argument("--as", dest="email", help="the user who imports; default: the system")
        parser.add_argument("--source", default="", help="the system that external ids belong to")
        parser.add_argument("--currency", help="of amounts that name none")
        parser.add_argument("--mode", type=str.upper, choices=["UPSERT", "CREATE", "UPDATE"])
        parser.add_argument(
            "--json", action="store_true", help="print nothing but the JSON summary, on one line"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self._actor(options["email"])
        mapping, values = _assignments(options["map"], options["value"])
        try:
            with options["file"].open("rb") as file:
                summary = import_file(
                    options["kind"],
                    file,
                    options["file"].name,
                    actor=actor,
                    mapping=mapping,
                    values=values,
                    accepts_suggestions=options["accept_suggestions"],
                    applies=options["apply"],
                    skip_errors=options["skip_errors"],
                    source=options["source"],
                    mode=options["mode"],
                    currency=options["currency"],
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except PermissionDenied as error:
            raise CommandError(f"{actor} may not import {options['kind']}.") from error
        self._print(summary, is_one_line=options["json"])
        if summary["errors"]:
            raise SystemExit(1)

    def _actor(self, email: str | None) -> User:
        if email is None:
            return User.objects.system()
        try:
            return User.objects.get(email=email.lower())
        except ObjectDoesNotExist as error:
            raise CommandError(f"There is no user {email}.") from error

    def _print(self, summary: Summary, *, is_one_line: bool) -> None:
        self.stdout.write(json.dumps(summary, ensure_ascii=False, indent=None if is_one_line else 2))


def _assignments(maps: list[str], values: list[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Read COLUMN=FIELD and FIELD:OLD=NEW. :raises CommandError: one is neither"""
    mapping: dict[str, str] = {}
    replaced: dict[str, dict[str, str]] = {}
    fields = {key for kind in KINDS.values() for key in kind.by_key}
    for text in [*maps, *values]:
        left, equals, right = text.partition("=")
        field, colon, old = left.partition(":")
        if not equals:
            raise CommandError(f"“{text}” is not COLUMN=FIELD or FIELD:OLD=NEW.")
        if colon and (field in fields or text in values):
            replaced.setdefault(field, {})[old] = right
        elif text in values:
            raise CommandError(f"“{text}” is not FIELD:OLD=NEW.")
        else:
            mapping[left] = right
    return mapping, replaced
