"""From a deal to its paper: what it says, whose it is, and that it is made once."""

from datetime import date
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.crm.models import Deal, DealLine
from apps.documents import office
from apps.documents.amounts import amount_in_words, figure_text, money_text, rounded
from apps.documents.models import Document, DocumentVersion, Generation, NumberSequence, Template
from apps.documents.services import generation, templates
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.documents.shipped import LANGUAGES, PAPERS
from apps.events.models import Event
from apps.jobs.models import Job
from tests.accounts.factories import make_member, make_team
from tests.documents.papers.factories import (
    asked,
    bytes_of,
    made,
    make_entity,
    make_sale,
    make_word_template,
    shipped,
    work,
)
from tests.documents.papers.files import docx, is_for_archives, pdf_text, words_of

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 28)


@pytest.fixture
def deal(admin: User) -> Deal:
    return make_sale(admin)


def preview(template: Template, deal: Deal | None, actor: User, **fields: object) -> str:
    request = Request(template.pk, Target("crm.deal", deal.pk) if deal else None, **fields)  # type: ignore[arg-type]
    return pdf_text(generation.preview(request, actor=actor).content)


def code_of(error: ValidationError) -> str | None:
    found = next(iter(error.error_dict.values()))[0] if hasattr(error, "error_dict") else error.error_list[0]
    return found.code


@pytest.mark.parametrize("language", LANGUAGES)
# What is written of a quote is shown where quotes are.
@pytest.mark.parametrize("code", [code for code, *_rest in PAPERS if code not in {"offer", "bill"}])
def test_each_paper_says_what_the_deal_comes_to(admin: User, deal: Deal, code: str, language: str) -> None:
    make_entity()
    one = made(shipped(code, language), deal, admin, paper_date=DAY)
    said = pdf_text(bytes_of(one)).replace("\u00a0", " ").replace("\u202f", " ")
    words = amount_in_words(Decimal("2000.01"), "RUB", language)
    for expected in [
        *(f"Licence {deal.pk}", figure_text(Decimal("1000.01"), "RUB", language), "Артель Софт"),
        *(money_text(Decimal("2000.01"), "RUB", language), money_text(Decimal("360.66"), "RUB", language)),
        words[:1].upper() + words[1:],
    ]:
        assert expected.replace("\u00a0", " ").replace("\u202f", " ") in said
    assert "ЧЕРНОВИК" not in said
    assert "DRAFT" not in said


def test_the_document_that_is_made(admin: User) -> None:
    team = make_team("North")
    seller = make_member(team, "salesperson", "seller")
    deal = make_sale(seller, team=team)
    one = made(shipped("contract"), deal, admin, paper_date=DAY)
    document = one.document
    assert document is not None
    assert (document.number, document.title) == ("C-2026-00001", "Договор: Внедрение CRM")
    assert (document.owner, document.team, document.type.code) == (seller, team, "contract")
    version = document.current_version
    assert version is not None
    assert (version.source, version.blob.content_type) == (
        DocumentVersion.Source.GENERATED,
        "application/pdf",
    )
    assert version.file_name == "Договор_ Внедрение CRM C-2026-00001.pdf"
    link = document.links.get()
    assert (link.target_id, link.role) == (deal.pk, "CONTRACT")
    assert "C-2026-00001" in pdf_text(bytes_of(one))
    facts = list(
        Event.objects.filter(type__startswith="documents.").order_by("pk").values_list("type", flat=True)
    )
    assert facts == [
        *(
            "documents.document.created.v1",
            "documents.document.changed.v1",
            "documents.document.version_added.v1",
        )
    ]
    assert one.job is not None
    assert one.job.result == {"generation": one.pk, "document": document.pk, "version": version.pk}
    # Made again of the same, it is another paper with the next number, and says so by the same digest.
    again = made(shipped("contract"), deal, admin, paper_date=DAY)
    assert again.document is not None
    assert again.document.number == "C-2026-00002"
    assert again.input_hash == one.input_hash


