"""Which facts of the apps below, and of this one, who is told of."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.crm import events as crm_events
from apps.documents import events as document_events
from apps.documents.models import Approval, ApprovalStep
from apps.events.models import Event
from apps.events.registry import Fact
from apps.lists import events as list_events
from apps.notifications import events
from apps.notifications.models import Channel, ChannelAddress, Task
from apps.notifications.telling.kinds import Candidate, Kind, register
from apps.payments import events as money_events

_Title = Callable[[str, str, dict[str, Any]], str]
REMINDER, DUE, LATE = "task.reminder", "task.due", "task.late"
ADDRESS_OFF = "address.off"
IGNORED = "notification.ignored"
_TASK_DEEDS = ("done", "snooze")


def declare() -> None:
    """Declare the kinds of notifications; called when the app is ready."""
    for kind in _kinds():
        register(kind)


def facts() -> list[Fact]:
    """List the facts that people are told of."""
    return [fact for kind in _kinds() for fact in kind.facts]


def _kinds() -> Iterator[Kind]:
    yield Kind(
        "activity.mentioned",
        "alternate_email",
        gettext_lazy("Whoever is named in a note is told of it"),
        lambda who, what, _details: _("%(who)s named you in a note on %(what)s") % {"who": who, "what": what},
        facts=(crm_events.ACTIVITY_MENTIONED,),
        who=lambda event: [(person["id"], "mentioned") for person in event.data["mentioned"]],
        about=_about_activity,
        details=lambda event: {"activity": event.data["id"]},
    )
    yield _assigned("deal", crm_events.DEAL_ASSIGNED, gettext_lazy("The new owner of a deal is told of it"))
    yield _assigned("lead", crm_events.LEAD_ASSIGNED, gettext_lazy("The new owner of a lead is told of it"))
    yield Kind(
        "task.assigned",
        "task_alt",
        gettext_lazy("Whoever is given a task is told of it"),
        lambda who, what, _details: _("%(who)s gave you a task: %(what)s") % {"who": who, "what": what},
        facts=(events.TASK_CREATED, events.TASK_ASSIGNED),
        who=lambda event: [(event.data["assignee"]["id"], "assignee")],
        about=_about_task,
        deeds=_TASK_DEEDS,
        escalates=_who_gave,
    )
    yield Kind(
        "task.closed",
        "check_circle",
        gettext_lazy("Whoever gave a task, and whoever watches it, is told when it is done or cancelled"),
        _closed,
        facts=(events.TASK_COMPLETED, events.TASK_CANCELLED),
        who=_followers,
        about=_about_task,
        details=lambda event: {"is_done": event.data["state"] == "DONE"},
        is_sent=False,
    )
    yield from _by_the_clock()
    yield Kind(
        "approval.requested",
        "fact_check",
        gettext_lazy("Whoever is asked to approve a document is told of it"),
        lambda who, what, _details: _("%(who)s asks you to approve %(what)s") % {"who": who, "what": what},
        facts=(document_events.APPROVAL_REQUESTED,),
        who=_approvers,
        about=lambda event: ("documents.document", event.data["document"]["id"]),
        details=lambda event: {"approval": event.data["id"]},
        deeds=("approve",),
        escalates=_who_asks,
    )
    yield Kind(
        "approval.completed",
        "verified",
        gettext_lazy("Whoever asked for an approval is told how it ended"),
        lambda _who, what, _details: _("It is decided about %(what)s") % {"what": what},
        facts=(document_events.APPROVAL_COMPLETED,),
        who=lambda event: _person(event.data["requested_by"], "author"),
        about=lambda event: ("documents.document", event.data["document"]["id"]),
    )
    yield from _about_money()
    yield Kind(
        "rule.stopped",
        "bolt",
        gettext_lazy("The owner of a rule is told when it was stopped"),
        lambda _who, what, _details: _("The rule %(what)s was stopped") % {"what": what},
        facts=(crm_events.AUTOMATION_RULE_STOPPED,),
        who=lambda event: _person(event.data["owner"], "owner"),
        about=lambda event: ("crm.automationrule", event.data["id"]),
        tells_self=True,
    )
    yield Kind(
        "export.finished",
        "download",
        gettext_lazy("Whoever asked for a file is told when it is ready"),
        lambda _who, _what, _details: _("Your file is ready"),
        facts=(list_events.EXPORT_FINISHED,),
        who=lambda event: _person(event.data.get("owner"), "owner"),
        about=lambda event: ("lists.export", event.data["id"]),
        tells_self=True,
        is_sent=False,
    )
    yield Kind(
        IGNORED,
        "hourglass_top",
        gettext_lazy(
            "Whoever gave a task or asked for an approval is told when nobody has looked at it for long"
        ),
        lambda who, what, _details: _("%(who)s has not looked at %(what)s yet") % {"who": who, "what": what},
    )
    yield Kind(
        ADDRESS_OFF,
        "unsubscribe",
        gettext_lazy("Whoever cannot be reached any more by an address of theirs is told of it"),
        lambda _who, _what, details: (
            _("You are not reached any more by %(channel)s: %(reason)s") % _address_words(details)
        ),
        tells_self=True,
    )


def _by_the_clock() -> Iterator[Kind]:
    yield Kind(
        REMINDER,
        "alarm",
        gettext_lazy("Whoever has something to do is reminded of it"),
        lambda _who, what, _details: _("Reminder: %(what)s") % {"what": what},
        deeds=_TASK_DEEDS,
    )
    yield Kind(
        DUE,
        "alarm_on",
        gettext_lazy("Whoever has something to do is told when it is due"),
        lambda _who, what, _details: _("Due now: %(what)s") % {"what": what},
        deeds=_TASK_DEEDS,
        escalates=_who_gave,
    )
    yield Kind(
        LATE,
        "running_with_errors",
        gettext_lazy("Many reminders that could not be told in time are told as one"),
        lambda _who, _what, details: (
            ngettext(
                "%(count)s reminder came late: see your day",
                "%(count)s reminders came late: see your day",
                int(str(details.get("count", 0))),
            )
            % {"count": details.get("count", 0)}
        ),
    )


def _about_money() -> Iterator[Kind]:
    yield Kind(
        "invoice.paid",
        "payments",
        gettext_lazy("The owner of an invoice is told when it is paid"),
        lambda _who, what, _details: _("Invoice %(what)s is paid") % {"what": what},
        facts=(money_events.INVOICE_PAID,),
        who=_owner,
        about=_about_invoice,
    )
    yield Kind(
        "invoice.overdue",
        "hourglass",
        gettext_lazy("The owner of an invoice is told when it is overdue"),
        lambda _who, what, _details: _("Invoice %(what)s is overdue") % {"what": what},
        facts=(money_events.INVOICE_OVERDUE,),
        who=_owner,
        about=_about_invoice,
    )


def _owner(event: Event) -> list[Candidate]:
    return _person(event.data["owner"], "owner")


def _about_invoice(event: Event) -> tuple[str, int]:
    return "payments.invoice", event.data["id"]


def _assigned(aggregate: str, fact: Fact, label: Any) -> Kind:
    icon = "handshake" if aggregate == "deal" else "person_add"
    return Kind(
        f"{aggregate}.assigned",
        icon,
        label,
        lambda who, what, _details: _("%(who)s gave you %(what)s") % {"who": who, "what": what},
        facts=(fact,),
        who=lambda event: _person(event.data["owner"], "owner"),
        about=lambda event: (f"crm.{aggregate}", event.data["id"]),
    )


def _closed(who: str, what: str, details: dict[str, Any]) -> str:
    text = _("%(who)s is done with %(what)s") if details.get("is_done") else _("%(who)s cancelled %(what)s")
    return text % {"who": who, "what": what}


def _address_words(details: dict[str, Any]) -> dict[str, str]:
    channel, reason = str(details.get("channel", "")), str(details.get("reason", ""))
    known = ChannelAddress.Reason
    return {
        "channel": str(Channel(channel).label) if channel in Channel else channel,
        "reason": str(known(reason).label) if reason in known else reason,
    }


def _person(named: Any, because: str) -> list[Candidate]:
    return [] if not named else [(named["id"], because)]


def _about_task(event: Event) -> tuple[str, int]:
    return "notifications.task", event.data["id"]


def _about_activity(event: Event) -> tuple[str, int] | None:
    for name, label in (("deals", "crm.deal"), ("companies", "crm.company"), ("people", "crm.person")):
        if event.data[name]:
            return label, event.data[name][0]["id"]
    return None


def _followers(event: Event) -> Iterable[Candidate]:
    author = Task.objects.filter(pk=event.data["id"]).values_list("created_by", flat=True).first()
    found = [(author, "author")] if author is not None else []
    return [*found, *((pk, "watcher") for pk in event.data["watchers"])]


def _who_gave(about: Model | None, _details: dict[str, Any]) -> Iterable[Candidate]:
    """Return who gave a task that is still to be done."""
    if not isinstance(about, Task) or not about.is_open or about.created_by_id is None:
        return []
    return [(about.created_by_id, "author")]


def _who_asks(_about: Model | None, details: dict[str, Any]) -> Iterable[Candidate]:
    """Return who asked for an approval that is still open."""
    approval_id = details.get("approval")
    if not isinstance(approval_id, int):
        return []
    open_ones = Approval.objects.filter(pk=approval_id, state=Approval.State.OPEN).exclude(created_by=None)
    return [(pk, "author") for pk in open_ones.values_list("created_by", flat=True)]


def _approvers(event: Event) -> Iterable[Candidate]:
    """Return who may decide the steps that wait now: one person, those of a team, or those of a role."""
    steps = ApprovalStep.objects.filter(approval=event.data["id"], state=ApprovalStep.State.ASKED)
    found: list[Candidate] = []
    for step in steps.order_by("place", "id"):
        if step.assignee_id is not None:
            found.append((step.assignee_id, "approver"))
            continue
        people = User.objects.filter(is_active=True)
        if step.team_id is not None:
            people = people.filter(memberships__team=step.team_id)
        if step.role_id is not None:
            people = people.filter(memberships__role=step.role_id)
        found += [(pk, "approver") for pk in people.distinct().values_list("pk", flat=True)[:100]]
    return found
