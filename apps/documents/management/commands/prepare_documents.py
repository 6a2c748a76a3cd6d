"""Make documents visible and findable that nobody has: those of before, and with --again those that could not be."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.documents.models import Document, DocumentText, Rendition
from apps.documents.services import renditions, texts


class Command(BaseCommand):
    """Runs in this process, one document after the other, and may be stopped and started at any time."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--again",
            action="store_true",
            help="Also try what was refused, as after LibreOffice was installed.",
        )

    def handle(self, *args: Any, again: bool, verbosity: int, **options: Any) -> None:
        if again:
            refused = Rendition.objects.filter(state=Rendition.State.REFUSED)
            renditions.request_again(refused.values_list("source_id", flat=True))
            DocumentText.objects.filter(text="").update(words=None)
        done = 0
        current = Document.objects.filter(current_version__isnull=False).select_related(
            "current_version__blob"
        )
        for document in current.order_by("-pk").iterator(chunk_size=200):
            if document.current_version is None:
                continue
            if renditions.request_renditions(document.current_version.blob):
                renditions.make_renditions(document.current_version.blob_id)
            if texts.request_text(document.pk):
                texts.read_text(document.pk)
            done += 1
        if verbosity:
            self.stdout.write(f"{done} documents are visible and findable.")