def test_the_same_key_is_the_same_paper(admin: User, deal: Deal) -> None:
    one = asked(shipped("act"), deal, admin, key="k", paper_date=DAY)
    assert asked(shipped("act"), deal, admin, key="k", paper_date=DAY) == one
    work(one)
    assert asked(shipped("act"), deal, admin, key="k", paper_date=DAY) == one
    with pytest.raises(ValidationError) as refused:
        asked(shipped("act"), deal, admin, key="k", title="Other", paper_date=DAY)
    assert refused.value.code == "key_reused"
    assert (Document.objects.count(), Job.objects.count(), NumberSequence.objects.get().last) == (1, 1, 1)


def test_facts_are_those_of_when_it_was_asked_for(admin: User, deal: Deal) -> None:
    one = asked(shipped("quote"), deal, admin)
    DealLine.objects.update(unit_price=Decimal(1))
    assert "2 000,01" in pdf_text(bytes_of(work(one)))


def test_a_type_without_numbers(admin: User, deal: Deal) -> None:
    document = made(shipped("quote"), deal, admin).document
    assert document is not None
    assert document.number is None
    assert document.links.get().role == "QUOTE"


def test_a_preview_leaves_nothing(admin: User, deal: Deal) -> None:
    said = preview(shipped("contract"), deal, admin)
    assert "ЧЕРНОВИК" in said
    assert "Licence" in said
    assert not Document.objects.exists()
    assert not NumberSequence.objects.exists()
    assert not Generation.objects.exists()


def test_a_preview_bears_what_is_missing_and_a_paper_does_not(admin: User, deal: Deal) -> None:
    variables = [{"name": "reason", "label": "Reason", "is_required": True}, {"name": "by", "type": "date"}]
    template, _version = make_word_template(admin, docx("{{ reason }} {{ by }}"), variables=variables)
    request = Request(template.pk, Target("crm.deal", deal.pk))
    with patch.object(office, "is_installed", return_value=False):
        assert words_of(generation.preview(request, actor=admin).content).strip() == ""
    with pytest.raises(ValidationError) as refused:
        asked(template, deal, admin)
    assert refused.value.message_dict == {"reason": ["Fill this in: Reason."]}
    with pytest.raises(ValidationError) as refused:
        asked(template, deal, admin, inputs={"reason": "x", "by": "soon", "other": "1"})
    assert set(refused.value.error_dict) == {"by", "other"}
    assert not Generation.objects.exists()


def test_a_word_paper_without_libreoffice_stays_a_word_file(admin: User, deal: Deal) -> None:
    template, _version = make_word_template(admin, docx("{{ document.number }} for {{ company.full_name }}"))
    with patch.object(office, "is_installed", return_value=False):
        one = made(template, deal, admin, paper_date=DAY)
    assert words_of(bytes_of(one)).strip() == "C-2026-00001 for ООО «Ромашка»"
    assert one.document_version is not None
    assert one.document_version.file_name.endswith(".docx")


@pytest.mark.slow
def test_a_word_paper_becomes_pdf(admin: User, deal: Deal) -> None:
    if not office.is_installed():
        pytest.skip("LibreOffice is not installed")
    rows = [
        ["{%tr for line in lines %}", ""],
        ["{{ line.name }}", "{{ line.amount }}"],
        ["{%tr endfor %}", ""],
    ]
    template, _version = make_word_template(
        admin, docx("Договор {{ document.number }}", table=rows), locale="ru"
    )
    pdf = bytes_of(made(template, deal, admin, paper_date=DAY))
    said = pdf_text(pdf)
    assert "Договор C-2026-00001" in said
    assert "1 000,01 ₽" in said
    assert is_for_archives(pdf)
    assert "ЧЕРНОВИК" in preview(template, deal, admin)


def test_an_open_price_is_told(admin: User, deal: Deal) -> None:
    DealLine.objects.filter(position=1).update(unit_price=None)
    with pytest.raises(ValidationError) as refused:
        asked(shipped("invoice"), deal, admin)
    assert refused.value.code == "line_without_price"
    # A letter that names no sums does not mind.
    template, _version = make_word_template(admin, docx("{{ deal.title }}"))
    assert asked(template, deal, admin).data["deal"]["title"] == "Внедрение CRM"


