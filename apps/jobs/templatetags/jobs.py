"""How pages show a job; static/js/live.js says the same in the same words while it moves."""

import json
from typing import Any

from django import template
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.jobs.models import Job
from apps.jobs.selectors import eta_seconds, is_cancelling, log_of, page_of

register = template.Library()

_TONES = {"QUEUED": "", "RUNNING": "live", "SUCCEEDED": "good", "FAILED": "bad", "CANCELLED": "warn"}


def _words() -> dict[str, str]:
    """What a page says of a moving job; {n}, {done} and {total} stand for numbers."""
    return {
        "QUEUED": _("Waiting"),
        "RUNNING": _("Running"),
        "CANCELLING": _("Stopping"),
        "SUCCEEDED": _("Done"),
        "FAILED": _("Failed"),
        "CANCELLED": _("Cancelled"),
        "of": _("{done} of {total}"),
        "moments": _("a few seconds left"),
        "seconds": _("about {n} s left"),
        "minutes": _("about {n} min left"),
        "hours": _("about {n} h left"),
        "away": _("No connection. What you see catches up as soon as it is back."),
        "out": _("You are logged out. Reload the page to log in."),
    }


@register.simple_tag
def job_words() -> str:
    """Return the words of a job's card for the script, as JSON."""
    return json.dumps(_words(), ensure_ascii=False)


@register.filter
def job_state(job: Job) -> str:
    """Say where a job stands in a word."""
    return _words()["CANCELLING" if is_cancelling(job) else job.state]


@register.filter
def job_tone(job: Job) -> str:
    """Return the color of that word: "", "live", "good", "bad" or "warn"."""
    return _TONES[job.state]


@register.filter
def job_percent(job: Job) -> int | None:
    """Return how much of a job is done, in percent; None while nobody knows of how much."""
    if job.state == Job.State.SUCCEEDED:
        return 100
    if not job.total:
        return None
    return min(100, job.done * 100 // job.total)


@register.filter
def job_eta_seconds(job: Job) -> int | None:
    return eta_seconds(job)


@register.filter
def job_eta(job: Job) -> str:
    """Say when a job will be done, no more exactly than anybody can know; "" while nobody can."""
    left = eta_seconds(job)
    if left is None:
        return ""
    for bound, unit, word in ((10, 0, "moments"), (60, 10, "seconds"), (5400, 60, "minutes")):
        if left < bound:
            count = max(round(left / unit), 1) * (unit if word == "seconds" else 1) if unit else 0
            return _words()[word].replace("{n}", str(count))
    return _words()["hours"].replace("{n}", str(round(left / 3600)))


@register.filter
def job_epoch(job: Job) -> str:
    """Return the epoch of the job's stream, from which a page goes on."""
    return job.created_at.isoformat()


@register.filter
def job_page(job: Job) -> str:
    """Return the address of the page where the result is seen; "" for none."""
    return page_of(job)


@register.filter
def job_log(job: Job) -> list[dict[str, Any]]:
    """Return the last lines of the job's log."""
    return log_of(job)


@register.simple_tag(takes_context=True)
def job_actions(context: template.Context, job: Job) -> dict[str, bool]:
    """Tell what the person who looks may do to a job: {"cancel", "retry"}."""
    user = context["request"].user
    if not isinstance(user, User):
        return {"cancel": False, "retry": False}
    return {name: access.can(user, name, job) for name in ("cancel", "retry")}
