"""Whose a new lead becomes: rules in their order, then whoever knows the customer already, then the form's own choice."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.owned_rows import first_team_id
from apps.crm.countries import country_code
from apps.crm.models import Absence, AssignmentRule, AutomationRule, Deal, Lead


def give_owner(lead: Lead, *, fallback: User | None = None) -> None:
    """
    Give a new lead an owner, their team, and why it is theirs; it stays everybody's where nobody is to be found.

    Within the transaction that inserts it: a rule that gives in turn is locked until then, so that turns are fair.
    """
    for rule in AssignmentRule.objects.filter(is_active=True).order_by("position", "pk"):
        if fits(rule, lead):
            owner, because = _by_rule(rule)
            if owner is not None:
                _give(lead, owner, because, rule.to_team_id)
                return
    for owner, by in ((_owner_of_customer(lead), "customer"), (fallback, "form")):
        if owner is not None and is_there(owner):
            _give(lead, owner, {"by": by}, None)
            return


def fits(rule: AssignmentRule, lead: Lead) -> bool:
    """Tell whether a lead meets all the conditions that a rule has."""
    return (
        rule.source_id in {None, lead.source_id}
        and rule.form_id in {None, lead.form_id}
        and (not rule.country or _country(rule.country) == _country(lead.country))
        and (not rule.language or rule.language.lower() == lead.language.lower()[: len(rule.language)])
        and (not rule.contains or rule.contains.casefold() in lead.message.casefold())
    )


def is_there(user: User) -> bool:
    """Tell whether somebody gets leads today: they have not left, and are not away."""
    return user.is_active and not _absences().filter(user=user.pk).exists()


def _country(written: str) -> str:
    return country_code(written) or written.strip().casefold()


def _absences() -> QuerySet[Absence]:
    today = timezone.localdate()
    return Absence.objects.filter(first_date__lte=today, last_date__gte=today)


def _by_rule(rule: AssignmentRule) -> tuple[User | None, dict[str, Any]]:
    because = {"by": "rule", "rule": rule.name, "conditions": conditions_of(rule)}
    if rule.to_user is not None:
        return (rule.to_user if is_there(rule.to_user) else None), because
    to = next_in_turn(rule, team_id=rule.to_team_id, model=Lead)
    return to, because | {"turn": True, "team": str(rule.to_team)}


def conditions_of(rule: AssignmentRule) -> dict[str, str]:
    """Return what a rule asks for, by the field, as it is to be read later, when the rule may be another."""
    found = {
        "source": str(rule.source or ""),
        "form": str(rule.form or ""),
        "country": rule.country,
        "language": rule.language,
        "contains": rule.contains,
    }
    return {name: value for name, value in found.items() if value}


def next_in_turn(
    rule: AssignmentRule | AutomationRule, *, team_id: int | None, model: type[Lead | Deal]
) -> User | None:
    """Return who of a team is next to get such a row by a rule, and remember that they had their turn."""
    rules = type(rule)._base_manager
    last = (
        rules.select_for_update(of=("self",), no_key=True)
        .values_list("last_owner_id", flat=True)
        .get(pk=rule.pk)
    ) or 0
    team = User.objects.filter(is_active=True, kind=User.Kind.HUMAN, memberships__team=team_id).filter(
        ~Q(Exists(_absences().filter(user=OuterRef("pk"))))
    )
    people = [user for user in team.distinct().order_by("pk") if access.can_any(user, "change", model)]
    chosen = next((user for user in people if user.pk > last), people[0] if people else None)
    if chosen is not None:
        # A turn is no change of the rule: nobody's form of it becomes stale.
        rules.filter(pk=rule.pk).update(last_owner_id=chosen.pk)
    return chosen


def _owner_of_customer(lead: Lead) -> User | None:
    for customer in (lead.known_person, lead.known_company):
        if customer is not None and customer.owner is not None:
            return customer.owner
    return None


def _give(lead: Lead, owner: User, because: dict[str, Any], team_id: int | None) -> None:
    lead.owner = owner
    lead.team_id = team_id or first_team_id(owner)
    lead.assigned_at = timezone.now()
    lead.assigned_because = because
