"""All that is kept about a person, as a file: what is in it, for whom, for how long."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.common.personal import places
from apps.crm.models import Disclosure, Person
from apps.crm.services import disclosing
from apps.crm.services.merging import merge_people
from apps.jobs.models import Job
from tests.crm import factories
from tests.crm.personal import disclosed, make_known, new_word, told, work

pytestmark = pytest.mark.django_db


def test_everything_about_one_person_and_nothing_about_another(admin: User) -> None:
    word, other = new_word(), new_word()
    person = make_known(admin, word)
    make_known(admin, other)
    found = told(disclosed(person, admin))
    text = str(found)
    assert other not in text
    kinds = {
        *("crm.person", "crm.contactpoint", "crm.consent", "crm.employment", "crm.activity", "crm.mail"),
        *("crm.activityversion", "crm.unmatchedmail", "crm.lead", "crm.leadarrival"),
        *("documents.document", "documents.documentversion", "history.change"),
    }
    assert kinds <= found.keys()
    assert all(word in str(found[kind]) for kind in kinds - {"crm.unmatchedmail"})
    assert found["crm.person"][0]["id"] == person.pk
    files = [content for name, content in found.items() if name.startswith("files/")]
    assert files == [f"{word} content".encode()]


def test_a_merged_person_is_told_of_as_well(admin: User) -> None:
    winner, loser = factories.make_person("Anna"), factories.make_person("Hannah")
    merge_people(winner.pk, loser.pk, actor=admin)
    names = {row["given_name"] for row in told(disclosed(winner, admin))["crm.person"]}
    assert names == {"Anna", "Hannah"}


def test_no_secret_is_told(admin: User) -> None:
    secrets = {name for place in places() for name in place.hidden}
    assert secrets >= {"password", "digest", "token_digest", "link"}
    person = make_known(admin, new_word())
    for rows in told(disclosed(person, admin)).values():
        if isinstance(rows, list):
            assert all("password" not in row and "token_digest" not in row for row in rows)


def test_it_takes_a_right_of_its_own(anna: User, admin: User) -> None:
    person = factories.make_person(owner=anna)
    with pytest.raises(PermissionDenied):
        disclosing.request_disclosure(person.pk, actor=anna)
    with pytest.raises(Person.DoesNotExist):
        disclosing.request_disclosure(factories.make_person(owner=admin).pk, actor=anna)


def test_only_whoever_asked_gets_the_file_and_only_for_a_while(admin: User) -> None:
    person = make_known(admin, new_word())
    disclosure = disclosed(person, admin)
    other = factories.make_user("Other", is_superuser=True)
    with pytest.raises(PermissionDenied):
        disclosing.open_disclosure(disclosure.pk, actor=other)
    _row, file = disclosing.open_disclosure(disclosure.pk, actor=admin)
    file.close()
    assert Disclosure.objects.get(pk=disclosure.pk).downloads == 1
    Disclosure.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ValidationError, match="time is over"):
        disclosing.open_disclosure(disclosure.pk, actor=admin)
    assert disclosing.expire_disclosures() == 1
    assert not default_storage.exists(disclosure.storage_name)
    assert disclosing.expire_disclosures() == 0


def test_a_right_that_is_gone_ends_the_work(admin: User) -> None:
    person = factories.make_person()
    asking = factories.join(
        factories.make_user("Asking"),
        factories.make_team(),
        factories.make_role({"crm.view_person": "ALL", "crm.disclose_person": "ALL"}),
    )
    disclosure = disclosing.request_disclosure(person.pk, actor=asking)
    asking.memberships.all().delete()
    work(disclosure.job_id)
    job = Job.objects.get(kind=disclosing.JOB_KIND)
    assert (job.state, job.error["code"] if job.error else "") == ("FAILED", "refused")
    assert not Disclosure.objects.get(pk=disclosure.pk).storage_name


def test_over_rest(admin: User, client: Client) -> None:
    client.force_login(admin)
    word = new_word()
    person = make_known(admin, word)
    answer = client.post(f"/api/v1/crm/people/{person.pk}/disclose/", content_type="application/json")
    assert answer.status_code == 202, answer.content
    place = answer.headers["Location"]
    assert client.get(f"{place}download/").status_code == 409
    work(answer.json()["job"])
    shown = client.get(place).json()
    assert (shown["state"], shown["is_available"]) == ("SUCCEEDED", True)
    file = client.get(shown["download"])
    assert file.status_code == 200
    assert b"".join(file.streaming_content)[:2] == b"PK"  # type: ignore[attr-defined]
    assert "no-store" in file.headers["Cache-Control"]
    assert client.delete(place).status_code == 204
    assert client.get(f"{place}download/").status_code == 410


def test_in_the_admin(admin: User, client: Client) -> None:
    client.force_login(admin)
    person = make_known(admin, new_word())
    page = client.get(f"/admin/crm/person/{person.pk}/change/").content.decode()
    assert f"/admin/crm/person/{person.pk}/disclose/" in page
    answer = client.post(f"/admin/crm/person/{person.pk}/disclose/")
    disclosure = Disclosure.objects.get()
    assert answer.headers["Location"] == f"/admin/crm/disclosure/{disclosure.pk}/change/"
    work(disclosure.job_id)
    shown = client.get(answer.headers["Location"])
    assert f"/admin/crm/disclosure/{disclosure.pk}/download/" in shown.content.decode()
    assert client.get(f"/admin/crm/disclosure/{disclosure.pk}/download/").status_code == 200
    client.post(f"/admin/crm/disclosure/{disclosure.pk}/remove/")
    assert client.get(f"/admin/crm/disclosure/{disclosure.pk}/download/").status_code == 410
