"""The paper of an invoice: what it says, and when it is made."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from apps.accounts import access
from apps.accounts.models import User
from apps.documents.amounts import Line, Money, Totals
from apps.documents.models import Document, DocumentLink, Generation, Template
from apps.documents.services.documents import Target, link_document
from apps.documents.services.generation import Request, start_generation
from apps.payments.models import Invoice
from apps.payments.qr import Transfer, content_of

# The code of the templates that invoices are printed by, one in each language.
TEMPLATE = "bill"
MODEL = "payments.invoice"


def template_of(invoice: Invoice, *, actor: User) -> Template | None:
    """Return the template of invoices in the language of this one; None where somebody has put it away."""
    rows = Template.objects.visible_to(actor).filter(archived_at=None, current_version__isnull=False)
    return rows.filter(code=TEMPLATE, locale=invoice.locale).first()


@transaction.atomic
def make_paper(invoice_id: int, *, actor: User) -> Generation:
    """
    Have the PDF of an issued invoice made by a job; to ask again is to ask once.

    :raises DoesNotExist: the invoice is out of sight
    :raises PermissionDenied: the actor may not make documents
    :raises ValidationError: it is a draft ("invoice_draft"), or there is no template in its language ("no_template")
    """
    invoice = Invoice.objects.visible_to(actor).select_related("legal_entity").get(pk=invoice_id)
    if invoice.is_draft:
        raise ValidationError(_("Issue the invoice first."), code="invoice_draft")
    template = template_of(invoice, actor=actor)
    if template is None:
        raise ValidationError(
            _("There is no template of invoices in this language. Restore it, or publish one."),
            code="no_template",
        )
    with override(invoice.locale):
        title = f"{template.name} {invoice.number}"
    request = Request(
        template.pk,
        Target(MODEL, invoice.pk, DocumentLink.Role.INVOICE),
        inputs={"payment_qr": qr_of(invoice)},
        title=title,
        entity_id=_entity_id(invoice, actor=actor),
        paper_date=invoice.issue_date,
    )
    return start_generation(request, actor=actor, key=f"invoice-{invoice.pk}")


def _entity_id(invoice: Invoice, *, actor: User) -> int | None:
    """Return in whose name; a company of ours that was put away since still stands on what it has issued."""
    entity = invoice.legal_entity
    return entity.pk if entity is not None and entity.archived_at is None else None


def qr_of(invoice: Invoice) -> str:
    """Return what the code on the paper holds."""
    entity = invoice.legal_entity
    if entity is None:
        return ""
    return content_of(
        Transfer(
            name=entity.full_name or entity.name,
            account=entity.account,
            bank_name=entity.bank_name,
            bank_code=entity.bank_code,
            correspondent_account=entity.correspondent_account,
            tax_id=entity.tax_id,
            amount=invoice.total,
            currency=invoice.currency,
            purpose=purpose_of(invoice),
        )
    )


def purpose_of(invoice: Invoice) -> str:
    """Return what a customer writes on the transfer, in the language of the paper."""
    number, day = invoice.number or "", invoice.issue_date
    on = f"{day:%d.%m.%Y}" if day else ""
    if not invoice.locale.startswith("ru"):
        return f"Invoice {number} of {on}"
    tax = f", в т.ч. НДС {invoice.tax:.2f}" if invoice.tax_minor else ", НДС не облагается"
    return f"Оплата по счёту {number} от {on}{tax}"


@transaction.atomic
def keep_paper(invoice_id: int, *, document_id: int) -> None:
    """
    Put the paper that was made by now on the invoice and on its deal; doing it twice is doing it once.

    Called by the system when a document of an invoice has got its content.
    """
    system = User.objects.system()
    invoice = Invoice.objects.select_for_update(of=("self",), no_key=True).filter(pk=invoice_id).first()
    made = Generation.objects.filter(document=document_id, target_model=MODEL, target_id=invoice_id)
    if invoice is None or invoice.document_id is not None or not made.exists():
        return
    invoice.document = Document.objects.get(pk=document_id)
    invoice.save(update_fields=["document"])
    for model, pk in (("crm.deal", invoice.deal_id), ("crm.company", invoice.company_id)):
        if pk is not None:
            link_document(document_id, Target(model, pk, DocumentLink.Role.INVOICE), actor=system)


def invoice_facts(actor: User, pk: int) -> Mapping[str, Any]:
    """Return what a paper tells of an invoice that `actor` sees. :raises DoesNotExist: they see none"""
    invoice = Invoice.objects.visible_to(actor).select_related("deal", "company", "owner").get(pk=pk)
    company = invoice.company
    is_seen = company is not None and access.can(actor, "view", company)
    return {
        "invoice": {
            "number": invoice.number or "",
            "issue_date": invoice.issue_date,
            "due_date": invoice.due_date,
            "deal": invoice.deal.title if invoice.deal else "",
            "purpose": purpose_of(invoice),
            "note": invoice.note,
            "total": Money(invoice.total, invoice.currency),
            "due": Money(invoice.due, invoice.currency),
        },
        "company": {
            "name": invoice.customer_name or str(invoice.company or invoice.person or ""),
            "full_name": invoice.customer_name,
            "tax_id": invoice.customer_tax_id,
            "address": invoice.customer_address or (company.city if company is not None and is_seen else ""),
            "phone": "",
            "email": "",
        },
        "currency": invoice.currency,
        "lines": [
            Line(
                name=line.name,
                quantity=line.quantity,
                unit=line.unit,
                price=line.unit_price,
                discount_percent=line.discount_percent,
                comes_to=line.amount,
            )
            for line in invoice.lines.select_related("invoice").order_by("position")
        ],
        "totals": Totals(
            total=invoice.total,
            tax=invoice.tax,
            net=invoice.net,
            by_rate=tuple((row["rate"], row["tax"]) for row in invoice.tax_rows() if row["rate"] is not None),
        ),
    }
