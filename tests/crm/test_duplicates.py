"""Rows that may stand twice: found with reasons, within the policy, and remembered where they are not the same."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.duplicates import finding, pairs, walking
from apps.crm.duplicates.likeness import Found, Reason, distinct, score_of, tax_keys
from apps.crm.models import Company, DuplicateDismissal, DuplicatePair, Employment, Person
from apps.crm.services import companies, duplicates
from apps.crm.services.merging import merge_companies
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.merging import contact

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return factories.make_admin()


def found(row: Company | Person, actor: User) -> dict[str, list[str]]:
    """Return the names of what may be the same, each with its reasons."""
    return {
        str(one.row): [reason.reason.value for reason in one.reasons]
        for one in finding.candidates(row, actor=actor)
    }


# Why


@pytest.mark.parametrize(
    ("one", "country", "other"),
    [
        ("7707083893", "", "77 0708-3893"),
        ("7707083893/773601001", "", "7707083893"),
        ("RU7707083893", "", "7707083893"),
        ("7707083893", "", "ru 7707083893"),
        ("DE136695976", "", "136 695 976"),
        ("136695976", "DE", "DE 136695976"),
    ],
)
def test_one_tax_number_is_known_however_it_is_written(one: str, country: str, other: str, ada: User) -> None:
    first = factories.make_company("Right", tax_id=one, country=country)
    second = factories.make_company("Left", tax_id=other)
    assert found(first, ada) == {"Left": ["tax_id"]}
    assert second.pk


def test_other_tax_numbers_are_others() -> None:
    assert not tax_keys("7707083893", "") & tax_keys("5024002119", "")
    assert tax_keys(" - ", "RU") == set()
    assert tax_keys("anything", "??") == {"ANYTHING"}


@pytest.mark.parametrize(
    "name",
    [
        "ООО «Ромашка»",
        "Ромашка",
        "РОМАШКА, ООО",
        "Общество с ограниченной ответственностью Ромашка",
        "Ромашкa",
    ],
)
def test_legal_forms_do_not_make_a_name_another(name: str, ada: User) -> None:
    row = factories.make_company("Ромашка ООО")
    factories.make_company(name)
    factories.make_company("ООО Василёк")
    assert list(found(row, ada)) == [name]


def test_names_that_only_share_the_form_are_not_alike(ada: User) -> None:
    row = factories.make_company("Alpha GmbH & Co. KG")
    factories.make_company("Omega GmbH & Co. KG")
    assert found(row, ada) == {}
    factories.make_company("A.L.P.H.A. Ltd")
    assert found(row, ada) == {"A.L.P.H.A. Ltd": ["name"]}


def test_a_company_is_known_by_its_domain_and_by_where_its_mail_goes(ada: User) -> None:
    row = factories.make_company("One", domain="gamma.example")
    factories.make_company("Two", domain="www.gamma.example")
    third = factories.make_company("Three")
    contact(third, "EMAIL", "office@gamma.example")
    assert found(row, ada) == {"Two": ["domain"]}
    assert set(found(third, ada)) == {"One"}


def test_who_was_reached_by_the_same_before_may_be_the_same(ada: User) -> None:
    now, before = factories.make_person("Anna"), factories.make_person("Maria")
    contact(now, "PHONE", "+74951234567")
    contact(before, "PHONE", "+74951234567", archived_at=timezone.now())
    assert found(now, ada) == {"Maria": ["former_contact"]}


def test_the_same_name_counts_for_more_at_the_same_company(ada: User) -> None:
    company = factories.make_company("Gamma")
    anna = factories.make_person("Anna", family_name="Ivanova")
    colleague = factories.make_person("Anna", family_name="Ivanova")
    stranger = factories.make_person("Anna", family_name="Ivanova")
    for person in (anna, colleague):
        Employment.objects.create(person=person, company=company)
    ranked = finding.candidates(anna, actor=ada)
    assert [one.row for one in ranked] == [colleague, stranger]
    assert [one.reasons[0].reason for one in ranked] == [Reason.NAME_AND_COMPANY, Reason.NAME]
    assert ranked[0].score > ranked[1].score
    assert ranked[0].reasons[0].words == "Same name at the same company"


def test_a_number_in_another_system_is_a_hint(ada: User) -> None:
    row = factories.make_company("One", external_source="erp", external_id="K-17")
    factories.make_company("Two", external_source="shop", external_id="K-17")
    assert found(row, ada) == {"Two": ["external_id"]}


def test_reasons_add_up_and_never_to_certainty() -> None:
    one = Found(Reason.TAX_ID, "1")
    assert score_of([]) == 0
    assert score_of([one]) == 95
    assert 95 < score_of([one, Found(Reason.DOMAIN, "x")]) <= 99
    assert score_of([one, Found(Reason.CONTACT, "x"), Found(Reason.DOMAIN, "x")]) == 99
    assert distinct([Found(Reason.NAME), Found(Reason.NAME_AND_COMPANY), one]) == [
        one,
        Found(Reason.NAME_AND_COMPANY),
    ]


# For whom


def test_what_is_out_of_sight_is_not_spoken_of(ada: User) -> None:
    anna = factories.make_salesperson("Anna")
    own = factories.make_company("Gamma", owner=anna)
    factories.make_company("Gamma Ltd", owner=factories.make_salesperson("Boris"))
    factories.make_company("Gamma AG")
    assert set(found(own, anna)) == {"Gamma AG"}
    assert set(found(own, ada)) == {"Gamma AG", "Gamma Ltd"}


def test_what_lies_in_the_trash_or_was_merged_is_no_candidate(ada: User) -> None:
    row, archived, merged = (factories.make_company("Gamma") for _number in range(3))
    companies.archive_company(archived.pk, actor=ada)
    other = factories.make_company("Quite another")
    merge_companies(other.pk, merged.pk, actor=ada)
    assert found(row, ada) == {}


def test_a_row_that_is_being_written_is_held_against_those_there(ada: User) -> None:
    there = factories.make_company("Gamma", tax_id="7707083893")
    contact(there, "PHONE", "+74951234567")
    values = {"name": "Delta", "tax_id": "77 0708 3893"}
    probe = finding.probe_from(values, [("PHONE", "8 (495) 123-45-67"), ("EMAIL", "no address")])
    (one,) = finding.find(Company, probe, actor=ada)
    assert one.row == there
    assert [reason.reason for reason in one.reasons] == [Reason.TAX_ID, Reason.CONTACT]
    assert finding.find(Company, finding.probe_from({}), actor=ada) == []


def test_three_questions_whatever_is_known(ada: User, django_assert_max_num_queries: Any) -> None:
    company = factories.make_company("Gamma", tax_id="7707083893", domain="g.example", external_id="7")
    person = factories.make_person("Anna", family_name="Ivanova", external_id="7")
    Employment.objects.create(person=person, company=company)
    for row in (company, person):
        for number in range(5):
            contact(row, "EMAIL", f"{type(row).__name__}{number}@g.example".lower())
        with django_assert_max_num_queries(3):
            finding.candidates(row, actor=ada)


# Not the same


def test_a_pair_that_was_dismissed_is_not_offered_again(ada: User) -> None:
    one, other = factories.make_company("Gamma"), factories.make_company("Gamma")
    duplicates.dismiss_duplicate(Company, other.pk, one.pk, actor=ada)
    duplicates.dismiss_duplicate(Company, one.pk, other.pk, actor=ada)
    assert DuplicateDismissal.objects.count() == 1
    assert found(one, ada) == found(other, ada) == {}
    duplicates.reconsider_duplicate(Company, one.pk, other.pk, actor=ada)
    assert found(one, ada) != {}
    with pytest.raises(ObjectDoesNotExist):
        duplicates.reconsider_duplicate(Company, one.pk, other.pk, actor=ada)


def test_only_who_changes_the_one_and_sees_the_other_says_so() -> None:
    anna = factories.make_salesperson("Anna")
    own, common = factories.make_company("Gamma", owner=anna), factories.make_company("Gamma")
    foreign = factories.make_company("Gamma", owner=factories.make_salesperson())
    with pytest.raises(PermissionDenied):
        duplicates.dismiss_duplicate(Company, common.pk, own.pk, actor=anna)
    for one, other in ((own, foreign), (foreign, own)):
        with pytest.raises(ObjectDoesNotExist):
            duplicates.dismiss_duplicate(Company, one.pk, other.pk, actor=anna)
    duplicates.dismiss_duplicate(Company, own.pk, common.pk, actor=anna)


# The look through all


class _Silent:
    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        raise AssertionError("Its chunks are short.")

    def is_cancelled(self) -> bool:
        return False


def look(ada: User, **options: Any) -> Job:
    """Look through all rows as the job's worker would."""
    job = duplicates.search_duplicates(actor=ada, **options)
    while True:
        step = duplicates.search_step(job, _Silent())
        job.checkpoint = step.checkpoint
        job.save(update_fields=["checkpoint"])
        job.refresh_from_db()
        if step.result is not None:
            assert step.done == step.total
            Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED, finished_at=timezone.now())
            return job


