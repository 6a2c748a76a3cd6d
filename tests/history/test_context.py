"""Each change belongs to what was being done: a request, a job, a command; and to nothing that came before."""

import sys
import uuid

import pytest
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.crm.models import Company, Tag
from apps.history import context
from apps.history.context import Face, Work, change_set, describe
from apps.history.middleware import ChangeSetMiddleware
from apps.history.models import Change, ChangeSet
from apps.jobs import runner
from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job
from apps.jobs.services import start_job
from tests.crm.factories import make_admin, make_company
from tests.history.factories import recorded, set_of


@pytest.fixture
def steps_kind() -> str:
    """A job that makes a tag in each of three chunks."""

    def step(job: Job, reporter: Reporter) -> Step:
        done = job.checkpoint.get("done", 0) + 1
        Tag.objects.create(name=f"Tag {done}")
        return Step({"done": done}, done=done, total=3, result={} if done == 3 else None)

    register(JobKind("tests.tags", "Tags", step))
    return "tests.tags"


def sets_of_tags() -> list[ChangeSet]:
    ids = Change.objects.filter(model="crm.tag").values("change_set")
    return list(ChangeSet.objects.filter(pk__in=ids).order_by("pk"))


@pytest.mark.django_db(transaction=True)
def test_all_chunks_of_a_job_make_one_change_set(steps_kind: str, redis_url: str) -> None:
    admin = make_admin()
    job = start_job(steps_kind, actor=admin, title="Three tags", params={})
    runner.run(job.pk)
    (made,) = sets_of_tags()
    assert (made.face, made.actor, made.job, made.label) == (Face.JOB, admin, job, "Three tags")
    assert made.changes.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_write_outside_a_transaction_has_its_context() -> None:
    admin = make_admin()
    with recorded(admin) as work:
        Tag.objects.create(name="one")
        Tag.objects.filter(name="one").update(color="#ffffff")
        assert not connection.in_atomic_block
    assert set_of(work).changes.count() == 2
    assert set_of(work).actor == admin


@pytest.mark.django_db(transaction=True)
def test_nothing_stays_on_the_connection(django_assert_num_queries: object) -> None:
    """What a pooled connection carries over would sign the next one's changes."""
    with recorded(make_admin()):
        Tag.objects.create(name="one")
        with transaction.atomic():
            Tag.objects.create(name="two")
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('artel.change_set', true)")
        assert cursor.fetchone()[0] in {None, ""}
    Tag.objects.create(name="three")
    assert sets_of_tags()[-1].actor is None


@pytest.mark.django_db(transaction=True)
def test_each_transaction_without_context_is_a_set_of_its_own() -> None:
    Tag.objects.create(name="one")
    Tag.objects.create(name="two")
    assert [(one.face, one.changes.count()) for one in sets_of_tags()] == [("SYSTEM", 1), ("SYSTEM", 1)]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_does_not_confuse_the_next() -> None:
    with recorded(make_admin()) as work:
        with transaction.atomic():
            Tag.objects.create(name="gone")
            transaction.set_rollback(True)
        with transaction.atomic():
            Tag.objects.create(name="stays")
    assert set_of(work).changes.count() == 1


