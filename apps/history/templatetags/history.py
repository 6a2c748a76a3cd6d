"""What pages of other apps ask history."""

from django import template
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.models import User
from apps.history.models import ChangeSet
from apps.history.services.undoing import may_undo, uid_of_job
from apps.jobs.models import Job

register = template.Library()


@register.simple_tag(takes_context=True)
def job_undo_url(context: template.Context, job: Job | None) -> str:
    """Return the page on which what a job has changed is undone, or was; "" if it changed nothing, or not for them."""
    request: HttpRequest = context["request"]
    if job is None or not isinstance(request.user, User):
        return ""
    change_set = ChangeSet.objects.filter(uid=uid_of_job(job.pk)).first()
    if change_set is None or not may_undo(change_set, request.user):
        return ""
    return reverse("admin:history_undo", args=[change_set.pk])
