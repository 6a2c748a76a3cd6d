"""The further fields of the demo: what an office furnisher wants to know of its companies and deals."""

from datetime import date, timedelta
from typing import Any

from apps.accounts.models import User
from apps.crm.models import CustomField
from apps.crm.services import custom_fields

_SEGMENTS = [("chain", "Сеть"), ("office", "Офис"), ("public", "Госзаказчик")]


def make_fields(system: User) -> None:
    """Add them, before the rows that have them."""
    kinds = CustomField.Kind
    choices = [{"key": key, "label": label} for key, label in _SEGMENTS]
    custom_fields.create_custom_field(
        actor=system, model="company", kind=kinds.CHOICE, key="segment", label="Сегмент", choices=choices
    )
    custom_fields.create_custom_field(
        actor=system, model="deal", kind=kinds.NUMBER, key="desks", label="Рабочих мест"
    )
    custom_fields.create_custom_field(
        actor=system, model="deal", kind=kinds.DATE, key="delivery", label="Поставка до"
    )


def of_company(place: int) -> dict[str, Any]:
    """Return what a company says in them; every fourth says nothing as yet."""
    return {} if place % 4 == 3 else {"segment": _SEGMENTS[place % len(_SEGMENTS)][0]}


def of_deal(place: int, desks: int, close: date) -> dict[str, Any]:
    """Return what a deal says in them; deliveries are agreed on for every other one."""
    return {"desks": desks} | ({"delivery": close + timedelta(days=30)} if place % 2 else {})
