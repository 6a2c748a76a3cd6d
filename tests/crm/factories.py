"""Valid rows of the sales side, made fast: straight into the tables where no rule is being asked."""

from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from apps.accounts.models import Membership, Role, RoleGrant, Team, User
from apps.crm.models import Company, Deal, LostReason, Person, Pipeline, Product, Stage, StageTransition

_numbers = count(1)
CRM = ["company", "person", "deal", "product", "tag", "pipeline", "lostreason"]
ON_DEALS = ["move", "win", "lose", "reopen", "assign", "archive"]


def make_user(name: str = "", **fields: Any) -> User:
    number = next(_numbers)
    fields.setdefault("email", f"user{number}@example.org")
    return User.objects.create(name=name or f"User {number}", is_staff=True, **fields)


def make_admin() -> User:
    return make_user("Ada Admin", is_superuser=True)


def make_team(name: str = "", parent: Team | None = None) -> Team:
    return Team.objects.create(name=name or f"Team {next(_numbers)}", parent=parent)


def make_role(grants: dict[str, str]) -> Role:
    """Make a role from {permission: reach}."""
    role = Role.objects.create(name=f"Role {next(_numbers)}")
    RoleGrant.objects.bulk_create(
        RoleGrant(role=role, permission=permission, reach=reach) for permission, reach in grants.items()
    )
    return role


def join(user: User, team: Team, role: Role) -> User:
    """Give a user a role in a team, and forget what is remembered about their grants."""
    Membership.objects.create(user=user, team=team, role=role)
    return User.objects.get(pk=user.pk)


def salesperson_grants(reach: str = "OWN") -> dict[str, str]:
    """What somebody who sells may do, on rows within one reach."""
    grants = {f"crm.view_{model}": "ALL" for model in ["product", "tag", "pipeline", "lostreason"]}
    grants |= {"accounts.view_user": "TEAM", "accounts.view_team": "TEAM"}
    grants |= {f"lists.{action}_bulkedit": "OWN" for action in ["view", "add", "change"]}
    for model in ["company", "person", "deal"]:
        grants |= {f"crm.{action}_{model}": reach for action in ["view", "add", "change", "archive"]}
    grants |= {f"lists.{action}_savedview": "OWN" for action in ["view", "add", "change", "delete"]}
    return grants | {f"crm.{action}_deal": reach for action in ON_DEALS if action != "assign"}


def make_salesperson(name: str = "", team: Team | None = None) -> User:
    return join(make_user(name), team or make_team(), make_role(salesperson_grants()))


def make_lead(name: str = "", team: Team | None = None) -> User:
    grants = salesperson_grants("SUBTREE") | {"crm.assign_deal": "SUBTREE", "accounts.view_user": "ALL"}
    return join(make_user(name), team or make_team(), make_role(grants))


def make_auditor() -> User:
    grants = {f"crm.view_{model}": "ALL" for model in CRM} | {"accounts.view_user": "ALL"}
    return join(make_user("Otto Auditor"), make_team(), make_role(grants))


def sales() -> Pipeline:
    return Pipeline.objects.get(is_default=True)


def stage(name: str) -> Stage:
    return Stage.objects.get(pipeline=sales(), name=name)


def make_company(name: str = "", **fields: Any) -> Company:
    return Company.objects.create(name=name or f"Company {next(_numbers)}", **fields)


def make_person(given_name: str = "", **fields: Any) -> Person:
    return Person.objects.create(given_name=given_name or f"Person{next(_numbers)}", **fields)


def make_product(name: str = "", **fields: Any) -> Product:
    defaults = {"price": Decimal(100), "currency": "RUB"}
    return Product.objects.create(name=name or f"Product {next(_numbers)}", **(defaults | fields))


def make_deal(title: str = "", *, owner: User, status: str = "OPEN", **fields: Any) -> Deal:
    """Make a deal with the beginning of its history, open in the first stage or closed as `status` says."""
    now = timezone.now()
    name = {"OPEN": "Prospecting", "WON": "Won", "LOST": "Lost"}[status]
    place = fields.pop("stage", None) or stage(name)
    values: dict[str, Any] = {
        "pipeline_id": place.pipeline_id,
        "stage": place,
        "probability": place.probability,
        "currency": "RUB",
        "amount": Decimal(1000),
        "stage_entered_at": now - timedelta(days=3),
        "closed_at": None if status == "OPEN" else now,
        "lost_reason": LostReason.objects.get(name="Price") if status == "LOST" else None,
    }
    values |= fields
    deal = Deal.objects.create(title=title or f"Deal {next(_numbers)}", owner=owner, status=status, **values)
    StageTransition.objects.create(
        deal=deal, to_stage=place, at=deal.stage_entered_at, actor=owner, face="SYSTEM", amount=deal.amount
    )
    return deal