def kept() -> set[tuple[str, int, int]]:
    return set(DuplicatePair.objects.values_list("kind", "first_id", "second_id"))


def test_the_look_finds_what_a_page_finds(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "CHUNK", 2)
    one, two = factories.make_company("Gamma", tax_id="1 2"), factories.make_company("Delta", tax_id="12")
    three, four = factories.make_company("Omikron Ltd"), factories.make_company("Omikrom")
    company = factories.make_company("Sigma", domain="sigma.example")
    other = factories.make_company("Tau", domain="sigma.example")
    anna, anne = factories.make_person("Anna", family_name="Ivanova"), factories.make_person("Anna Ivanova")
    for person in (anna, anne):
        Employment.objects.create(person=person, company=company)
    former, now = factories.make_person("X"), factories.make_person("Y")
    contact(former, "PHONE", "+74951234567", archived_at=timezone.now())
    contact(now, "PHONE", "+74951234567")
    factories.make_person("Anna", family_name="Ivanova")
    look(ada)
    assert kept() == {
        ("crm.company", one.pk, two.pk),
        ("crm.company", three.pk, four.pk),
        ("crm.company", company.pk, other.pk),
        ("crm.person", anna.pk, anne.pk),
        ("crm.person", former.pk, now.pk),
    }
    # And again it comes to the same.
    before = kept()
    look(ada, is_whole=True)
    assert kept() == before


