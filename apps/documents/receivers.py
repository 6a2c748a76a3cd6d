"""What documents do about their own facts."""

from apps.documents import events, tasks
from apps.documents.models import Document
from apps.documents.services.drive import bindings
from apps.events.models import Event
from apps.events.receivers import receiver


@receiver(events.DOCUMENT_CREATED, events.DOCUMENT_VERSION_ADDED)
def prepare_content(event: Event) -> None:
    """Note that the content is to be made visible and its words are to be read; workers do it after the commit."""
    document = Document.objects.select_related("current_version__blob").filter(pk=event.data["id"]).first()
    if document is None or document.current_version is None:
        return
    tasks.ask_for_renditions(document.current_version.blob)
    tasks.ask_for_text(document.pk)


@receiver(
    events.DOCUMENT_CREATED,
    events.DOCUMENT_CHANGED,
    events.DOCUMENT_VERSION_ADDED,
    events.DOCUMENT_ARCHIVED,
    events.DOCUMENT_RESTORED,
)
def bring_in_step(event: Event) -> None:
    """Have a document that changed brought in step with Google Drive."""
    bindings.follow(event.data["id"])
