"""A random history of deals, made by the services that people use, and the slow truth about it."""

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import time_machine
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Deal, LostReason, Stage, StageTransition
from apps.crm.services import deals

ADMIN = StageTransition.Face.ADMIN
Truth = dict[int | None, dict[str, Any]]


@contextmanager
def taken_back() -> Iterator[None]:
    """Let whatever is done within have never been, so that one example knows nothing of another."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def date_changes(after: int, at: datetime) -> int:
    """Let what history recorded since have been at a time; the database's clock does not travel. Return the last id."""
    with connection.cursor() as cursor:
        cursor.execute("update history_change set at = %s where id > %s", [at, after])
        cursor.execute("select coalesce(max(id), 0) from history_change")
        [last] = cursor.fetchone()
    return int(last)


def errors_of(refused: ValidationError) -> list[ValidationError]:
    """List the single errors of a refusal, whatever they are about."""
    if hasattr(refused, "error_dict"):
        return [error for errors in refused.error_dict.values() for error in errors]
    return list(refused.error_list)


def live(
    people: list[User], boss: User, seed: int, *, steps: int, start: datetime, hours: int = 30
) -> datetime:
    """Let some time pass in which people do whatever they may with deals; return when it ended."""
    dice = random.Random(seed)
    now = start
    for _step in range(steps):
        now += timedelta(hours=dice.randint(1, hours))
        with time_machine.travel(now, tick=False):
            act(dice, people, boss)
    return now


def act(dice: random.Random, people: list[User], boss: User) -> None:
    """Do one thing to a deal, or make a new one."""
    known = list(Deal.objects.order_by("pk"))
    deal = dice.choice(known) if known and dice.random() < 0.8 else None
    if deal is None:
        owner = dice.choice(people)
        deals.create_deal(
            actor=owner,
            face=ADMIN,
            title=f"Deal {len(known)}",
            amount=dice.choice([None, Decimal(dice.randint(0, 900_000)) / 100]),
            currency=dice.choice([settings.BASE_CURRENCY, settings.BASE_CURRENCY, "USD", "EUR"]),
            expected_close_date=dice.choice([None, day_near(dice)]),
        )
    elif deal.archived_at is not None:
        deals.restore_deal(deal.pk, actor=boss)
    elif deal.status != Deal.Status.OPEN:
        _on_closed(dice, deal, boss)
    else:
        _on_open(dice, deal, people, boss)


def day_near(dice: random.Random) -> date:
    return timezone.localdate() + timedelta(days=dice.randint(-30, 120))


def _on_closed(dice: random.Random, deal: Deal, boss: User) -> None:
    if dice.random() < 0.5:
        deals.reopen_deal(deal.pk, reason="Not over", actor=boss, face=ADMIN)
    else:
        deals.archive_deal(deal.pk, actor=boss)


def _on_open(dice: random.Random, deal: Deal, people: list[User], boss: User) -> None:
    stages = list(Stage.objects.filter(pipeline=deal.pipeline_id, kind="OPEN"))
    deed = dice.choice(
        ["move", "move", "move", "win", "lose", "amount", "amount", "close", "assign", "archive"]
    )
    if deed == "move":
        deals.move_deal(deal.pk, stage_id=dice.choice(stages).pk, actor=boss, face=ADMIN)
    elif deed == "win":
        deals.win_deal(deal.pk, actor=boss, face=ADMIN)
    elif deed == "lose":
        reason = LostReason.objects.order_by("?").first()
        assert reason is not None
        deals.lose_deal(deal.pk, reason_id=reason.pk, actor=boss, face=ADMIN)
    elif deed == "amount":
        deals.change_deal(deal.pk, actor=boss, amount=Decimal(dice.randint(0, 900_000)) / 100)
    elif deed == "close":
        deals.change_deal(deal.pk, actor=boss, expected_close_date=day_near(dice))
    elif deed == "assign":
        deals.assign_deal(deal.pk, owner_id=dice.choice(people).pk, actor=boss)
    else:
        deals.archive_deal(deal.pk, actor=boss)


def funnel_truth(seen: list[Deal], first: date, last: date) -> Truth:
    """Walk through every step of every deal, one by one."""
    counts: defaultdict[int | None, dict[str, Any]] = defaultdict(
        lambda: {"entered": 0, "onward": 0, "won": 0, "lost": 0, "stays": []}
    )
    for deal in seen:
        if deal.archived_at is not None or not first <= deal.opened_date <= last:
            continue
        entered: dict[int, int] = {}
        stood: defaultdict[int, int] = defaultdict(int)
        for step in deal.transitions.select_related("to_stage").order_by("at", "pk"):
            if step.to_stage.kind == "OPEN" and step.to_stage.pipeline_id == deal.pipeline_id:
                entered[step.to_stage_id] = step.to_stage.position
            if step.from_stage_id is not None and step.seconds_in_stage is not None:
                stood[step.from_stage_id] += step.seconds_in_stage
        for stage_id, position in [*entered.items(), (None, -1)]:
            told = counts[stage_id]
            told["entered"] += 1
            further = max(entered.values(), default=-1) > position and stage_id is not None
            told["onward"] += deal.status == "WON" or further
            told["won"] += deal.status == "WON"
            told["lost"] += deal.status == "LOST"
            if stage_id is not None and stage_id != deal.stage_id and stage_id in stood:
                told["stays"].append(stood[stage_id] // 86400)
    return dict(counts)


def share_of(stays: list[int], share: float) -> int | None:
    """Return the least number of days within which this share had left."""
    return sorted(stays)[ceil(len(stays) * share) - 1] if stays else None
