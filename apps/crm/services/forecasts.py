"""Plans that people set, forecasts that are kept as they were, and the funnel that is summed up."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, DateField, DecimalField, F, Sum
from django.db.models.functions import Trunc
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm.models import Deal, ForecastSnapshot, SalesPlan
from apps.crm.rates import in_base
from apps.crm.reports import passages
from apps.crm.services import rows

Beat = ForecastSnapshot.Beat
# "fore": forecasts are kept by one at a time.
_LOCK = 0x666F7265


@transaction.atomic
def create_plan(
    *, actor: User, month: date, amount: Decimal, owner_id: int | None = None, team_id: int | None = None
) -> SalesPlan:
    """
    Say what a person, or a team as a whole, means to win in a month.

    :param owner_id: the person; None for a team
    :param team_id: the team; a person's is that in which they work, unless another is named
    :raises PermissionDenied: the actor may not set such a plan
    :raises ValidationError: a value is refused, or there is a plan for this month already
    """
    access.require(actor, "add", SalesPlan)
    whose = _whose(owner_id, team_id, actor)
    return rows.insert(SalesPlan(month=month, amount=amount, **whose), actor=actor)


@transaction.atomic
def change_plan(plan_id: int, *, actor: User, **fields: Any) -> SalesPlan:
    """
    Change a plan; what is not named stays.

    :raises DoesNotExist: the plan is out of sight
    :raises PermissionDenied: the actor may not change it, or not so that it becomes that of somebody else
    :raises ValidationError: as :func:`create_plan`
    """
    plan = rows.locked(SalesPlan, plan_id, actor=actor, action="change")
    if {"owner_id", "team_id"} & fields.keys():
        fields |= _whose(fields.get("owner_id", plan.owner_id), fields.get("team_id", plan.team_id), actor)
    changes = rows.differing(plan, dict(fields))
    if not changes:
        return plan
    changed = rows.write(plan, changes, actor=actor)
    access.require(actor, "change", changed)
    return changed


@transaction.atomic
def delete_plan(plan_id: int, *, actor: User) -> None:
    """
    Forget a plan.

    :raises DoesNotExist: the plan is out of sight
    :raises PermissionDenied: the actor may not delete it
    """
    rows.locked(SalesPlan, plan_id, actor=actor, action="delete").delete()


def _whose(owner_id: int | None, team_id: int | None, actor: User) -> dict[str, int | None]:
    """Look up whose a plan is. :raises ValidationError: nobody's, or of somebody whom the actor does not see"""
    if owner_id is None and team_id is None:
        raise rows.refusal("owner", _("Name a person or a team."), code="required")
    owner = rows.named(User, owner_id, actor=actor, field="owner")
    rows.named(Team, team_id, actor=actor, field="team")
    if owner is not None and team_id is None:
        team = rows.first_team(owner)
        team_id = team.pk if team is not None else None
    return {"owner_id": owner_id, "team_id": team_id}


# Forecasts as they were


@transaction.atomic
def take_snapshots() -> int:
    """
    Keep the forecast for this week and for this month, each once, be it a day late; return how many rows were made.

    What was forecast on a day that nobody kept is not made up afterwards.
    """
    today = timezone.localdate()
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    due = {Beat.WEEK: today - timedelta(days=today.weekday()), Beat.MONTH: today.replace(day=1)}
    missing = [
        (beat, day)
        for beat, day in due.items()
        if not ForecastSnapshot._base_manager.filter(beat=beat, due_date=day).exists()
    ]
    if not missing:
        return 0
    worth = in_base()
    open_deals = list(
        Deal.objects.active()
        .open()
        .order_by()
        .values(
            "pipeline_id",
            "owner_id",
            "team_id",
            month=Trunc("expected_close_date", "month", output_field=DateField()),
        )
        .annotate(
            deals=Count("*"),
            # Not "amount", which would stand in the column's place within the next sum.
            total=Sum(worth, default=Decimal()),
            percents=Sum(worth * F("probability"), output_field=DecimalField(), default=Decimal()),
        )
    )
    made = [
        ForecastSnapshot(
            beat=beat,
            due_date=day,
            taken_date=today,
            amount=row["total"],
            weighted=(row["percents"] / 100).quantize(Decimal("0.01")),
            **{name: row[name] for name in ("month", "pipeline_id", "owner_id", "team_id", "deals")},
        )
        for beat, day in missing
        for row in open_deals
    ]
    return len(ForecastSnapshot._base_manager.bulk_create(made, batch_size=2000))


def sum_up_funnel() -> int:
    """Sum up anew the cells of the funnel in which deals have changed; return how many."""
    return passages.sum_up()
