"""Plans, and what was won against them."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import Team, User
from apps.crm.home.periods import midnight
from apps.crm.models import Deal, SalesPlan
from apps.crm.rates import in_base
from apps.crm.reports.choices import Choice, add_months
from apps.crm.reports.people import names_of
from apps.crm.reports.tables import Column, Figure, Headline, Kind, Report, Row, Table, percent, share

_COLUMNS = (
    Column("plan", gettext_lazy("Plan"), Kind.MONEY),
    Column("won", gettext_lazy("Won"), Kind.MONEY),
    Column("deals", gettext_lazy("Deals"), Kind.COUNT),
    Column("done", gettext_lazy("Of the plan"), Kind.PERCENT),
    Column("left", gettext_lazy("Left to win"), Kind.MONEY),
)


def planned_by_month(actor: User, choice: Choice, first: date, last: date) -> dict[date, Decimal]:
    """
    Return the plans of months: a team's or a person's where one is chosen, else those of all people in sight.

    Plans of teams and of their people are two views of the same money, and never added up.
    """
    found = SalesPlan.objects.visible_to(actor).filter(month__gte=first, month__lte=last)
    if choice.owner_id is not None:
        found = found.filter(owner=choice.owner_id)
    elif choice.team_id is not None:
        found = found.filter(owner=None, team=choice.team_id)
    else:
        found = found.filter(owner__isnull=False)
    return dict(found.values("month").annotate(sum=Sum("amount")).order_by().values_list("month", "sum"))


def plan(actor: User, choice: Choice) -> Report:
    """Return what people and teams meant to win in the chosen months, and what they won."""
    plans = SalesPlan.objects.visible_to(actor).filter(month__gte=choice.first, month__lte=choice.last)
    if choice.owner_id is not None:
        plans = plans.filter(owner=choice.owner_id)
    if choice.team_id is not None:
        plans = plans.filter(team=choice.team_id)
    rows: list[Any] = list(plans.values("owner_id", "team_id").annotate(sum=Sum("amount")).order_by())
    won = _won(actor, choice)
    people: defaultdict[int, Decimal] = defaultdict(Decimal)
    teams: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["owner_id"] is not None:
            people[row["owner_id"]] += row["sum"]
        else:
            teams[row["team_id"]] += row["sum"]
    by_person: defaultdict[int, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal()))
    by_team: defaultdict[int | None, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal()))
    for owner_id, team_id, deals, worth in won:
        by_person[owner_id] = (by_person[owner_id][0] + deals, by_person[owner_id][1] + worth)
        by_team[team_id] = (by_team[team_id][0] + deals, by_team[team_id][1] + worth)
    return Report(
        "plan",
        _headlines(people, by_person),
        [
            _against(
                "people", _("People"), "owner", people, by_person, names_of(User, people, actor), choice
            ),
            _against("teams", _("Teams"), "team", teams, by_team, names_of(Team, teams, actor), choice),
        ],
    )


def _won(actor: User, choice: Choice) -> list[tuple[int, int | None, int, Decimal]]:
    rows = (
        Deal.objects.visible_to(actor)
        .active()
        .order_by()
        .filter(status=Deal.Status.WON, **choice.rows)
        .filter(
            Q(closed_at__isnull=False),
            closed_at__gte=midnight(choice.first),
            closed_at__lt=midnight(add_months(choice.last, 1)),
        )
        .values("owner_id", "team_id")
        .annotate(worth=Sum(in_base()), deals=Count("*"))
    )
    return [(row["owner_id"], row["team_id"], row["deals"], row["worth"] or Decimal()) for row in rows]


def _headlines(people: dict[int, Decimal], won: dict[int, tuple[int, Decimal]]) -> list[Headline]:
    if not people:
        return []
    meant = sum(people.values(), Decimal())
    came = sum((won[pk][1] for pk in people if pk in won), Decimal())
    done = Figure(percent(came, meant)).text(Kind.PERCENT)
    return [
        Headline(_("Plan"), Figure(meant).text(Kind.MONEY)),
        Headline(_("Won by those who have a plan"), Figure(came).text(Kind.MONEY), note=done),
    ]


def _against(
    key: str,
    title: str,
    field: str,
    plans: dict[int, Decimal],
    won: Any,
    names: dict[int | None, str],
    choice: Choice,
) -> Table:
    who = Column(field, _("Person") if field == "owner" else _("Team"))
    rows = []
    for pk in sorted(plans, key=lambda each: names[each]):
        meant = plans[pk]
        deals, came = won[pk] if pk in won else (0, Decimal())
        filters = {
            "status__exact": Deal.Status.WON.value,
            "closed_at_from": choice.first,
            "closed_at_to": choice.last,
            **choice.links,
            f"{field}__id__exact": pk,
        }
        figures = [
            Figure(names[pk]),
            Figure(meant),
            Figure(came),
            Figure(deals, filters, deals),
            Figure(percent(came, meant)),
            Figure(max(meant - came, Decimal())),
        ]
        rows.append(Row(figures, {field: pk}, min(share(came, meant), 100.0)))
    return Table(key, title, (who, *_COLUMNS), rows, "", _("Nobody has a plan for these months."))
