"""Celery tasks of the sales side."""

from celery import shared_task

from apps.accounts.models import User
from apps.crm.services import (
    automation_rounds,
    automation_runs,
    boards,
    disclosing,
    duplicates,
    forecasts,
    imports,
    mail,
    quotes,
    rates,
    timelines,
)


@shared_task
def expire_imports() -> int:
    """Remove the files and rows of imports whose retention is over."""
    return imports.expire_imports()


@shared_task
def expire_disclosures() -> int:
    """Remove the files of disclosures whose time is over."""
    return disclosing.expire_disclosures()


@shared_task
def expire_board_changes() -> int:
    """Forget what changed on boards long ago."""
    return boards.expire_changes()


@shared_task
def search_duplicates() -> int:
    """Look for duplicates among what has changed since the last look; return the job."""
    return duplicates.search_duplicates(actor=User.objects.system()).pk


@shared_task
def deliver_due_mail() -> int:
    """Send the letters that are due; return how many went out."""
    return mail.deliver_due()


@shared_task
def deliver_mail(activity_id: int) -> bool:
    """Send one letter that was written just now."""
    return mail.deliver_mail(activity_id)


@shared_task
def number_timelines() -> int:
    """Number the changes of timelines that nobody watches."""
    return timelines.number_unwatched()


@shared_task
def sum_up_funnel() -> int:
    """Sum up anew what has changed in the funnel."""
    return forecasts.sum_up_funnel()


@shared_task
def follow_rates() -> int:
    """Let open deals follow the latest rates; return the job."""
    return rates.follow_rates().pk


@shared_task
def take_forecasts() -> int:
    """Keep the forecast of this week and month, where nobody has yet."""
    return forecasts.take_snapshots()


@shared_task
def expire_quotes() -> int:
    """Put an end to quotes whose time is over."""
    return quotes.expire_quotes()


@shared_task
def expire_automation_runs() -> int:
    """Forget what rules did long ago."""
    return automation_runs.expire_runs()


@shared_task
def run_due_rules() -> int:
    """Let the rules that act by the clock do what is due; return on how many rows."""
    return automation_rounds.run_due_rules()
