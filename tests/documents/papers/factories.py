"""Templates, deals with lines, and papers made to the end in this process."""

from decimal import Decimal
from typing import Any
from unittest.mock import patch

from apps.accounts.models import User
from apps.crm.models import Deal, DealLine
from apps.documents.models import DocumentType, Generation, LegalEntity, Template, TemplateVersion
from apps.documents.services import generation, templates
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.jobs import runner
from tests.crm.factories import make_company, make_deal, make_person, make_product

OURS = {
    "name": "Артель Софт",
    "full_name": "ООО «Артель Софт»",
    "tax_id": "7701234567",
    "address": "101000, Москва, ул. Мясницкая, д. 1",
    "bank_name": "АО «Банк»",
    "bank_code": "044525225",
    "account": "40702810400000000001",
    "signatory_name": "Иванов И. И.",
}


def make_entity(**fields: Any) -> LegalEntity:
    values = {**OURS, "tax_percent": Decimal(22), "is_default": True, **fields}
    return LegalEntity.objects.create(**values)


def make_sale(owner: User, **fields: Any) -> Deal:
    """Make a deal of 1 × 1,000.01 and 2.5 × 400.00 for a company with a contact: 2,000.01 in all."""
    company = make_company("Romashka", legal_name="ООО «Ромашка»", tax_id="7707083893", owner=owner)
    values = {"company": company, "person": make_person("Пётр", family_name="Петров", owner=owner), **fields}
    deal = make_deal("Внедрение CRM", owner=owner, **values)
    for place, (name, quantity, price) in enumerate([("Licence", "1", "1000.01"), ("Hours", "2.5", "400")]):
        DealLine.objects.create(
            deal=deal,
            product=make_product(f"{name} {deal.pk}"),
            quantity=Decimal(quantity),
            unit_price=Decimal(price),
            position=place,
        )
    return deal


def shipped(code: str, locale: str = "ru") -> Template:
    return Template.objects.get(code=code, locale=locale)


def make_word_template(
    actor: User,
    file: bytes,
    *,
    variables: Any = (),
    code: str = "letter",
    is_published: bool = True,
    **fields: Any,
) -> tuple[Template, TemplateVersion]:
    """Bring a Word template in, as people do."""
    values: Any = {
        "code": code,
        "name": code.capitalize(),
        "kind": Template.Kind.DOCX,
        "locale": "en",
        "document_type_id": DocumentType.objects.get(code="contract").pk,
        "source": "crm.deal",
        **fields,
    }
    template = templates.create_template(actor=actor, **values)
    draft = templates.Draft(file=file, file_name=f"{code}.docx", variables=list(variables))
    version = templates.add_template_version(template.pk, draft, actor=actor)
    if is_published:
        templates.publish_template_version(version.pk, actor=actor)
    return template, version


def asked(template: Template, deal: Deal | None, actor: User, *, key: str = "", **fields: Any) -> Generation:
    target = Target("crm.deal", deal.pk) if deal else None
    request = Request(template_id=template.pk, target=target, **fields)
    return generation.start_generation(request, actor=actor, key=key)


def work(one: Generation) -> Generation:
    """Do the job of a paper in this process, unwatched: a watcher would not see this test's transaction."""
    assert one.job_id is not None
    with patch.object(runner._Watch, "_keep_watch"):
        runner.run(one.job_id)
    return Generation.objects.select_related("job", "document", "document_version__blob").get(pk=one.pk)


def made(template: Template, deal: Deal | None, actor: User, **fields: Any) -> Generation:
    """Make a paper to the end. Fails when the job does."""
    one = work(asked(template, deal, actor, **fields))
    assert one.job is not None
    assert one.job.state == "SUCCEEDED", one.job.error
    return one


def bytes_of(one: Generation) -> bytes:
    from apps.documents.services.blobs import open_blob

    assert one.document_version is not None
    with open_blob(one.document_version.blob) as file:
        return file.read()
