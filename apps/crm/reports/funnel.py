"""The funnel: of the deals that began in some months, how many came how far, and how long it took them."""

from collections import defaultdict
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import Team, User
from apps.crm.models import Deal, Pipeline, Stage
from apps.crm.reports import passages
from apps.crm.reports.choices import Choice
from apps.crm.reports.passages import Passage
from apps.crm.reports.people import names_of
from apps.crm.reports.tables import (
    Column,
    Figure,
    Headline,
    Kind,
    Report,
    Row,
    Table,
    deals_text,
    percent,
    share,
)

_STAGES = (
    Column("stage", gettext_lazy("Stage")),
    Column("entered", gettext_lazy("Entered"), Kind.COUNT),
    Column("onward", gettext_lazy("Went on"), Kind.COUNT),
    Column("conversion", gettext_lazy("Went on, %"), Kind.PERCENT),
    Column("won", gettext_lazy("Won"), Kind.COUNT),
    Column("to_won", gettext_lazy("Won, %"), Kind.PERCENT),
    Column("median", gettext_lazy("Half left within"), Kind.DAYS),
    Column("ninetieth", gettext_lazy("Nine of ten left within"), Kind.DAYS),
)
# More people than these are no table that one reads.
MOST_ROWS = 100


def funnel(actor: User, choice: Choice) -> Report:
    """Return how far the deals came that began in the chosen months."""
    try:
        found = passages.passages(actor, choice)
        owners, teams = _apart(passages.totals(actor, choice))
    except passages.Preparing as preparing:
        return Report("funnel", waiting=preparing.waiting)
    all_deals = found.get(None, Passage())
    return Report(
        "funnel",
        headlines=_headlines(all_deals, choice),
        tables=[
            *_pipelines(found, choice),
            _who("owners", _("By person"), owners, names_of(User, owners, actor), "owner", choice),
            _who("teams", _("By team"), teams, names_of(Team, teams, actor), "team", choice),
        ],
    )


def _apart(
    totals: dict[tuple[int, int | None], Passage],
) -> tuple[dict[int | None, Passage], dict[int | None, Passage]]:
    """Add up by person, and by team, what was counted by both."""
    owners: defaultdict[int | None, Passage] = defaultdict(Passage)
    teams: defaultdict[int | None, Passage] = defaultdict(Passage)
    for (owner_id, team_id), passage in totals.items():
        for total in (owners[owner_id], teams[team_id]):
            total.add(passage)
    return dict(owners), dict(teams)


def _began(choice: Choice, **more: Any) -> dict[str, Any]:
    return {"opened_date_from": choice.first, "opened_date_to": choice.last, **choice.links, **more}


def _headlines(deals: Passage, choice: Choice) -> list[Headline]:
    def headline(label: str, count: int, **filters: Any) -> Headline:
        figure = Figure(count, _began(choice, **filters), count)
        part = percent(count, deals.entered)
        note = "" if part is None or not filters else f"{Figure(part).text(Kind.PERCENT)}"
        return Headline(label, deals_text(count), figure.url, count, note)

    return [
        headline(_("Began"), deals.entered),
        headline(_("Won"), deals.won, status__exact=Deal.Status.WON),
        headline(_("Lost"), deals.lost, status__exact=Deal.Status.LOST),
        headline(_("Still open"), deals.open, status__exact=Deal.Status.OPEN),
    ]


def _pipelines(found: dict[int | None, Passage], choice: Choice) -> list[Table]:
    pipelines = Pipeline.objects.filter(**({"pk": choice.pipeline_id} if choice.pipeline_id else {}))
    stages: dict[int, list[Stage]] = {}
    for stage in Stage.objects.filter(kind=Stage.Kind.OPEN).order_by("position"):
        stages.setdefault(stage.pipeline_id, []).append(stage)
    tables = []
    for pipeline in pipelines.order_by("-is_default", "name"):
        own = stages.get(pipeline.pk, [])
        # A pipeline that is no longer used is shown for as long as there is something in it.
        if pipeline.archived_at is None or any(stage.pk in found for stage in own):
            tables.append(_stages(pipeline, own, found, choice))
    return tables


def _stages(
    pipeline: Pipeline, stages: list[Stage], found: dict[int | None, Passage], choice: Choice
) -> Table:
    longest = max((found[stage.pk].entered for stage in stages if stage.pk in found), default=0)
    rows = [
        Row(
            _figures(stage, found.get(stage.pk, Passage()), choice),
            {"stage": stage.pk, "pipeline": pipeline.pk},
            share(found.get(stage.pk, Passage()).entered, longest),
        )
        for stage in stages
    ]
    return Table(
        f"pipeline-{pipeline.pk}",
        pipeline.name,
        _STAGES,
        rows if longest else [],
        _("A deal that jumped over a stage has not entered it. Time is counted over all stays in a stage."),
        _("No deal of this pipeline began in these months."),
    )


def _figures(stage: Stage, passage: Passage, choice: Choice) -> list[Figure]:
    entered = _began(choice, numbers=f"entered-{stage.pk}")
    won = {**entered, "status__exact": Deal.Status.WON.value}
    return [
        Figure(stage.name),
        Figure(passage.entered, entered, passage.entered),
        Figure(passage.onward, _began(choice, numbers=f"onward-{stage.pk}"), passage.onward),
        Figure(percent(passage.onward, passage.entered)),
        Figure(passage.won, won, passage.won),
        Figure(percent(passage.won, passage.entered)),
        Figure(passage.days(0.5)),
        Figure(passage.days(0.9)),
    ]


def _who(
    key: str,
    title: str,
    found: dict[int | None, Passage],
    names: dict[int | None, str],
    field: str,
    choice: Choice,
) -> Table:
    columns = [
        Column(field, _("Person") if field == "owner" else _("Team")),
        Column("entered", _("Began"), Kind.COUNT),
        Column("won", _("Won"), Kind.COUNT),
        Column("lost", _("Lost"), Kind.COUNT),
        Column("open", _("Still open"), Kind.COUNT),
        Column("to_won", _("Won, %"), Kind.PERCENT),
    ]
    ordered = sorted(found.items(), key=lambda item: (-item[1].entered, names[item[0]]))
    rows = []
    for pk, passage in ordered[:MOST_ROWS]:
        whose = {f"{field}__isnull": "True"} if pk is None else {f"{field}__id__exact": pk}
        links = {**_began(choice), **whose}
        rows.append(
            Row(
                [
                    Figure(names[pk]),
                    Figure(passage.entered, links, passage.entered),
                    *(
                        Figure(count, links | {"status__exact": status.value}, count)
                        for count, status in (
                            (passage.won, Deal.Status.WON),
                            (passage.lost, Deal.Status.LOST),
                            (passage.open, Deal.Status.OPEN),
                        )
                    ),
                    Figure(percent(passage.won, passage.entered)),
                ],
                {field: pk},
            )
        )
    return Table(key, title, columns, rows, "", _("No deal began in these months."))
