"""
The folder of the demo in its Google Drive: papers of some deals in step, and one of them edited on both sides.

Only a Drive on this machine is ever filled, which is the fake that `make run` starts.
"""

import io
import json
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.documents.drive.client import DriveError
from apps.documents.drive.gate import client_of
from apps.documents.models import (
    ChangeCursor,
    Document,
    DocumentLink,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveRoot,
)
from apps.documents.services import blobs, documents
from apps.documents.services.documents import Content
from apps.documents.services.drive import bindings, queue, roots, working

_PAPERS = 8
_SECONDS = 60.0
_OURS = b"Delivery in March, to both warehouses.\nThe discount is as agreed on Monday.\n"
_THEIRS = "Delivery in April, to the warehouse in the north.\nThe discount is as agreed on Monday.\n"


class Command(BaseCommand):
    """Put a folder of the demo into its Google Drive, unless it is there."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drive", required=True, help="what the fake tells as it starts, as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if urlsplit(settings.GOOGLE_DRIVE_API_ROOT).hostname != "127.0.0.1":
            raise CommandError(
                "Google's own Drive is not filled with a demo: GOOGLE_DRIVE_API_ROOT names it."
            )
        if DriveAccount.objects.exists():
            return
        told = json.loads(options["drive"])
        try:
            root = _make_root(told)
            _fill(root)
            _edit_on_both_sides(root)
        except DriveError as error:
            raise CommandError(f"The Drive of the demo does not work: {error.words}") from error
        self.stdout.write(f"Papers of the demo lie in its Google Drive, {told['api_root']}")


def _make_root(told: dict[str, str]) -> DriveRoot:
    system = User.objects.system()
    key = Path(told["credentials"]).read_text()
    account = roots.add_account(actor=system, name="Demo", key=key)
    client = client_of(account)
    [folder_id] = client.generate_ids(1)
    client.create_folder(folder_id, name="Artel", parents=[told["drive_id"]])
    return roots.add_root(
        actor=system, account_id=account.pk, name="Artel", drive_id=told["drive_id"], folder_id=folder_id
    )


def _fill(root: DriveRoot) -> None:
    _work_until(lambda: DriveRoot.objects.filter(pk=root.pk, state=DriveRoot.State.ACTIVE).exists())
    links = DocumentLink.objects.filter(target_type__app_label="crm", target_type__model="deal")
    papers = Document.objects.filter(links__in=links, archived_at=None).exclude(current_version=None)
    for document in papers.distinct().order_by("pk")[:_PAPERS]:
        bindings.put_into_root(document.pk, root.pk, actor=User.objects.system())
    _work_until(lambda: not DriveBinding.objects.exclude(state=DriveBinding.State.SYNCED).exists())


def _edit_on_both_sides(root: DriveRoot) -> None:
    """Edit a text here and there at once, as people do who do not know of each other."""
    texts = DriveBinding.objects.filter(
        root=root,
        state=DriveBinding.State.SYNCED,
        document__current_version__blob__content_type="text/plain",
    )
    binding = texts.order_by("pk").first()
    if binding is None:
        return
    _order("person/edit", file_id=binding.drive_file_id, data=_THEIRS)
    content = Content(blobs.keep(io.BytesIO(_OURS), content_type="text/plain"), "brief.txt")
    documents.add_version(binding.document_id, content, actor=User.objects.system())
    for cursor in ChangeCursor.objects.filter(account=root.account):
        queue.want_pull(cursor)
    queue.want_bindings([binding.pk])
    _work_until(DriveConflict.objects.exists)


def _work_until(is_done: Callable[[], bool]) -> None:
    """Do what is due beside the workers that do it too, until something is so, or for a minute."""
    until = time.monotonic() + _SECONDS
    while not is_done() and time.monotonic() < until:
        working.drain(1.0)
        time.sleep(0.1)


def _order(what: str, **said: Any) -> None:
    """Tell the fake what a person does there."""
    request = urllib.request.Request(  # noqa: S310 - on this machine
        f"{settings.GOOGLE_DRIVE_API_ROOT}_fake/{what}", json.dumps(said).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
