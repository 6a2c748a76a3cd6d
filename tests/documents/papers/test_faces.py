"""Templates and papers through the admin and over REST."""

import io
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.documents import office
from apps.documents.models import Document, Generation, LegalEntity, Template
from apps.documents.rendering.word import DOCX
from tests.accounts.factories import make_member, make_team
from tests.documents.papers.factories import make_entity, make_sale, make_word_template, shipped, work
from tests.documents.papers.files import docx, pdf_text
from tests.documents.papers.pictures import png

pytestmark = pytest.mark.django_db
API = "/api/v1/documents"


@pytest.fixture
def client(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def deal(admin: User) -> Deal:
    return make_sale(admin)


def generate_url(deal: Deal, template: Template | None = None) -> str:
    query = f"?target=crm.deal:{deal.pk}" + (f"&template={template.pk}" if template else "")
    return reverse("admin:documents_generate") + query


def file_of(content: bytes, name: str = "letter.docx") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type=DOCX)


# The admin


@pytest.mark.parametrize("kind", ["deal", "company", "person"])
def test_the_button_leads_to_the_page(client: Client, deal: Deal, kind: str) -> None:
    row: Any = deal if kind == "deal" else getattr(deal, kind)
    page = client.get(reverse(f"admin:crm_{kind}_change", args=[row.pk]))
    address = f"{reverse('admin:documents_generate')}?target=crm.{kind}%3A{row.pk}"
    assert address in page.content.decode()
    assert client.get(address).status_code == 200


def test_who_may_not_make_papers_sees_no_button(deal: Deal) -> None:
    auditor = Client()
    auditor.force_login(make_member(make_team("Audit"), "auditor", "auditor"))
    page = auditor.get(reverse("admin:crm_deal_change", args=[deal.pk]))
    assert page.status_code == 200
    assert "documents/template/generate" not in page.content.decode()
    assert auditor.get(generate_url(deal)).status_code == 403


def test_a_deal_out_of_sight_is_not_there(deal: Deal) -> None:
    seller = Client()
    seller.force_login(make_member(make_team("South"), "salesperson", "seller"))
    assert seller.get(generate_url(deal)).status_code == 404
    preview = reverse("admin:documents_generate_preview")
    answer = seller.post(f"{preview}?target=crm.deal:{deal.pk}&template={shipped('act').pk}")
    assert answer.status_code == 422
    assert deal.title not in answer.content.decode()
    for target in ("crm.deal:x", "crm.deal", "accounts.user:1", "nothing:1"):
        assert seller.get(f"{reverse('admin:documents_generate')}?target={target}").status_code == 404


def test_a_paper_is_asked_for_and_watched(client: Client, deal: Deal) -> None:
    make_entity()
    url = generate_url(deal, shipped("contract"))
    page = client.get(url)
    assert page.context["form"].initial["ask_customer_signatory"] == "Пётр Петров"
    sent = {"key": page.context["key"], "paper_date": "2026-11-28", "ask_city": "Казань"}
    answer = client.post(url, sent)
    one = Generation.objects.get()
    assert answer.headers["Location"] == reverse("admin:documents_generation_change", args=[one.pk])
    # Pressed twice, it is one paper.
    assert client.post(url, sent).headers["Location"] == answer.headers["Location"]
    assert Generation.objects.count() == 1
    assert "data-paper-job" in client.get(answer.headers["Location"]).content.decode()
    work(one)
    shown = client.get(answer.headers["Location"]).content.decode()
    assert "C-2026-00001" in shown
    assert "Казань" in shown
    assert Document.objects.get().number == "C-2026-00001"


def test_what_is_refused_stands_at_its_field_with_what_was_typed(client: Client, deal: Deal) -> None:
    url = generate_url(deal, shipped("contract"))
    answer = client.post(url, {"paper_date": "2026-11-28", "ask_until": "soon", "ask_city": "Казань"})
    assert answer.status_code == 422
    form = answer.context["form"]
    assert "ask_until" in form.errors
    assert "Казань" in answer.content.decode()
    assert not Generation.objects.exists()


def test_the_preview_is_pictures(client: Client, deal: Deal) -> None:
    url = f"{reverse('admin:documents_generate_preview')}?target=crm.deal:{deal.pk}&template={shipped('act').pk}"
    answer = client.post(url, {"ask_period": "November"}).json()
    assert answer["count"] == len(answer["pages"]) == 1
    assert answer["pages"][0].startswith("data:image/webp;base64,")
    deal.lines.update(unit_price=None)
    refused = client.post(url)
    assert refused.status_code == 422
    assert "has no price" in refused.json()["refused"]


