"""A person of whom much is kept, for tests of what is told and erased."""

import io
import json
import zipfile
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from django.core.files.storage import default_storage

from apps.accounts.models import User
from apps.crm.models import (
    Activity,
    Consent,
    Disclosure,
    Erasure,
    Lead,
    LeadArrival,
    Mail,
    Person,
    UnmatchedMail,
)
from apps.crm.services import consents, disclosing, erasing
from apps.crm.services.activities import change_activity, log_activity
from apps.crm.services.contacts import NewContact
from apps.crm.services.people import change_person, create_person, employ_person
from apps.documents.services import documents
from apps.jobs import runner
from tests.crm import factories
from tests.documents.factories import kind, make_content


def new_word() -> str:
    """Return a word that stands nowhere else, also not in files that earlier tests have left."""
    return f"zyx{uuid4().hex}"


def work(job_id: int | None) -> None:
    """Do a job in this process, unwatched: a watcher would not see this test's transaction."""
    assert job_id is not None
    with patch.object(runner._Watch, "_keep_watch"):
        runner.run(job_id)


def disclosed(person: Person, actor: User) -> Disclosure:
    disclosure = disclosing.request_disclosure(person.pk, actor=actor)
    work(disclosure.job_id)
    found = Disclosure.objects.select_related("job").get(pk=disclosure.pk)
    assert found.job is not None
    assert found.job.state == "SUCCEEDED", found.job.error
    return found


def told(disclosure: Disclosure) -> dict[str, Any]:
    """Return what stands in the file: rows by the name of their kind, contents of files by theirs."""
    with (
        default_storage.open(disclosure.storage_name) as file,
        zipfile.ZipFile(io.BytesIO(file.read())) as archive,
    ):
        assert archive.testzip() is None
        return {
            name.removesuffix(".json"): json.loads(archive.read(name))
            if name.endswith(".json")
            else archive.read(name)
            for name in archive.namelist()
        }


def erased(person: Person, actor: User) -> Erasure:
    erasure = erasing.rehearse_erasure(person.pk, actor=actor)
    erasing.apply_erasure(erasure.pk, actor=actor)
    return finished(erasure)


def finished(erasure: Erasure) -> Erasure:
    work(Erasure.objects.get(pk=erasure.pk).job_id)
    found = Erasure.objects.select_related("job").get(pk=erasure.pk)
    assert found.job is not None
    assert found.job.state == "SUCCEEDED", found.job.error
    return found


def mail_of(word: str) -> str:
    return f"{word}@example.org"


def make_known(actor: User, word: str) -> Person:
    """Make somebody of whom something is kept in every place, through services where there is one."""
    company = factories.make_company()
    person = create_person(
        actor=actor,
        given_name=f"{word} given",
        family_name=f"{word} family",
        middle_name=f"{word} middle",
        job_title=f"{word} title",
        description=f"{word} description",
        contact_points=[
            NewContact(kind="EMAIL", raw=mail_of(word)),
            NewContact(kind="TELEGRAM", raw=f"@{word[:20]}"),
        ],
    )
    # Twice, so that history holds what was there before.
    change_person(person.pk, actor=actor, description=f"{word} description, later", job_title=f"{word} later")
    employ_person(person.pk, company_id=company.pk, title=f"{word} employment", actor=actor)
    point = person.contact_points.get(kind="EMAIL")
    consents.give_consent(
        point.pk, purpose="CALLS", actor=actor, source=Consent.Source.STAFF, note=f"{word} consent"
    )
    _talk(person, actor, word)
    _leads(actor, word)
    documents.create_document(
        type_id=kind().pk,
        title=f"{word} document",
        description=f"{word} about it",
        content=make_content(f"{word} content".encode(), f"{word}.txt"),
        targets=[documents.Target("crm.person", person.pk)],
        actor=actor,
    )
    return person


def _talk(person: Person, actor: User, word: str) -> None:
    note = log_activity(
        kind="NOTE",
        subject=f"{word} note",
        body=f"{word} said",
        about=[("person", person.pk)],
        actor=actor,
    )
    change_activity(note.pk, body=f"{word} said, later", actor=actor)
    deal = factories.make_deal(owner=actor, person=person)
    letter = Activity.objects.create(
        kind="EMAIL", subject=f"{word} letter", body=f"{word} wrote", direction="IN"
    )
    letter.links.create(deal=deal)
    Mail.objects.create(
        activity=letter,
        message_id=f"{uuid4().hex}@elsewhere",
        sender=mail_of(word),
        sender_name=f"{word} sender",
        to=["us@example.org", mail_of(word)],
        html=f"<p>{word}</p>",
        state="RECEIVED",
    )
    UnmatchedMail.objects.create(
        message_id=f"{uuid4().hex}@elsewhere",
        sender=mail_of(word),
        subject=f"{word} lost",
        excerpt=word,
        raw=word.encode(),
    )


def _leads(actor: User, word: str) -> None:
    lead = Lead.objects.create(
        name=f"{word} lead",
        email=mail_of(word),
        email_value=mail_of(word),
        message=f"{word} message",
        owner=actor,
    )
    LeadArrival.objects.create(
        lead=lead, channel="FORM", values={"name": word, "email": mail_of(word)}, extra={"page": word}
    )
