"""
What the demo's own company has written: a contract that was signed, one that is approved, an offer in review.

Made as people make them, from templates, approved by a colleague and accepted by the customer's letter; the rest waits
for the workers, so that a look at the jobs shows some.
"""

import io
import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from docx import Document as WordFile
from PIL import Image, ImageDraw, ImageFont

from apps import documents
from apps.accounts.models import Letter, User
from apps.accounts.services.letters import read_letter
from apps.crm.models import Company, Deal
from apps.crm.services import companies
from apps.documents.models import Document, DocumentType, Template
from apps.documents.services import (
    accepting,
    approvals,
    generation,
    legal_entities,
    sharing,
    signing,
    templates,
)
from apps.documents.services.approvals import Ask
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.documents.services.signing import Party
from apps.jobs import runner

_COMPANY: legal_entities.LegalEntityFields = {
    "name": "Артель",
    "full_name": "Общество с ограниченной ответственностью «Артель»",
    "tax_id": "7704567896",
    "registration_number": "770401001 / 1197746123450",
    "address": "119034, Москва, Пречистенский пер., д. 12, стр. 1",
    "phone": "+7 495 000-12-34",
    "email": "office@artel.example",
    "website": "artel.example",
    "bank_name": "АО «Пример-Банк», Москва",
    "bank_code": "044525999",
    "account": "40702810500000012345",
    "correspondent_account": "30101810100000000999",
    "signatory_name": "Новикова О. В.",
    "signatory_title": "Генеральный директор",
    "signatory_in_text": "генерального директора Новиковой Ольги Викторовны",
    "signatory_basis": "Устава",
    "translations": {
        "en": {
            "name": "Artel",
            "full_name": "Artel LLC",
            "address": "12 bldg. 1, Prechistensky per., Moscow 119034, Russia",
            "bank_name": "Example Bank JSC, Moscow",
            "signatory_name": "O. V. Novikova",
            "signatory_title": "Chief Executive Officer",
            "signatory_in_text": "its Chief Executive Officer Olga Novikova",
            "signatory_basis": "its Charter",
        }
    },
    "tax_percent": Decimal(22),
    "is_default": True,
}
# What a contract says of a company: its legal name and its tax id.
_CUSTOMERS = {
    "Северсталь-Мебель": ("АО «Северсталь-Мебель»", "3528000124"),
    "Nordwind Logistics": ("Nordwind Logistics GmbH", "DE811000123"),
    "Хлебный двор": ("ООО «Хлебный двор»", "6950000120"),
    "Lumen Retail Group": ("Lumen Retail Group Sp. z o.o.", "PL5260000123"),
    "Клиника «Забота»": ("ООО «Клиника „Забота“»", "1655000123"),
}
_LETTER = [
    "{{ our.name }} · {{ our.address }}",
    "Dear {{ person.full_name }},",
    "this confirms your order “{{ deal.title }}” of {{ document.date }}.",
    "{% for line in lines %}{{ loop.index }}. {{ line.name }}: {{ line.quantity }} at {{ line.price }}\n{% endfor %}",
    "In all: {{ totals.total }}. We deliver to {{ place }} within {{ weeks }} weeks.",
    "{{ our.signatory_title }} {{ our.signatory_name }}",
]
_ASKED = [
    {"name": "place", "label": "Delivered to", "type": "text", "is_required": True},
    {"name": "weeks", "label": "Within so many weeks", "type": "number", "default": "6"},
]
_NAVY, _WHITE = (15, 92, 110), (255, 255, 255)


def write_papers(deals: Sequence[Deal], *, lead: User, system: User) -> int:
    """
    Write the papers of the demo's company. Call this outside of transactions.

    :param deals: the demo's, in the order in which they were made
    :param lead: who decides about what is sent to be approved
    :return: how many documents there are at once; others are made by workers
    """
    entity = legal_entities.create_legal_entity(actor=system, **_COMPANY)
    legal_entities.set_logo(entity.pk, logo(), actor=system)
    letter = _word_template(system)
    theirs = [deal for deal in deals if deal.owner.memberships.filter(team__in=_teams(lead)).exists()]
    signed, offered, agreed, ordered, billed = theirs[:5]
    for company in Company.objects.filter(name__in=_CUSTOMERS, tax_id=""):
        name, tax_id = _CUSTOMERS[company.name]
        companies.change_company(company.pk, actor=system, legal_name=name, tax_id=tax_id)
    contract = _made(_shipped("contract", "ru"), signed, city="Москва", customer_basis="Устава")
    _accepted(contract, "buyer@company1.example", signed)
    quote = _made(_shipped("quote", "en"), offered, introduction="As discussed, this is what we offer.")
    _in_review(quote, lead, system)
    sharing.share_document(
        quote.pk, sharing.Terms(expires_at=timezone.now() + timedelta(days=14)), actor=offered.owner
    )
    act = _made(_shipped("act", "ru"), agreed, contract="№ 12 от 10 сентября", period="сентябрь")
    approval = _in_review(act, lead, system)
    approvals.decide(approval, is_approved=True, actor=lead, comment="Сверено с договором.")
    _wanted(letter, ordered, place="the customer's office")
    _wanted(_shipped("invoice", "ru"), billed, purpose="Оплата по счёту")
    return 3