def test_bringing_a_word_template(client: Client, deal: Deal) -> None:
    new = {
        "name": "Letter",
        "code": "letter",
        "kind": "DOCX",
        "locale": "en",
        "document_type": shipped("contract").document_type_id,
        "source": "crm.deal",
        "description": "",
    }
    assert client.post(reverse("admin:documents_template_add"), new).status_code == 302
    template = Template.objects.get(code="letter")
    add = reverse("admin:documents_template_add_version", args=[template.pk])
    answer = client.post(add, {"file": file_of(docx("{{ deal.titel }}")), "comment": ""}, follow=True)
    assert "deal.titel (deal.title?)" in answer.content.decode()
    said = {"file": file_of(docx("{{ deal.title }} {{ due }}")), "comment": "first", "declares_missing": "on"}
    answer = client.post(add, said, follow=True)
    version = template.versions.get()
    page = reverse("admin:documents_template_version", args=[template.pk, version.pk])
    assert answer.redirect_chain[-1][0] == page
    rows = {
        "form-TOTAL_FORMS": "2",
        "form-INITIAL_FORMS": "1",
        "form-0-name": "due",
        "form-0-label": "Due on",
        "form-0-type": "date",
        "form-0-source": "deal.expected_close_date",
        "form-0-is_required": "on",
        "form-1-name": "",
        "form-1-type": "text",
    }
    assert client.post(page, rows).status_code == 302
    version.refresh_from_db()
    assert (version.variables[0]["type"], version.variables[0]["is_required"]) == ("date", True)
    with patch.object(office, "is_installed", return_value=False):
        preview = client.post(
            reverse("admin:documents_template_preview", args=[template.pk, version.pk]), {"target": deal.pk}
        )
    assert "LibreOffice is not installed" in preview.json()["refused"]
    file = client.get(reverse("admin:documents_template_file", args=[template.pk, version.pk]))
    assert file.headers["Content-Disposition"] == 'attachment; filename="letter.docx"'
    assert b"".join(file).startswith(b"PK")
    client.post(reverse("admin:documents_template_publish", args=[template.pk, version.pk]))
    template.refresh_from_db()
    assert template.current_version == version
    assert client.get(reverse("admin:documents_template_change", args=[template.pk])).status_code == 200
    assert client.post(page, rows, follow=True).status_code == 200
    version.refresh_from_db()
    assert version.published_at is not None


def test_who_only_sees_templates_changes_none(deal: Deal) -> None:
    seller = Client()
    seller.force_login(make_member(make_team("South"), "salesperson", "seller"))
    template = shipped("act")
    version = template.current_version
    assert version is not None
    assert (
        seller.get(reverse("admin:documents_template_version", args=[template.pk, version.pk])).status_code
        == 200
    )
    for name, sent in (
        ("documents_template_publish", {}),
        ("documents_template_version", {"form-TOTAL_FORMS": "0", "form-INITIAL_FORMS": "0"}),
    ):
        answer = seller.post(reverse(f"admin:{name}", args=[template.pk, version.pk]), sent, follow=True)
        assert "You may not" in answer.content.decode() or answer.status_code == 403
    seller.post(
        reverse("admin:documents_template_add_version", args=[template.pk]), {"text": "mine", "comment": ""}
    )
    assert template.versions.count() == 1


def test_our_company_and_its_logo(client: Client) -> None:
    fields = {"name": "Artel", "is_default": "on", "number_prefix": "", "tax_percent": "22"}
    assert client.post(reverse("admin:documents_legalentity_add"), fields).status_code == 302
    entity = LegalEntity.objects.get()
    logo = reverse("admin:documents_legalentity_logo", args=[entity.pk])
    client.post(logo, {"logo": SimpleUploadedFile("a.svg", b"<svg onload=alert(1)>")})
    entity.refresh_from_db()
    assert entity.logo is None
    client.post(logo, {"logo": SimpleUploadedFile("a.png", png())})
    picture = client.get(reverse("admin:documents_legalentity_picture", args=[entity.pk]))
    assert picture.headers["Content-Type"] == "image/png"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert b"".join(picture) == png()
    page = reverse("admin:documents_legalentity_change", args=[entity.pk])
    assert client.get(page).status_code == 200

    # Its texts in another language; what is emptied there is gone.
    client.post(
        page, {**fields, "en_name": "Artel Ltd", "en_signatory_title": "Director", "ru_name": "Артель"}
    )
    entity.refresh_from_db()
    assert entity.translations == {
        "en": {"name": "Artel Ltd", "signatory_title": "Director"},
        "ru": {"name": "Артель"},
    }
    assert 'value="Artel Ltd"' in client.get(page).content.decode()
    client.post(page, {**fields, "en_name": "Artel Ltd"})
    entity.refresh_from_db()
    assert entity.translations == {"en": {"name": "Artel Ltd"}}
    reader = Client()
    reader.force_login(make_member(make_team("Read"), "salesperson", "reader"))
    shown = reader.get(page).content.decode()
    assert "Artel Ltd" in shown
    assert 'name="en_name"' not in shown


# REST


