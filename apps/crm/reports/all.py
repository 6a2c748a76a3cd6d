"""Every report by its name in addresses."""

from collections.abc import Callable

from apps.accounts.models import User
from apps.crm.reports.changes import changes
from apps.crm.reports.choices import Choice
from apps.crm.reports.forecast import forecast
from apps.crm.reports.funnel import funnel
from apps.crm.reports.outcomes import outcomes
from apps.crm.reports.plans import plan
from apps.crm.reports.tables import Report

REPORTS: dict[str, Callable[[User, Choice], Report]] = {
    "funnel": funnel,
    "forecast": forecast,
    "outcomes": outcomes,
    "changes": changes,
    "plan": plan,
}
