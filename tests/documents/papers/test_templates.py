"""Bringing templates, saying what they ask, and publishing them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied, ValidationError

from apps.accounts.models import User
from apps.documents import shipped
from apps.documents.declarations import cleaned, parsed
from apps.documents.models import LegalEntity, Template, TemplateVersion
from apps.documents.services import generation, legal_entities, templates
from apps.documents.services.documents import Target
from apps.documents.services.generation import Request
from apps.documents.services.templates import Draft
from tests.accounts.factories import make_member, make_team
from tests.crm.test_deal_constraints import refused_by
from tests.documents.papers.factories import make_entity, make_sale, make_word_template
from tests.documents.papers.factories import shipped as shipped_paper
from tests.documents.papers.files import docx, pdf_text
from tests.documents.papers.pictures import png

pytestmark = pytest.mark.django_db


def refusal_of(call: Callable[[], Any]) -> tuple[str | None, str]:
    """Return the code and the words of a refusal."""
    with pytest.raises(ValidationError) as refused:
        call()
    error = refused.value
    one = next(iter(error.error_dict.values()))[0] if hasattr(error, "error_dict") else error.error_list[0]
    return one.code, " ".join(one.messages)


def template_of(code: str) -> Template:
    return Template.objects.get(code=code, locale="ru")


def test_names_that_nobody_tells_are_refused_with_what_was_meant(admin: User) -> None:
    code, words = refusal_of(
        lambda: make_word_template(admin, docx("{{ deal.titel }} {{ foo }} {{ our.name }}"))
    )
    assert code == "unknown_names"
    assert "deal.titel (deal.title?)" in words
    assert "foo" in words
    assert "our.name" not in words
    assert not TemplateVersion.objects.filter(template__code="letter").exists()


def test_declared_names_are_taken(admin: User) -> None:
    variables = [{"name": "foo", "label": "Foo", "type": "money"}]
    _template, version = make_word_template(admin, docx("{{ foo }} {{ foo_in_words }}"), variables=variables)
    assert version.found == ["foo", "foo_in_words"]
    assert version.variables[0]["label"] == "Foo"


def test_what_is_missing_is_asked_for_where_that_is_wanted(admin: User) -> None:
    template, _version = make_word_template(admin, docx("x"))
    draft = Draft(file=docx("{{ pay_until }} {{ deal.title }}"), file_name="a.docx", declares_missing=True)
    version = templates.add_template_version(template.pk, draft, actor=admin)
    assert [(one["name"], one["label"], one["type"]) for one in version.variables] == [
        ("pay_until", "Pay until", "text")
    ]
    draft = Draft(file=docx("{{ deal.nothing }}"), file_name="a.docx", declares_missing=True)
    assert (
        refusal_of(lambda: templates.add_template_version(template.pk, draft, actor=admin))[0]
        == "unknown_names"
    )


def test_hostile_files_are_refused_before_anything_is_kept(admin: User) -> None:
    code, words = refusal_of(lambda: make_word_template(admin, docx("{{ ''.__class__ }}")))
    assert code == "template_forbidden"
    assert "__class__" in words
    assert not TemplateVersion.objects.filter(template__code="letter").exists()


def test_a_published_version_never_changes(admin: User) -> None:
    template, version = make_word_template(admin, docx("{{ deal.title }}"), is_published=False)
    changed = templates.change_declarations(version.pk, [{"name": "a", "type": "date"}], actor=admin)
    assert changed.variables[0]["type"] == "date"
    templates.publish_template_version(version.pk, actor=admin)
    template.refresh_from_db()
    assert template.current_version == version
    assert refusal_of(lambda: templates.change_declarations(version.pk, [], actor=admin))[0] == "published"
    for change in ("variables = '[]'", "published_at = null", "comment = 'x'"):
        statement = f"update documents_templateversion set {change} where id = %s"
        assert refused_by(statement, version.pk) == "template_version_published"


def test_the_content_of_a_draft_never_changes_either(admin: User) -> None:
    _template, version = make_word_template(admin, docx("x"), is_published=False)
    statement = "update documents_templateversion set number = 7 where id = %s"
    assert refused_by(statement, version.pk) == "template_version_published"


def test_going_back_to_an_earlier_version(admin: User) -> None:
    template, first = make_word_template(admin, docx("one"))
    draft = Draft(file=docx("two"), file_name="a.docx")
    second = templates.add_template_version(template.pk, draft, actor=admin)
    assert second.number == 2
    templates.publish_template_version(second.pk, actor=admin)
    templates.publish_template_version(first.pk, actor=admin)
    template.refresh_from_db()
    assert template.current_version == first


def test_a_typst_template(admin: User) -> None:
    template = template_of("act")
    draft = Draft(text='#import "layout.typ": *\n#show: sheet\n#data.deal.title')
    assert templates.add_template_version(template.pk, draft, actor=admin).number == 2
    assert (
        "unknown variable"
        in refusal_of(
            lambda: templates.add_template_version(template.pk, Draft(text="#nothing-there"), actor=admin)
        )[1]
    )
    for wrong in (Draft(), Draft(file=docx("x")), Draft(text='#import "@preview/a:1.0.0"')):
        code = refusal_of(partial(templates.add_template_version, template.pk, wrong, actor=admin))[0]
        assert code in {"wrong_kind", "template_package"}


def test_kind_and_source_stay_once_there_are_versions(admin: User) -> None:
    template, _version = make_word_template(admin, docx("x"))
    changed = templates.change_template(template.pk, actor=admin, name="Other", source="crm.deal")
    assert changed.name == "Other"
    assert (
        refusal_of(lambda: templates.change_template(template.pk, actor=admin, kind="TYPST"))[0]
        == "has_versions"
    )
    assert (
        refusal_of(lambda: templates.change_template(template.pk, actor=admin, source="crm.x"))[0]
        == "has_versions"
    )
    assert (
        refusal_of(
            lambda: templates.create_template(actor=admin, code="a", name="a", locale="ru", source="crm.x")
        )[0]
        == "unknown_source"
    )


def test_who_may_not(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    template, version = make_word_template(admin, docx("x"))
    draft = Draft(file=docx("y"), file_name="a.docx")
    for call in (
        lambda: templates.add_template_version(template.pk, draft, actor=seller),
        lambda: templates.publish_template_version(version.pk, actor=seller),
        lambda: templates.archive_template(template.pk, actor=seller),
        lambda: templates.change_template(template.pk, actor=seller, name="mine"),
        lambda: legal_entities.create_legal_entity(actor=seller, name="mine"),
    ):
        with pytest.raises(PermissionDenied):
            call()


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        [{"label": "no name"}],
        [{"name": "Big"}],
        [{"name": "our"}],
        [{"name": "a", "type": "code"}],
        [{"name": "a"}, {"name": "a"}],
        [{"name": "a", "type": "choice"}],
        [{"name": "a", "choices": ["x"]}],
        [{"name": "a", "source": "deal.nothing"}],
        [{"name": "a", "type": "date", "default": "soon"}],
        [{"name": "a", "evil": "x"}],
        [{"name": f"a{n}"} for n in range(100)],
    ],
)
def test_declarations_that_are_wrong(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        parsed(wrong, facts=["deal.title"])


def test_what_is_filled_in() -> None:
    variables = parsed(
        [
            {"name": "day", "type": "date"},
            {"name": "sum", "type": "money"},
            {"name": "kind", "type": "choice", "choices": ["a", "b"]},
            {"name": "sure", "type": "yes_no"},
            {"name": "text", "type": "long_text"},
        ]
    )
    given = {"day": "2026-11-28", "sum": "1 000,50", "kind": "a", "sure": "on", "text": "one\r\ntwo"}
    assert cleaned(variables, given) == {
        "day": "2026-11-28",
        "sum": "1000.50",
        "kind": "a",
        "sure": True,
        "text": "one\ntwo",
    }
    wrong = {"day": "28.11", "sum": "NaN", "kind": "c", "text": "\x00"}
    with pytest.raises(ValidationError) as refused:
        cleaned(variables, wrong)
    assert set(refused.value.error_dict) == {"day", "sum", "kind", "text"}


def test_the_first_company_is_the_usual_one_and_another_may_become_it(admin: User) -> None:
    first = legal_entities.create_legal_entity(actor=admin, name="First")
    assert first.is_default
    second = legal_entities.create_legal_entity(actor=admin, name="Second", number_prefix="B-")
    assert not second.is_default
    legal_entities.change_legal_entity(second.pk, actor=admin, is_default=True)
    assert LegalEntity.objects.get(is_default=True) == second
    assert (
        refusal_of(lambda: legal_entities.change_legal_entity(second.pk, actor=admin, is_default=False))[0]
        == "last_default"
    )
    assert (
        refusal_of(lambda: legal_entities.archive_legal_entity(second.pk, actor=admin))[0]
        == "legal_entity_default_active"
    )
    code = refusal_of(
        lambda: legal_entities.create_legal_entity(actor=admin, name="Third", number_prefix="B-")
    )[0]
    assert code == "legal_entity_prefix_unique"


def test_a_logo(admin: User) -> None:
    entity = make_entity()
    assert legal_entities.set_logo(entity.pk, png(), actor=admin).logo is not None
    for wrong in (b"<svg onload=alert(1)>", png()[:40], b"\x89PNG\r\n\x1a\n" + bytes(2_000_000)):
        with pytest.raises(ValidationError) as refused:
            legal_entities.set_logo(entity.pk, wrong, actor=admin)
        assert refused.value.error_dict["logo"][0].code == "logo"
    assert legal_entities.set_logo(entity.pk, b"", actor=admin).logo is None


def test_shipped_templates_come_once_and_follow_releases(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = apps.get_app_config("documents")
    before = TemplateVersion.objects.count()
    assert before == len(shipped.PAPERS) * len(shipped.LANGUAGES)
    shipped.ensure(config, "default")
    assert TemplateVersion.objects.count() == before
    own = templates.add_template_version(template_of("quote").pk, Draft(text="Own"), actor=admin)
    templates.publish_template_version(own.pk, actor=admin)
    monkeypatch.setattr(shipped, "shipped_source", lambda code, language: f"// next\n{code} {language}")
    shipped.ensure(config, "default")
    current = template_of("act").current_version
    assert current is not None
    assert (current.number, current.text) == (2, "// next\nact ru")
    # What the company has put in the place of ours stays in use.
    assert template_of("quote").current_version == own
    assert template_of("quote").versions.count() == 3


# Who we are, in the language of the paper

IN_ENGLISH = {"en": {"full_name": "Artel Soft LLC", "signatory_name": "I. Ivanov"}}


def test_a_paper_names_us_in_its_own_language(admin: User) -> None:
    entity = make_entity(translations=IN_ENGLISH)
    deal = make_sale(admin)

    def said(language: str) -> str:
        template = shipped_paper("contract", language)
        request = Request(template.pk, Target("crm.deal", deal.pk), {}, entity_id=entity.pk)
        return pdf_text(generation.preview(request, actor=admin).content)

    english, russian = said("en"), said("ru")
    assert "Artel Soft LLC" in english
    assert "I. Ivanov" in english
    assert "Иванов" not in english
    assert "ООО «Артель Софт»" in russian
    assert "Artel Soft" not in russian
    # What nobody has written in English stands there as it is.
    assert entity.tax_id in english


@pytest.mark.parametrize(
    "wrong",
    [
        {"xx": {"name": "A"}},
        {"en": {"tax_id": "1"}},
        {"en": {"name": 7}},
        {"en": {"name": "A" * 201}},
        {"en": "A"},
        ["en"],
    ],
)
def test_texts_that_no_paper_could_show_are_refused(admin: User, wrong: Any) -> None:
    entity = make_entity()
    _code, words = refusal_of(
        lambda: legal_entities.change_legal_entity(entity.pk, actor=admin, translations=wrong)
    )
    assert "en" in words
    entity.refresh_from_db()
    assert entity.translations == {}