def test_a_paper_over_rest(client: Client, deal: Deal) -> None:
    body = {
        "template": shipped("contract").pk,
        "target": {"type": "crm.deal", "id": deal.pk},
        "inputs": {"city": "Казань"},
        "paper_date": "2026-11-28",
    }
    headers = {"Idempotency-Key": "one"}
    first = client.post(f"{API}/generations/", body, "application/json", headers=headers)
    again = client.post(f"{API}/generations/", body, "application/json", headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["state"] == "QUEUED"
    page = reverse("admin:crm_deal_change", args=[deal.pk])
    about = {"type": "crm.deal", "id": deal.pk, "title": None, "url": page}
    assert first.json()["target"] == about
    assert first.headers["Location"] == f"{API}/generations/{first.json()['id']}/"
    other = client.post(f"{API}/generations/", body | {"title": "x"}, "application/json", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    work(Generation.objects.get())
    done = client.get(first.headers["Location"]).json()
    assert (done["state"], done["number"]) == ("SUCCEEDED", "C-2026-00001")
    assert done["target"] == about | {"title": str(deal)}
    assert done["document_version"] is not None
    assert (
        client.get(f"{API}/generations/?document={done['document']}").json()["results"][0]["id"] == done["id"]
    )


def test_refusals_over_rest(client: Client, deal: Deal) -> None:
    body: dict[str, Any] = {"template": shipped("contract").pk, "inputs": {"until": "soon"}}
    wrong = client.post(f"{API}/generations/", body, "application/json").json()
    assert wrong["errors"][0]["code"] == "wrong_target"
    body["target"] = {"type": "crm.deal", "id": deal.pk}
    wrong = client.post(f"{API}/generations/", body, "application/json").json()
    assert (wrong["errors"][0]["field"], wrong["errors"][0]["code"]) == ("until", "invalid")
    assert not Generation.objects.exists()


def test_templates_over_rest(client: Client, deal: Deal) -> None:
    new = {
        "code": "letter",
        "name": "Letter",
        "kind": "TYPST",
        "locale": "en",
        "document_type": shipped("act").document_type_id,
        "source": "crm.deal",
    }
    template = client.post(f"{API}/templates/", new, "application/json").json()
    versions = f"{API}/templates/{template['id']}/versions/"
    source = '#import "layout.typ": *\n#show: sheet\n#data.deal.title #data.inputs.extra'
    asked = [{"name": "extra", "label": "Extra"}]
    added = client.post(versions, {"text": source, "variables": asked}, "application/json")
    assert added.status_code == 201
    assert added.json()["number"] == 1
    preview = f"{API}/templates/{template['id']}/preview/"
    body = {"number": 1, "target": {"type": "crm.deal", "id": deal.pk}, "inputs": {"extra": "#panic()"}}
    shown = client.post(preview, body, "application/json")
    assert shown.status_code == 200
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    said = pdf_text(shown.content)
    assert f"{deal.title} #panic()" in said
    assert "DRAFT" in said
    declare = f"{API}/templates/{template['id']}/declare/"
    asked.append({"name": "more", "type": "date"})
    assert (
        len(client.post(declare, {"number": 1, "variables": asked}, "application/json").json()["variables"])
        == 2
    )
    assert (
        client.post(
            f"{API}/templates/{template['id']}/publish/", {"number": 1}, "application/json"
        ).status_code
        == 200
    )
    assert client.post(declare, {"number": 1, "variables": []}, "application/json").status_code == 409
    assert client.get(versions).json()[0]["published_at"]
    assert client.get(f"{API}/templates/{template['id']}/").json()["current_version"] is not None
    assert (
        client.post(
            f"{API}/templates/{template['id']}/publish/", {"number": 9}, "application/json"
        ).status_code
        == 404
    )


def test_a_word_template_over_rest(client: Client, admin: User) -> None:
    template, _version = make_word_template(admin, docx("x"))
    url = f"{API}/templates/{template.pk}/versions/"
    added = client.post(
        url, {"file": file_of(docx("{{ a }}")), "variables": '[{"name": "a", "type": "money"}]'}
    )
    assert added.status_code == 201
    assert added.json()["found"] == ["a"]
    refused = client.post(url, {"file": file_of(docx("{{ ''.__class__ }}"))})
    assert (refused.status_code, refused.json()["code"]) == (400, "template_forbidden")
    refused = client.post(url, {"file": file_of(b"MZ...", "evil.docx")})
    assert refused.json()["code"] == "template_not_word"
    refused = client.post(url, {"text": "x", "variables": '"x"'})
    assert refused.status_code == 400


def test_our_companies_over_rest(client: Client) -> None:
    made = client.post(
        f"{API}/legal-entities/", {"name": "Artel", "tax_percent": "22"}, "application/json"
    ).json()
    assert made["is_default"] is True
    url = f"{API}/legal-entities/{made['id']}/"
    assert client.patch(url, {"account": "407"}, "application/json").json()["account"] == "407"
    in_english = {"en": {"name": "Artel Ltd"}}
    patched = client.patch(url, {"translations": in_english}, "application/json").json()
    assert patched["translations"] == in_english
    refused = client.patch(url, {"translations": {"xx": {"name": "A"}}}, "application/json")
    assert refused.status_code == 400
    with_logo = client.post(f"{url}logo/", {"logo": io.BytesIO(png())}).json()
    assert with_logo["has_logo"] is True
    assert client.post(f"{url}archive/").status_code == 400