def _teams(lead: User) -> list[int]:
    return list(lead.memberships.values_list("team", flat=True))


def _shipped(code: str, locale: str) -> Template:
    return Template.objects.get(code=code, locale=locale)


def _word_template(system: User) -> Template:
    word = WordFile()
    for paragraph in _LETTER:
        word.add_paragraph(paragraph)
    file = io.BytesIO()
    word.save(file)
    template = templates.create_template(
        actor=system,
        code="order-confirmation",
        name="Order confirmation",
        kind=Template.Kind.DOCX,
        locale="en",
        document_type_id=DocumentType.objects.get(code="file").pk,
        source="crm.deal",
    )
    draft = templates.Draft(file=file.getvalue(), file_name="order-confirmation.docx", variables=_ASKED)
    version = templates.add_template_version(template.pk, draft, actor=system)
    templates.publish_template_version(version.pk, actor=system)
    return template


def _wanted(template: Template, deal: Deal, **inputs: str) -> int:
    """Ask for a paper as the deal's owner. :return: the job that makes it"""
    request = Request(template.pk, Target("crm.deal", deal.pk), inputs)
    one = generation.start_generation(request, actor=deal.owner)
    if one.job_id is None:
        raise RuntimeError("a paper is made by a job")
    return one.job_id


def _made(template: Template, deal: Deal, **inputs: str) -> Document:
    """Have a paper made at once, rather than by a worker."""
    job_id = _wanted(template, deal, **inputs)
    runner.run(job_id)
    return Document.objects.get(generations__job=job_id)


def _in_review(document: Document, lead: User, system: User) -> int:
    asked = [Ask(assignee_id=lead.pk, days=3)]
    return approvals.request_approval(document.pk, steps=asked, actor=system).pk


@transaction.atomic
def _accepted(document: Document, address: str, deal: Deal) -> None:
    """Have the customer accept a document: what they would read in two letters is read here, and no letter is sent."""
    # Never seen by anybody: the letters with it are not sent.
    place = "https://demo.artel.example/sign/"
    customer = Party(str(deal.person or deal.company), address)
    ends = timezone.now() + timedelta(days=14)
    request = signing.request_signature(
        document.pk, parties=[customer], expires_at=ends, link=place, actor=deal.owner
    )
    token = _read(address, r"/sign/([^/\s]+)")
    accepting.send_code(token, has_read=True)
    code = _read(address, r"(?m)^    (\S+)$")
    accepting.accept(token, code=code, digest=request.digest, link=place)
    Letter.objects.filter(recipient=address).delete()


def _read(address: str, pattern: str) -> str:
    """Return what the latest letter to somebody that says such a thing says."""
    for letter in Letter.objects.filter(recipient=address).order_by("-pk"):
        found = re.search(pattern, read_letter(letter)[1])
        if found is not None:
            return found[1]
    raise RuntimeError("the letter was not written")


def logo() -> bytes:
    """Draw the mark of the demo's company, with its name beside it, as a PNG."""
    picture = Image.new("RGB", (900, 240), _WHITE)
    drawing = ImageDraw.Draw(picture)
    drawing.rounded_rectangle((0, 0, 239, 239), 48, fill=_NAVY)
    font = Path(documents.__file__).parent / "typst/fonts/Inter-SemiBold.otf"
    drawing.text((120, 120), "А", _WHITE, ImageFont.truetype(font, 170), anchor="mm")
    drawing.text((290, 120), "Артель", _NAVY, ImageFont.truetype(font, 150), anchor="lm")
    whole = io.BytesIO()
    picture.save(whole, "PNG")
    return whole.getvalue()
