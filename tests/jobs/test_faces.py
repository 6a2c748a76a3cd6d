"""The same rules through every face: who sees a job, who may stop it, and what a refusal becomes."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts.models import RoleGrant, User
from apps.jobs.models import Job
from apps.jobs.services import cancel_job, retry_job, working
from tests.jobs.factories import make_job, make_owner, make_user

CANARY = "CANARY-7f3a"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(**fields: object) -> User:
    return make_owner(is_staff=True, **fields)


# Services


def test_a_waiting_job_is_cancelled_at_once() -> None:
    job = make_job()
    assert cancel_job(job.pk, actor=job.owner).state == "CANCELLED"


def test_cancelling_a_running_job_twice_asks_once() -> None:
    job = make_job()
    assert working.claim_job(job.pk) is not None
    first = cancel_job(job.pk, actor=job.owner)
    second = cancel_job(job.pk, actor=job.owner)
    assert (second.state, second.seq) == ("RUNNING", first.seq)


def test_a_job_that_has_ended_cannot_be_cancelled_and_one_that_has_not_cannot_go_on() -> None:
    job = make_job()
    with pytest.raises(ValidationError) as refusal:
        retry_job(job.pk, actor=job.owner)
    assert refusal.value.code == "job_not_failed"
    cancel_job(job.pk, actor=job.owner)
    with pytest.raises(ValidationError) as refusal:
        cancel_job(job.pk, actor=job.owner)
    assert refusal.value.code == "job_finished"


@pytest.mark.parametrize("service", [cancel_job, retry_job])
def test_who_may_only_look_may_not_touch_and_who_may_not_look_finds_nothing(service: object) -> None:
    job = make_job()
    assert callable(service)
    with pytest.raises(PermissionDenied):
        service(job.pk, actor=make_user("jobs.view_job", reach=RoleGrant.Reach.ALL))
    with pytest.raises(Job.DoesNotExist):
        service(job.pk, actor=make_owner())


# REST


def test_the_api_shows_own_jobs_only() -> None:
    own, foreign = make_job(title="Mine"), make_job(title=CANARY)
    client = client_of(own.owner)
    response = client.get("/api/v1/jobs/")
    assert [job["id"] for job in response.json()["results"]] == [own.pk]
    assert CANARY not in response.content.decode()
    assert client.get(f"/api/v1/jobs/{foreign.pk}/").status_code == 404
    for action in ("cancel", "retry"):
        assert client.post(f"/api/v1/jobs/{foreign.pk}/{action}/").status_code == 404
    assert Client().get("/api/v1/jobs/").status_code in {401, 403}


def test_the_api_shows_how_far_a_job_is() -> None:
    job = make_job()
    assert working.claim_job(job.pk) is not None
    Job.objects.filter(pk=job.pk).update(done=10, eta_at=timezone.now() + timedelta(seconds=90))
    shown = client_of(job.owner).get(f"/api/v1/jobs/{job.pk}/").json()
    assert (shown["state"], shown["done"], shown["total"]) == ("RUNNING", 10, 30)
    assert 85 <= shown["eta_seconds"] <= 90
    assert (shown["stream"], shown["log"]) == (f"job:{job.pk}", [])
    Job.objects.filter(pk=job.pk).update(eta_at=timezone.now() - timedelta(seconds=1))
    assert client_of(job.owner).get(f"/api/v1/jobs/{job.pk}/").json()["eta_seconds"] is None


def test_the_api_cancels_and_lets_go_on_and_says_why_not() -> None:
    job = make_job()
    client = client_of(job.owner)
    cancelled = client.post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "CANCELLED")
    again = client.post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "job_finished")
    assert client.post(f"/api/v1/jobs/{job.pk}/retry/").json()["state"] == "QUEUED"


def test_the_api_refuses_who_may_only_look() -> None:
    job = make_job()
    client = client_of(make_user("jobs.view_job", reach=RoleGrant.Reach.ALL))
    assert client.post(f"/api/v1/jobs/{job.pk}/cancel/").status_code == 403


# The admin


def test_the_admin_shows_own_jobs_only() -> None:
    own, foreign = make_job(title="Mine", actor=staff()), make_job(title=CANARY)
    client = client_of(own.owner)
    page = client.get("/admin/jobs/job/").content.decode()
    assert "Mine" in page
    assert CANARY not in page
    assert client.get(f"/admin/jobs/job/{foreign.pk}/change/").status_code == 404
    client.post(f"/admin/jobs/job/{foreign.pk}/cancel/")
    foreign.refresh_from_db()
    assert foreign.state == "QUEUED"


def test_the_page_of_a_job_tells_without_javascript() -> None:
    job = make_job(actor=staff())
    claimed = working.claim_job(job.pk)
    assert claimed is not None
    Job.objects.filter(pk=job.pk).update(
        done=1234, total=5000, message="Reading rows", eta_at=timezone.now() + timedelta(seconds=125)
    )
    page = client_of(job.owner).get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    assert 'role="progressbar"' in page
    assert 'aria-valuenow="24"' in page
    for text in ("1,234 of 5,000", "about 2 min left", "Reading rows", "Running", "Cancel job"):
        assert text in page, text


def test_buttons_of_the_page_call_the_services_and_lead_back() -> None:
    job = make_job(actor=staff())
    client = client_of(job.owner)
    there = client.post(f"/admin/jobs/job/{job.pk}/cancel/", {"next": "/admin/"})
    assert (there.status_code, there["Location"]) == (302, "/admin/")
    job.refresh_from_db()
    assert job.state == "CANCELLED"
    refused = client.post(f"/admin/jobs/job/{job.pk}/cancel/", {"next": "https://evil.example/"}, follow=True)
    assert refused.redirect_chain[0][0] == f"/admin/jobs/job/{job.pk}/change/"
    assert "ended already" in refused.content.decode()
    assert client.get(f"/admin/jobs/job/{job.pk}/cancel/").status_code == 405


def test_a_list_of_many_jobs_costs_no_more_queries(django_assert_max_num_queries: object) -> None:
    owner = staff()
    for number in range(12):
        make_job(actor=owner, title=f"Job {number}")
    client = client_of(owner)
    client.get("/admin/jobs/job/")
    assert callable(django_assert_max_num_queries)
    with django_assert_max_num_queries(15):
        client.get("/admin/jobs/job/")
