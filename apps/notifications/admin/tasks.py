"""Tasks in the admin: my day, the list, the calendar, and the page of one."""

from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter
from unfold.decorators import action

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.common.reading import reader
from apps.common.recurrence import words_of
from apps.common.templatetags.artel import when
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, badge, marked
from apps.notifications.admin.task_forms import (
    PRIORITY_TONES,
    QuickTaskForm,
    SnoozeForm,
    TaskForm,
    parsed_about,
)
from apps.notifications.models import Task
from apps.notifications.selectors import tasks as reading
from apps.notifications.services import tasks
from apps.notifications.targets import named_target, seen_targets, targets_of

State = Task.State
_TONES = {State.OPEN: "OPEN", State.DONE: "WON", State.CANCELLED: ""}
_CSS = ("css/rows.css", "css/tasks.css")


class StateFilter(DropdownFilter):
    """Tasks by state; unless another is chosen, those that are still to be done."""

    title = _("state")
    parameter_name = "state"
    all_option: ClassVar[list[Any]] = ["", _("To do")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (State.DONE.value, State.DONE.label),
            (State.CANCELLED.value, State.CANCELLED.label),
            ("all", _("All")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        value = self.value()
        if value == "all":
            return queryset
        return queryset.filter(state=value if value in State.values else State.OPEN)


class WhenFilter(DropdownFilter):
    """Tasks by when they are due, by the reader's own clock."""

    title = _("when")
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("overdue", _("Overdue")),
            ("today", _("Today")),
            ("week", _("Next seven days")),
            ("none", _("Without a date")),
            ("snoozed", pgettext_lazy("tasks", "Put off")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return reading.narrowed(queryset, self.value() or "", actor=actor_of(request))


class WhoseFilter(DropdownFilter):
    """One's own tasks, or those of others."""

    title = _("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("mine", _("Mine")), ("others", _("Others'")), ("given", _("Given by me"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        me = actor_of(request).pk
        if self.value() == "mine":
            return queryset.filter(assignee=me)
        if self.value() == "others":
            return queryset.exclude(assignee=me)
        if self.value() == "given":
            return queryset.filter(created_by=me).exclude(assignee=me)
        return queryset


class AboutFilter(DropdownFilter):
    """What is to be done about one thing, as its page links to it."""

    title = _("about")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        row = _about_row(request, request.GET.get("about", ""))
        return [] if row is None else [(request.GET["about"], str(row))]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        row = _about_row(request, self.value() or "")
        if row is None:
            return queryset.none() if self.value() else queryset
        found: Any = queryset
        return found.about(row)


def _about_row(request: HttpRequest, text: str) -> Any:
    about = parsed_about(text)
    if about is None:
        return None
    try:
        return named_target(*about, actor=actor_of(request))
    except ValidationError:
        return None


@admin.register(Task)
class TaskAdmin(ArchivableAdmin):
    """Plain edits go through `change_task`, what becomes of a task through the buttons above the form."""

    add_label = _("New task")
    empty_title = _("Nothing to do")
    empty_text = _(
        "A task says what somebody is to do, until when, and what it is about. Make one here, or on the page of a deal,"
        " a company, a person or a document."
    )
    form = TaskForm
    create = staticmethod(tasks.create_task)
    change = staticmethod(tasks.change_task)
    archive = staticmethod(tasks.archive_task)
    restore = staticmethod(tasks.restore_task)
    ordering = ("due_at", "id")
    list_display = ("title_cell", "about_cell", "due_cell", "priority_cell", "assignee_cell", "state_cell")
    list_display_links = ("title_cell",)
    list_select_related = ("assignee",)
    list_only = (
        *("title", "due_at", "is_all_day", "priority", "state", "snoozed_until", "recurrence", "archived_at"),
        *("target_type", "target_id", "assignee__name", "assignee__email"),
    )
    list_filter = (
        StateFilter,
        WhenFilter,
        WhoseFilter,
        ("priority", ChoicesDropdownFilter),
        "assignee",
        "team",
        ("due_at", RangeDateFilter),
        AboutFilter,
        TrashFilter,
    )
    list_before_template = "admin/notifications/task/switch.html"
    search_fields = ("title",)
    search_help_text = _("What is to be done")
    autocomplete_fields = ("assignee", "team", "watchers")
    actions: Any = ("complete_selected", "archive_selected", "restore_selected")
    change_form_outer_before_template = "admin/notifications/task/header.html"
    change_form_outer_after_template = "admin/notifications/task/around.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title",
                    ("due_at", "is_all_day"),
                    ("remind_at", "recurrence"),
                    ("priority", "assignee", "team"),
                    "watchers",
                    "description",
                    "items",
                    "about",
                )
            },
        ),
    )

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": _CSS}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Whose a task is, is changed by who may hand it on.
        may_give = obj is None or self.may("assign", request, obj)
        return () if may_give else ("assignee", "team")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        found = {"assignee": actor_of(request).pk, "priority": Task.Priority.NORMAL}
        return found | super().get_changeform_initial_data(request)

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # An empty team is the assignee's own.
        return {name: value for name, value in values.items() if value or name != "team_id"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        rows: QuerySet[Task] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "notifications_task_changelist"
        return rows.prefetch_related(seen_targets(actor_of(request))) if is_list else rows

    # The list

    @admin.display(description=_("what to do"), ordering="title")
    def title_cell(self, task: Task) -> str:
        return task.title

    @admin.display(description=_("about"))
    def about_cell(self, task: Task) -> str:
        return "–" if task.target is None else str(task.target)

    @admin.display(description=_("due"), ordering="due_at")
    def due_cell(self, task: Task) -> SafeString | str:
        if task.due_at is None:
            return "–"
        is_late = task.state == State.OPEN and task.due_at < reader().now
        return format_html(
            '<span class="{}">{}</span>', "crm-stale" if is_late else "crm-age", due_words(task)
        )

    @admin.display(description=_("priority"))
    def priority_cell(self, task: Task) -> SafeString:
        return priority_badge(task)

    @admin.display(description=_("who does it"))
    def assignee_cell(self, task: Task) -> str:
        return str(task.assignee)

    @admin.display(description=_("state"))
    def state_cell(self, task: Task) -> SafeString:
        if task.state == State.OPEN and task.snoozed_until is not None and task.snoozed_until > reader().now:
            return badge(gettext("put off"), "")
        return badge(task.get_state_display(), _TONES[State(task.state)])

    @action(description=_("Done"), permissions=["change"])
    def complete_selected(self, request: HttpRequest, rows: QuerySet[Task]) -> HttpResponse | None:
        return self._each(request, rows, "complete", gettext("Done"))

    complete = staticmethod(tasks.complete_task)

    # Pages

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "notifications_task"
        own = [
            path("day/", view(require_GET(self.day_view)), name=f"{name}_day"),
            path("calendar/", view(require_GET(self.calendar_view)), name=f"{name}_calendar"),
            path("quick/", view(require_POST(self.quick_view)), name=f"{name}_quick"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        here = "overdue" if request.GET.get("when") == "overdue" else "list"
        if request.GET.get("whose") == "others":
            here = "team"
        context = {"switch": self._switch(request, here)} | (extra_context or {})
        return super().changelist_view(request, context)

    def _switch(self, request: HttpRequest, here: str) -> list[dict[str, Any]]:
        """Return the ways to look at tasks."""
        page = reverse("admin:notifications_task_changelist")
        found = [
            ("day", "today", gettext("My day"), reverse("admin:notifications_task_day")),
            ("list", "list", gettext("List"), page),
            ("overdue", "alarm", gettext("Overdue"), f"{page}?when=overdue"),
            ("calendar", "calendar_month", gettext("Calendar"), reverse("admin:notifications_task_calendar")),
        ]
        if access.reaches_others(actor_of(request), "view", Task):
            found.insert(2, ("team", "groups", gettext("Others'"), f"{page}?whose=others"))
        return [
            {"icon": icon, "title": title, "url": url, "is_here": key == here}
            for key, icon, title, url in found
        ]

    def day_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the reader has to do today, by their own clock."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("My day"),
            "switch": self._switch(request, "day"),
            "day": reading.my_day(actor),
            "may_add": self.has_add_permission(request),
            "list_url": reverse("admin:notifications_task_changelist"),
            "here": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/notifications/task/day.html", context)

    def calendar_view(self, request: HttpRequest) -> HttpResponse:
        """Show a month of tasks: the reader's own, or all that they see."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        first = _month(request.GET.get("month", ""))
        is_everybody = request.GET.get("whose") == "all"
        rows = Task.objects.visible_to(actor).active().exclude(state=State.CANCELLED)
        weeks = reading.month_of(rows if is_everybody else rows.filter(assignee=actor), first, actor=actor)
        whose = "&whose=all" if is_everybody else ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Calendar"),
            "switch": self._switch(request, "calendar"),
            "weeks": weeks,
            "weekdays": [each.day for each in weeks[0]],
            "month": first,
            "today": timezone.localdate(),
            "before": f"?month={first - timedelta(days=1):%Y-%m}{whose}",
            "after": f"?month={first + timedelta(days=31):%Y-%m}{whose}",
            "sees_others": access.reaches_others(actor, "view", Task),
            "is_everybody": is_everybody,
        }
        return TemplateResponse(request, "admin/notifications/task/calendar.html", context)

    def quick_view(self, request: HttpRequest) -> HttpResponse:
        """Make a task of the little that is known, and come back to where one was."""
        form = QuickTaskForm(request.POST)
        if not form.is_valid():
            messages.error(request, " ".join(str(text) for found in form.errors.values() for text in found))
        elif call_service(request, tasks.create_task, actor=actor_of(request), **form.choices()):
            messages.success(request, gettext("Task made."))
        return HttpResponseRedirect(_back(request))

    def page_context(self, request: HttpRequest, row: Task) -> dict[str, Any]:
        actor = actor_of(request)
        is_open = row.is_open
        targets = {}
        if row.target_type_id is not None and row.target_id is not None:
            targets = targets_of([(row.target_type_id, row.target_id)], reader=actor)
        return {
            **super().page_context(request, row),
            "tone": _TONES[State(row.state)],
            "is_open": is_open,
            "may_change": self.may("change", request, row),
            "due": due_words(row),
            "repeats": words_of(row.recurrence) if row.recurrence else "",
            "about": next(iter(targets.values()), None),
            "colleagues": _colleagues(actor, row) if is_open and self.may("assign", request, row) else None,
            "offered": _offered(actor) if is_open else [],
            "following": Task.objects.visible_to(actor).filter(follows=row).first(),
            "priority_badge": priority_badge(row),
        }

    # What becomes of it

    def commands(self) -> dict[str, Command]:
        return super().commands() | {
            "complete": self._complete,
            "cancel": self._cancel,
            "reopen": self._reopen,
            "snooze": self._snooze,
            "delegate": self._delegate,
            "tick": self._tick,
        }

    def command_view(self, request: HttpRequest, object_id: int, command: str) -> HttpResponse:
        response = super().command_view(request, object_id, command)
        # From my day, or the page of a deal, one comes back there.
        back = request.POST.get("back", "")
        if response.status_code == 302 and back and _is_ours(back, request):
            return HttpResponseRedirect(back)
        return response

    def _complete(self, request: HttpRequest, pk: int, version: int | None) -> None:
        result = request.POST.get("result", "")
        self._call(request, tasks.complete_task, pk, version, gettext("Done."), result=result)

    def _cancel(self, request: HttpRequest, pk: int, version: int | None) -> None:
        reason = request.POST.get("reason", "")
        self._call(request, tasks.cancel_task, pk, version, gettext("Cancelled."), reason=reason)

    def _reopen(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, tasks.reopen_task, pk, version, gettext("Open again."))

    def _snooze(self, request: HttpRequest, pk: int, version: int | None) -> None:
        form = SnoozeForm(request.POST)
        if not form.is_valid():
            messages.error(request, gettext("Say until when it is put off."))
            return
        until = form.cleaned_data["until"]
        self._call(request, tasks.snooze_task, pk, version, gettext("Put off."), until=until)

    def _delegate(self, request: HttpRequest, pk: int, version: int | None) -> None:
        given = request.POST.get("assignee", "")
        assignee = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else 0
        self._call(request, tasks.delegate_task, pk, version, gettext("Handed on."), assignee_id=assignee)

    def _tick(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {
            "key": request.POST.get("key", ""),
            "is_done": request.POST.get("is_done") == "1",
        }
        call_service(request, tasks.tick_item, pk, actor=actor_of(request), expected_version=version, **said)

    def _call(
        self, request: HttpRequest, service: Any, pk: int, version: int | None, done: str, **values: Any
    ) -> None:
        if call_service(request, service, pk, actor=actor_of(request), expected_version=version, **values):
            messages.success(request, done)


def due_words(task: Task) -> str:
    """Say when a task is due: of something for a whole day, its day alone."""
    if task.due_at is None:
        return "–"
    if task.is_all_day:
        return date_format(timezone.localtime(task.due_at), "SHORT_DATE_FORMAT")
    return str(when(task.due_at))


def priority_badge(task: Task) -> SafeString:
    """Write how urgent a task is, where it is more or less so than others."""
    tone = PRIORITY_TONES[Task.Priority(task.priority)]
    if task.priority == Task.Priority.NORMAL:
        return SafeString("–")
    return marked(f"art-badge art-badge-{tone}" if tone else "art-badge", str(task.get_priority_display()))


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month of the calendar
    except ValueError:
        return timezone.localdate().replace(day=1)


def _offered(actor: User) -> list[tuple[str, str]]:
    """Return when something may be put off to with a click, by the reader's own clock."""
    now = timezone.localtime(timezone.now(), reading.zone_of(actor))
    morning = now.replace(hour=9, minute=0, second=0, microsecond=0)
    found = [
        (gettext("In an hour"), now + timedelta(hours=1)),
        (gettext("Tomorrow morning"), morning + timedelta(days=1)),
        (gettext("Next week"), morning + timedelta(days=7 - now.weekday())),
    ]
    return [(label, f"{at:%Y-%m-%dT%H:%M}") for label, at in found]


def _colleagues(actor: User, task: Task) -> QuerySet[User]:
    people = User.objects.filter(access.scope(actor, "view", User), is_active=True, kind=User.Kind.HUMAN)
    return people.exclude(pk=task.assignee_id).order_by("name")


def _is_ours(address: str, request: HttpRequest) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def _back(request: HttpRequest) -> str:
    back = request.POST.get("back", "")
    return back if _is_ours(back, request) else reverse("admin:notifications_task_day")
