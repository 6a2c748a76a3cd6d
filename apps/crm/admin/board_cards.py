"""How a board is written: cards, column heads and what refuses to move. Strings, because there are many cards."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from apps.common.templatetags.artel import age, day, money, number
from apps.crm.board.reading import Card, Figure
from apps.crm.models import Stage

# Where a stage says nothing, its bar is full after so many days, and never a warning.
FULL_DAYS = 30


class CardWriter:
    """
    Writes cards as HTML.

    :param stages: the stages of the board by id
    :param path: the address of a deal's page, with 0 for its id
    """

    def __init__(self, stages: dict[int, Stage], path: str) -> None:
        self.stages = stages
        self.before, _zero, self.after = path.partition("/0/")
        self.now = timezone.now()
        self.today = timezone.localdate()
        # Many cards say the same day, age or owner, which costs more to write than the card.
        self._days: dict[date, str] = {}
        self._owners: dict[int, tuple[str, str]] = {}
        # By deal, what it lacks to leave its stage, where anybody has asked.
        self.missing: dict[int, list[str]] = {}
        self.words = {
            "none": escape(gettext("No next step")),
            "in": escape(gettext("%(age)s in this stage")),
            "stale": escape(gettext("stale")),
            "new": gettext("less than a minute"),
        }
        before, _title, after = escape(gettext("Move or open “%(title)s”")).partition("%(title)s")
        self.more = (before, after)

    def write(self, card: Card) -> SafeString:
        """Write one card."""
        title, company, step = (
            escape(card.title),
            escape(card.company or card.person or ""),
            escape(card.next_step),
        )
        amount = escape(money(card.amount, card.currency))
        owner, face = self._owner(card)
        is_new = self.now - card.stage_entered_at < timedelta(minutes=1)
        since = escape(self.words["new"] if is_new else age(card.stage_entered_at, self.now))
        fill, tone = self._age(card)
        lacks = self.missing.get(card.id, ())
        marks = self._marks(lacks) if lacks else ""
        # The card in one sentence, for who does not see it; begins with what is written on it.
        there = self.words["in"] % {"age": since} + (f", {self.words['stale']}" if tone == "stale" else "")
        plan = step or ("" if card.next_step_date else self.words["none"])
        needs = escape(gettext("needs %(what)s") % {"what": ", ".join(lacks)}) if lacks else ""
        said = ", ".join([part for part in (title, company, amount, owner, there, plan, needs) if part])
        return SafeString(
            f'<li class="board-card" data-deal="{card.id}" data-version="{card.version}" data-stage="{card.stage_id}"'
            f' data-place="{card.place.isoformat()}">'
            f'<a class="board-link" href="{self.before}/{card.id}/{self.after}" draggable="false" tabindex="-1"'
            f' aria-label="{said}" aria-keyshortcuts="m">{title}</a>'
            f'<button type="button" class="board-more" tabindex="-1" aria-haspopup="menu"'
            f' aria-label="{self.more[0]}{title}{self.more[1]}">'
            '<span class="material-symbols-outlined" aria-hidden="true">more_horiz</span></button>'
            f'<p class="board-company">{company}</p>'
            f'<p class="board-worth"><strong class="crm-amount">{amount or "–"}</strong>'
            f'<span class="board-face board-face-{card.owner_id % 6}" title="{owner}" aria-hidden="true">'
            f"{face}</span></p>"
            f"{self._next(card, step)}"
            f'<p class="board-since board-since-{tone}"><svg class="board-age" aria-hidden="true" focusable="false">'
            f'<rect width="{fill}%" height="100%"></rect></svg><span>{since}</span></p>{marks}</li>'
        )

    def _marks(self, lacks: Sequence[str]) -> str:
        """Write what a card lacks to leave its stage as small marks."""
        marks = "".join(f'<span title="{escape(label)}">{escape(label)}</span>' for label in lacks)
        return f'<p class="board-missing" aria-hidden="true">{marks}</p>'

    def _owner(self, card: Card) -> tuple[str, str]:
        """Return an owner's name and initials, escaped."""
        if card.owner_id not in self._owners:
            self._owners[card.owner_id] = (escape(card.owner), escape(initials(card.owner)))
        return self._owners[card.owner_id]

    def _age(self, card: Card) -> tuple[int, str]:
        """Return how full the bar is, in percent, and its tone."""
        limit = self.stages[card.stage_id].stale_after_days
        days = (self.now - card.stage_entered_at).total_seconds() / 86400
        share = days / (limit or FULL_DAYS)
        tone = "calm" if limit is None or share < 0.6 else "warm" if share <= 1 else "stale"
        return max(3, min(100, round(share * 100))), tone

    def _next(self, card: Card, step: str) -> str:
        if not step and card.next_step_date is None:
            return f'<p class="board-next board-next-none">{self.words["none"]}</p>'
        is_late = card.next_step_date is not None and card.next_step_date < self.today
        when = "" if card.next_step_date is None else f" <small>{self._day(card.next_step_date)}</small>"
        tone = " board-next-late" if is_late else ""
        return f'<p class="board-next{tone}"><span>{step}</span>{when}</p>'

    def _day(self, value: date) -> str:
        if value not in self._days:
            self._days[value] = str(day(value))
        return self._days[value]


def initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name."""
    words = name.split()
    return "".join(word[0] for word in words[:1] + words[1:][-1:]).upper()


def figure(stage_figure: Figure, *, is_about: bool) -> dict[str, Any]:
    """Write a column's figures."""
    about = "≈ " if is_about else ""
    sums = [f"{about}{money(Decimal(amount), currency)}" for currency, amount in stage_figure.sums]
    said = ngettext("%(count)s deal", "%(count)s deals", stage_figure.count)
    return {
        "count": f"{about}{number(stage_figure.count)}",
        "said": said % {"count": number(stage_figure.count)},
        "sums": sums,
    }


def moment(text: str) -> datetime | None:
    """Read a card's place; None where it is none."""
    try:
        place = datetime.fromisoformat(text)
    except ValueError:
        return None
    return place if timezone.is_aware(place) else None
