"""What a person has agreed to, as a card on their page, and the buttons of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from apps.accounts.faces.admin import actor_of, call_service
from apps.crm.models import Consent, Person, Purpose
from apps.crm.services import consents


class ConsentCommands:
    """What is done to consents from the page of the person; mixed into its admin, which lists it among the commands."""

    def consent_commands(self) -> dict[str, Any]:
        return {"give-consent": self._give_consent, "withdraw-consent": self._withdraw_consent}

    def _give_consent(self, request: HttpRequest, pk: int, version: int | None) -> None:
        purpose = request.POST.get("purpose", "")
        point_id = _number(request.POST.get("contact_point", ""))
        is_theirs = Person.objects.filter(pk=pk, contact_points=point_id).exists()
        given = call_service(
            request,
            consents.give_consent,
            point_id if is_theirs else 0,
            purpose=purpose if purpose in Purpose.values else Purpose.CONTACT,
            actor=actor_of(request),
            source=Consent.Source.STAFF,
            note=request.POST.get("note", ""),
        )
        if given:
            messages.success(request, _("Written down."))

    def _withdraw_consent(self, request: HttpRequest, pk: int, version: int | None) -> None:
        consent_id = _number(request.POST.get("consent", ""))
        is_theirs = Consent.objects.filter(pk=consent_id, contact_point__person=pk).exists()
        taken_back = call_service(
            request,
            consents.withdraw_consent,
            consent_id if is_theirs else 0,
            actor=actor_of(request),
            source=Consent.Source.STAFF,
        )
        if taken_back:
            messages.success(request, _("Withdrawn. From now on it does not hold."))


def consents_card(request: HttpRequest, person: Person, *, may_change: bool) -> dict[str, Any]:
    """Return what a person has agreed to, by address: two queries."""
    points = list(person.contact_points.filter(archived_at=None).order_by("-is_primary", "pk"))
    told = Consent.objects.visible_to(actor_of(request)).filter(contact_point__in=points)
    latest: dict[tuple[int, str], Consent] = {}
    for consent in told.select_related("text__form").order_by("pk"):
        latest[consent.contact_point_id, consent.purpose] = consent
    return {
        "row": person,
        "command_url": "admin:crm_person_command",
        "points": [
            {"point": point, "latest": [one for (pk, _purpose), one in latest.items() if pk == point.pk]}
            for point in points
        ],
        "has_any": bool(latest),
        "purposes": Purpose.choices,
        "may_change": may_change and person.archived_at is None,
    }


def _number(text: str) -> int:
    """Return a key that somebody sent; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
