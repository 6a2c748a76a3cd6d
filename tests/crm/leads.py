"""Leads, forms and rules for tests, made fast."""

from itertools import count
from typing import Any

from apps.accounts.models import User
from apps.crm.models import ConsentText, DisqualifyReason, Lead, LeadForm, Source
from tests.crm import factories

_numbers = count(1)
RIGHTS = ("view", "add", "change", "archive", "qualify", "disqualify")


def lead_grants(reach: str = "OWN") -> dict[str, str]:
    """What somebody who sells may do with leads."""
    grants = {f"crm.{action}_lead": reach for action in RIGHTS}
    return grants | {f"crm.view_{model}": "ALL" for model in ("source", "disqualifyreason")}


def make_seller(name: str, team: Any, **more: str) -> User:
    """Make somebody who sells and has leads of their own; `more` as {"assign_lead": "SUBTREE"}."""
    grants = (
        factories.salesperson_grants() | lead_grants() | {f"crm.{key}": reach for key, reach in more.items()}
    )
    return factories.join(factories.make_user(name), team, factories.make_role(grants))


def make_leader(name: str, team: Any) -> User:
    """Make somebody who leads a team and gives its leads away."""
    grants = factories.salesperson_grants("SUBTREE") | lead_grants("SUBTREE")
    grants |= {"crm.assign_lead": "SUBTREE", "crm.assign_deal": "SUBTREE", "accounts.view_user": "ALL"}
    return factories.join(factories.make_user(name), team, factories.make_role(grants))


def make_lead(name: str = "", **fields: Any) -> Lead:
    number = next(_numbers)
    values = {"email": f"lead{number}@example.org", "email_value": f"lead{number}@example.org"}
    return Lead.objects.create(name=name or f"Lead {number}", **(values | fields))


def make_form(**fields: Any) -> LeadForm:
    form = LeadForm.objects.create(name=fields.pop("name", f"Form {next(_numbers)}"), **fields)
    if form.consent_text:
        form.consent_version = 1
        form.save(update_fields=["consent_version"])
        ConsentText.objects.create(form=form, version=1, text=form.consent_text)
    return form


def reason(name: str = "No need") -> DisqualifyReason:
    return DisqualifyReason.objects.get(name=name)


def source(name: str = "Web site") -> Source:
    return Source.objects.get(name=name)