def test_only_what_has_changed_is_looked_at_again(ada: User) -> None:
    one, two = factories.make_company("Gamma", tax_id="12"), factories.make_company("Delta", tax_id="1 2")
    look(ada)
    Company.objects.update(updated_at=timezone.now() - timedelta(days=1))
    DuplicatePair.objects.all().delete()
    look(ada)
    assert kept() == set()
    companies.change_company(two.pk, actor=ada, city="Riga")
    look(ada)
    assert kept() == {("crm.company", one.pk, two.pk)}
    companies.change_company(one.pk, actor=ada, tax_id="77")
    look(ada)
    assert kept() == set()


def test_a_value_that_everybody_has_makes_no_pairs_of_all(ada: User) -> None:
    Company.objects.bulk_create(Company(name=f"n{n * 7919}", domain="mail.example") for n in range(60))
    look(ada)
    # At most so many for each row, never each with each: 1,770.
    assert DuplicatePair.objects.filter(kind="crm.company").count() <= 60 * 20


def test_one_look_at_a_time_and_not_for_everybody(ada: User, lena: User) -> None:
    with pytest.raises(PermissionDenied):
        duplicates.search_duplicates(actor=lena)
    assert duplicates.search_duplicates(actor=ada) == duplicates.search_duplicates(actor=ada)


def test_pairs_are_for_those_who_see_both_rows(ada: User, anna: User) -> None:
    own, common = factories.make_company("Gamma", owner=anna), factories.make_company("Gamma Ltd")
    foreign = factories.make_company("Gamma GmbH", owner=ada)
    look(ada)
    shown = pairs.with_rows(list(pairs.pairs_for(anna, Company)), Company)
    assert [{pair.first, pair.second} for pair in shown] == [{own, common}]
    assert pairs.pairs_for(ada, Company).count() == 3
    duplicates.dismiss_duplicate(Company, own.pk, common.pk, actor=anna)
    assert not pairs.pairs_for(anna, Company).exists()
    assert pairs.pairs_for(anna, Company, is_dismissed=True).count() == 1
    companies.archive_company(foreign.pk, actor=ada)
    assert not pairs.pairs_for(ada, Company).exists()
