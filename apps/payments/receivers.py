"""What happens to money when something has changed: papers are made, and owners followed."""

from apps.accounts.models import User
from apps.crm import events as crm_events
from apps.crm.models import Deal
from apps.documents.events import DOCUMENT_VERSION_ADDED
from apps.events.models import Event
from apps.events.receivers import receiver
from apps.payments import events
from apps.payments.models import Invoice
from apps.payments.services import following, papers


@receiver(events.INVOICE_ISSUED)
def make_paper_of_invoice(event: Event) -> None:
    """Have the PDF of an invoice made once it is issued, where there is a template for it."""
    system = User.objects.system()
    invoice = Invoice.objects.filter(pk=event.data["id"]).first()
    if invoice is not None and papers.template_of(invoice, actor=system) is not None:
        papers.make_paper(invoice.pk, actor=system)


@receiver(DOCUMENT_VERSION_ADDED)
def keep_paper_of_invoice(event: Event) -> None:
    """Put the paper on its invoice once it is made."""
    for link in event.data["links"]:
        if link["type"] == papers.MODEL:
            papers.keep_paper(link["id"], document_id=event.data["id"])


@receiver(crm_events.DEAL_ASSIGNED)
def let_invoices_follow_deal(event: Event) -> None:
    """Give the invoices of a deal that was given away to whoever has it now."""
    # Not what the fact tells: facts of one deal may come out of order, and what counts is whose it is in the end.
    deal = Deal.objects.filter(pk=event.data["id"]).first()
    if deal is not None:
        following.follow_deal(deal)
