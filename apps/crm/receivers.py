"""What happens on the sales side when something has changed: papers stay with whom they belong to."""

from datetime import datetime
from typing import Any

from apps.accounts.models import User
from apps.crm import events
from apps.crm.automation.words import TRIGGERS
from apps.crm.models import Company, Deal, Person
from apps.crm.services import automation_runs, quotes
from apps.crm.services.activities import record_fact
from apps.crm.services.timelines import touch_activity
from apps.documents import events as documents_events
from apps.documents.events import DOCUMENT_VERSION_ADDED
from apps.documents.models import Document, DocumentLink
from apps.documents.services.following import follow_owner, rename_target
from apps.events.models import Event
from apps.events.receivers import receiver


@receiver(*(fact for fact in events.FACTS if fact.type in TRIGGERS))
def follow_rules(event: Event) -> None:
    """Let the rules that wait for a fact act on it."""
    automation_runs.run_rules(event)


@receiver(events.DEAL_ASSIGNED)
def let_papers_follow_deal(event: Event) -> None:
    """Give the papers of a deal that was given away to whoever has it now."""
    # Not what the fact tells: facts of one deal may come out of order, and what counts is whose it is in the end.
    deal = Deal.objects.filter(pk=event.data["id"]).first()
    former = event.data["previous_owner"]
    if deal is not None and former is not None:
        follow_owner(
            "crm.deal",
            deal.pk,
            former_owner_id=former["id"],
            owner_id=deal.owner_id,
            team_id=deal.team_id,
            actor=User.objects.system(),
        )


@receiver(DOCUMENT_VERSION_ADDED)
def send_quote_with_its_paper(event: Event) -> None:
    """Send the customer the link to a quote once its paper is made."""
    for link in event.data["links"]:
        if link["type"] == "crm.quote":
            quotes.deliver_quote(link["id"], document_id=event.data["id"])


@receiver(events.DEAL_CHANGED)
def rename_papers_of_deal(event: Event) -> None:
    """Let documents know a deal by its present name."""
    _rename("crm.deal", Deal, event)


@receiver(events.COMPANY_CHANGED)
def rename_papers_of_company(event: Event) -> None:
    """Let documents know a company by its present name."""
    _rename("crm.company", Company, event)


@receiver(events.PERSON_CHANGED)
def rename_papers_of_person(event: Event) -> None:
    """Let documents know a person by their present name."""
    _rename("crm.person", Person, event)


def _rename(label: str, model: type[Any], event: Event) -> None:
    row = model.objects.filter(pk=event.data["id"]).first()
    if row is not None:
        rename_target(label, row.pk, name=str(row), actor=User.objects.system())


@receiver(events.ACTIVITY_LOGGED)
def remember_last_activity(event: Event) -> None:
    """Remember when something was last written about deals, companies and people."""
    touch_activity(
        at=datetime.fromisoformat(event.data["occurred_at"]),
        deals=[each["id"] for each in event.data["deals"]],
        companies=[each["id"] for each in event.data["companies"]],
        people=[each["id"] for each in event.data["people"]],
    )


@receiver(documents_events.DOCUMENT_SIGNED)
def tell_of_signed_paper(event: Event) -> None:
    """Let the timelines of what a document belongs to tell that it was signed."""
    document = Document.objects.filter(pk=event.data["id"]).first()
    if document is None:
        return
    links = DocumentLink.objects.filter(document=document, target_type__app_label="crm").order_by("pk")
    about = [(link.target_type.model, link.target_id) for link in links.select_related("target_type")]
    actor = None if event.actor_id is None else User.objects.filter(pk=event.actor_id).first()
    record_fact(
        event.type,
        about=[(name, pk) for name, pk in about if name in {"deal", "company", "person"}],
        details={"document": document.pk},
        at=event.at,
        actor=actor or User.objects.system(),
    )
