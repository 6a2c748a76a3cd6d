"""What follows an invoice that was issued, on its page: letters to the customer, and invoices drawn up like it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.common.recurrence import PRESETS, words_of
from apps.lists.admin.rows import Command
from apps.payments.admin.entered import key_of
from apps.payments.models import Invoice, RecurringInvoice
from apps.payments.services import recurring, reminding

_SHOWN = 20


class FollowingCommands:
    """Letters and recurring invoices, on the page of an invoice."""

    def following_commands(self) -> dict[str, Command]:
        return {
            "send": self._send,
            "repeat": self._repeat,
            "pause-series": self._pause,
            "resume-series": self._resume,
            "end-series": self._end,
        }

    def following_context(self, request: HttpRequest, row: Invoice) -> dict[str, Any]:
        actor = actor_of(request)
        may_send = row.status == Invoice.Status.OPEN and access.can(actor, "change", row)
        return {
            "may_send": may_send,
            "send_to": ", ".join(reminding.addresses_of(row)) if may_send else "",
            "letters": list(row.letters.order_by("-id")[:_SHOWN]),
            "may_repeat": recurring.may_recur(actor, row),
            "rules": [(rule, str(words)) for rule, words in PRESETS.items()],
            "series": [
                {"row": each, "words": words_of(each.recurrence)}
                for each in row.recurrences.order_by("-id")[:_SHOWN]
            ],
        }

    def _send(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {
            "recipients": request.POST.get("recipients", "").replace(";", ",").split(","),
            "origin": request.build_absolute_uri("/").rstrip("/"),
            "expected_version": version,
        }
        if call_service(request, reminding.send_invoice, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("The invoice is on its way."))

    def _repeat(self, request: HttpRequest, pk: int, version: int | None) -> None:
        try:
            first = parse_date(request.POST.get("first_date", ""))
        except ValueError:
            first = None
        due_days = request.POST.get("due_days", "")
        said: dict[str, Any] = {
            "recurrence_rule": request.POST.get("rule", "") or request.POST.get("own_rule", ""),
            "first_date": first or timezone.localdate(),
            "is_issued": "is_draft" not in request.POST,
            "is_sent": "is_sent" in request.POST,
        }
        if due_days.isdecimal() and len(due_days) < 4:
            said["due_days"] = int(due_days)
        made = call_service(request, recurring.create_recurring, pk, actor=actor_of(request), **said)
        if made:
            messages.success(request, gettext("It will be drawn up again."))

    def _of_series(self, request: HttpRequest, pk: int, service: Any, done: str) -> None:
        key = key_of(request.POST.get("series", ""))
        series = RecurringInvoice.objects.filter(pattern=pk, pk=key).first()
        if series is None:
            messages.error(request, gettext("There is no such series."))
        elif call_service(request, service, series.pk, actor=actor_of(request)):
            messages.success(request, done)

    def _pause(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._of_series(request, pk, recurring.pause_recurring, gettext("Paused."))

    def _resume(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._of_series(request, pk, recurring.resume_recurring, gettext("It goes on."))

    def _end(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._of_series(request, pk, recurring.end_recurring, gettext("It has ended."))
