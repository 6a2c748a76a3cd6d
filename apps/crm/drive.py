"""Which of the sales side's objects have folders in Google Drive: companies, and deals in those of their companies."""

from apps.crm.models import Company, Deal
from apps.documents.drive.places import Place, register_place


def declare() -> None:
    """Let companies and deals have folders; a document of both lies in the deal's."""
    register_place("crm.deal", name=_deal_name, parent=_company_of, order=10)
    register_place("crm.company", name=_company_name, order=20)


def _deal_name(pk: int) -> str | None:
    deal = Deal.objects.filter(pk=pk).only("number", "title").first()
    return None if deal is None else f"{deal.number} {deal.title}"


def _company_of(pk: int) -> Place | None:
    company_id = Deal.objects.filter(pk=pk).values_list("company_id", flat=True).first()
    return None if company_id is None else ("crm.company", company_id)


def _company_name(pk: int) -> str | None:
    company = Company.objects.filter(pk=pk).first()
    return None if company is None else str(company)
