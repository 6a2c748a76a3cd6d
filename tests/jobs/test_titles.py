"""What a job is called is said in the language of whoever reads it, whoever has started it in whichever."""

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext_noop

from apps.crm.models import Deal
from apps.jobs.models import Job
from apps.jobs.selectors import snapshot
from apps.jobs.titles import Title, kind, number_of, of_job, say
from apps.lists.services.exports import request_export
from tests.crm.factories import make_admin, make_deal


def test_words_and_kinds_are_translated_and_values_stay() -> None:
    title = Title(gettext_noop("Export: %(rows)s"), {"rows": kind(Deal)}).stored()
    change = Title(gettext_noop("Change of %(what)s"), {"what": number_of(Deal, 40)}).stored()
    said = {}
    for language in ("en", "ru"):
        with translation.override(language):
            said[language] = (say(title), say(change))
    assert said["en"] == ("Export: deals", "Change of 40 deals")
    assert said["ru"][0].endswith("сделки")
    assert "40" in said["ru"][1]
    assert said["ru"] != said["en"]


def test_what_is_gone_or_long_is_said_all_the_same() -> None:
    assert say({}) == ""
    assert say({"text": "Export: %(rows)s", "values": {"rows": {"model": "moon.rock"}}}).endswith("moon.rock")
    assert len(say({"text": "Dry run of “%(rule)s”", "values": {"rule": "x" * 500}})) == 200


@pytest.mark.django_db
def test_each_reads_it_in_their_language() -> None:
    admin = make_admin()
    make_deal("Desks", owner=admin)
    with translation.override("ru"):
        request_export(Deal.objects.all(), actor=admin, columns=["title"])
    job = Job.objects.get()
    assert job.title.startswith("Выгрузка")
    with translation.override("en"):
        assert snapshot(job)["title"] == "Export: deals"
    client = Client()
    client.force_login(admin)
    page = client.get(f"/admin/jobs/job/{job.pk}/change/", headers={"accept-language": "en"})
    assert "Export: deals" in page.content.decode()
    job.title_words = {}
    assert str(job) == job.title


def test_a_title_within_a_title_is_said_in_the_same_language() -> None:
    export = Title(gettext_noop("Export: %(rows)s"), {"rows": kind(Deal)}).stored()
    undo = Title(gettext_noop("Undo: %(what)s"), {"what": of_job(export)}).stored()
    with translation.override("ru"):
        assert say(undo) == f"Отмена: {say(export)}"
    with translation.override("en"):
        assert say(undo) == "Undo: Export: deals"