@pytest.mark.django_db(transaction=True)
def test_copy_as_the_only_statement_after_a_read_is_signed() -> None:
    admin = make_admin()
    with recorded(admin) as work, transaction.atomic(), connection.cursor() as cursor:
        Tag.objects.first()
        with cursor.copy("copy crm_tag (name, color, created_at, updated_at) from stdin") as copy:
            copy.write_row(("copied", "", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    assert set_of(work).actor == admin


@pytest.mark.django_db
def test_sets_within_one_transaction_stay_apart() -> None:
    with recorded() as outer:
        Tag.objects.create(name="one")
        with recorded() as inner:
            Tag.objects.create(name="two")
        Tag.objects.create(name="three")
    assert set_of(outer).changes.count() == 2
    assert set_of(inner).changes.count() == 1


@pytest.mark.django_db
def test_a_savepoint_taken_back_leaves_the_rest_signed() -> None:
    with recorded() as work:
        with transaction.atomic():
            Tag.objects.create(name="gone")
            transaction.set_rollback(True)
        Tag.objects.create(name="stays")
    assert set_of(work).changes.count() == 1


@pytest.mark.django_db
def test_reading_tells_the_database_nothing(django_assert_num_queries: object) -> None:
    with recorded():
        list(Tag.objects.all())
    assert not sets_of_tags()


@pytest.mark.django_db
def test_what_is_known_later_is_added() -> None:
    with recorded() as work:
        Tag.objects.create(name="one")
        describe(face=Face.IMPORT, label="contacts.csv", reason="monthly")
        Tag.objects.create(name="two")
    made = set_of(work)
    assert (made.face, made.label, made.reason) == ("IMPORT", "contacts.csv", "monthly")
    assert made.changes.count() == 2


@pytest.mark.django_db
def test_api_is_told_from_admin() -> None:
    admin = make_admin()
    company = make_company("Iron", owner=admin)
    client = APIClient()
    client.force_login(admin)
    url = reverse("admin:index")
    assert url.startswith("/admin") or url
    response = client.patch(
        f"/api/v1/crm/companies/{company.pk}/",
        {"city": "Perm"},
        format="json",
        headers={"X-Request-Id": "api-1", "If-Match": f'"{company.version}"'},
    )
    assert response.status_code == 200, response.content
    made = ChangeSet.objects.get(request_id="api-1")
    assert (made.face, made.actor) == (Face.API, admin)
    assert made.changes.get(model="crm.company").new == {"city": "Perm", "version": 2}


@pytest.mark.django_db
def test_who_is_not_known_yet_costs_no_query(rf: RequestFactory, client: Client) -> None:
    from django.contrib.auth.middleware import AuthenticationMiddleware
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest, HttpResponse

    request = rf.post("/somewhere/")
    request.session = SessionStore()

    def view(request: HttpRequest) -> HttpResponse:
        Tag.objects.create(name="early")
        return HttpResponse()

    AuthenticationMiddleware(ChangeSetMiddleware(view))(request)
    (made,) = sets_of_tags()
    assert (made.face, made.actor) == (Face.SITE, None)


def test_a_command_names_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_of_process", [])
    monkeypatch.setattr(sys, "argv", ["./manage.py", "import_data", "--fast"])
    context.name_command()
    work = context.current()
    assert work is not None
    assert (work.face, work.label) == (Face.COMMAND, "import_data")


def test_long_texts_are_cut_to_their_columns() -> None:
    work = Work(Face.JOB, label="x" * 500, reason="y" * 900, known_uid=uuid.UUID(int=1))
    told = str(work.facts())
    assert "x" * 200 in told
    assert "x" * 201 not in told
    assert "y" * 500 in told
    assert "y" * 501 not in told


@pytest.mark.django_db
def test_a_celery_task_is_a_change_set_of_its_own(settings: object) -> None:
    from celery import current_app, shared_task

    @shared_task(name="tests.make_tag")
    def make_tag() -> None:
        Tag.objects.create(name="by a task")

    import apps.history.tasks  # noqa: F401 - the worker loads every app's tasks

    current_app.tasks["tests.make_tag"].apply(task_id="task-1")
    (made,) = sets_of_tags()
    # Its name says nothing to people: what it did is told.
    assert (made.face, made.label, made.request_id) == (Face.SYSTEM, "", "task-1")
    assert context.current() is None


@pytest.mark.django_db
def test_users_of_a_set_may_go(admin: User) -> None:
    user = User.objects.create(email="gone@example.org", name="Gone")
    with recorded(user) as work:
        Company.objects.create(name="Iron", owner=admin)
    user.delete()
    assert set_of(work).actor is None


@pytest.mark.django_db
def test_contexts_nest_and_end() -> None:
    with change_set(Work(Face.BOT)) as work:
        assert context.current() is work
    assert context.current() is None