def test_who_may_not(admin: User, deal: Deal) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    with pytest.raises(ValidationError) as refused:
        asked(shipped("act"), deal, seller)
    assert code_of(refused.value) == "not_found"
    with pytest.raises(ValidationError) as refused:
        preview(shipped("act"), deal, seller)
    assert code_of(refused.value) == "not_found"
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    with pytest.raises(PermissionDenied):
        asked(shipped("act"), deal, auditor)
    admin.key_scopes = frozenset(["read", "documents.add_document"])
    with pytest.raises(PermissionDenied):
        asked(shipped("act"), deal, admin)
    assert not Generation.objects.exists()


def test_what_is_hidden_from_somebody_stays_out_of_their_papers(admin: User) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    deal = make_sale(admin)
    Deal.objects.filter(pk=deal.pk).update(owner=seller)
    said = preview(shipped("invoice"), deal, seller)
    assert "Romashka" in said
    assert "7707083893" not in said
    assert "7707083893" in preview(shipped("invoice"), deal, admin)


def test_what_cannot_be(admin: User, deal: Deal) -> None:
    with pytest.raises(ValidationError) as refused:
        asked(shipped("act"), None, admin)
    assert code_of(refused.value) == "wrong_target"
    template, _version = make_word_template(admin, docx("x"), is_published=False)
    with pytest.raises(ValidationError) as refused:
        asked(template, deal, admin)
    assert refused.value.code == "not_published"
    templates.archive_template(shipped("act").pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        asked(shipped("act"), deal, admin)
    assert refused.value.code == "archived"
    with pytest.raises(ObjectDoesNotExist):
        generation.start_generation(Request(10**9), actor=admin)


def test_a_job_that_may_no_longer_says_why(admin: User, deal: Deal) -> None:
    one = asked(shipped("act"), deal, admin)
    Deal.objects.filter(pk=deal.pk).update(owner=make_member(make_team("South"), "salesperson", "seller"))
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    one = work(one)
    assert one.job is not None
    assert one.job.state == "FAILED"
    assert one.job.error is not None
    assert one.job.error["code"] == "refused"
    assert not Document.objects.exists()
    assert not NumberSequence.objects.exists()


def test_a_paper_in_another_companys_name(admin: User, deal: Deal) -> None:
    make_entity()
    other = make_entity(
        name="Other Ltd", full_name="", is_default=False, number_prefix="B-", tax_percent=None
    )
    one = made(shipped("act", "en"), deal, admin, entity_id=other.pk, paper_date=DAY)
    assert one.document is not None
    assert one.document.number == "B-A-2026-00001"
    said = pdf_text(bytes_of(one))
    assert "Other Ltd" in said
    assert "VAT not applicable" in said


def test_the_form_begins_with_what_is_known(admin: User, deal: Deal) -> None:
    Deal.objects.filter(pk=deal.pk).update(expected_close_date=date(2026, 12, 31))
    template = shipped("contract")
    assert template.current_version is not None
    values = generation.first_values(
        template, template.current_version, Target("crm.deal", deal.pk), actor=admin
    )
    assert values["until"] == "2026-12-31"
    assert values["customer_signatory"] == "Пётр Петров"
    assert values["city"] == ""


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(
        st.tuples(st.decimals("0.001", 1000, places=3), st.decimals(0, 1_000_000, places=2)),
        min_size=1,
        max_size=6,
    )
)
def test_a_paper_says_the_exact_sum(admin: User, deal: Deal, lines: list[tuple[Decimal, Decimal]]) -> None:
    product = deal.lines.all()[:1].get().product
    deal.lines.all().delete()
    DealLine.objects.bulk_create(
        DealLine(deal=deal, product=product, quantity=quantity, unit_price=price) for quantity, price in lines
    )
    total = sum((rounded(quantity * price, "RUB") for quantity, price in lines), Decimal())
    request = Request(shipped("invoice").pk, Target("crm.deal", deal.pk))
    with patch.object(generation, "take") as free:
        free.return_value.is_allowed = True
        said = pdf_text(generation.preview(request, actor=admin).content)
    assert money_text(total, "RUB", "ru").replace("\u00a0", " ") in said
