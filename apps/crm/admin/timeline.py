"""The timeline on the pages of deals, companies and people: reading, writing, pinning, correcting."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.faces.admin import actor_of
from apps.accounts.models import User
from apps.crm import tasks
from apps.crm.admin.stories import sentence, spent
from apps.crm.answers import refused
from apps.crm.models import Activity, ContactPoint
from apps.crm.services import activities, mail
from apps.crm.timeline import reading
from apps.crm.timeline.mentions import colleagues_of
from apps.crm.timeline.telling import told
from apps.lists.admin.rows import ArchivableAdmin

Kind = Activity.Kind
ICONS = {
    Kind.NOTE: "sticky_note_2",
    Kind.CALL: "call",
    Kind.MEETING: "groups",
    Kind.EMAIL: "mail",
    Kind.MESSAGE: "chat",
    Kind.SYSTEM: "info",
    reading.STEP: "trending_flat",
}
# What the bar above the timeline filters by.
FILTERS: list[tuple[str, Any]] = [
    (Kind.NOTE.value, gettext_lazy("Notes")),
    (Kind.CALL.value, gettext_lazy("Calls")),
    (Kind.MEETING.value, gettext_lazy("Meetings")),
    (Kind.EMAIL.value, gettext_lazy("E-mails")),
    (reading.STEP, gettext_lazy("Stages")),
]
_COMPOSED = (*Activity.WRITTEN, Kind.EMAIL)
# As many names are offered after an "@".
OFFERED = 8


@dataclass
class Shown:
    """An entry as the page shows it."""

    entry: reading.Entry
    icon: str
    sentence: str | SafeString
    body: SafeString | str = ""
    note: str = ""
    about: dict[str, str] | None = None
    papers: list[dict[str, str]] = field(default_factory=list)
    may_edit: bool = False

    @property
    def row(self) -> Any:
        return self.entry.row


class ComposerForm(forms.Form):
    """What the composer sends, for all kinds it writes."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in Activity.WRITTEN])
    subject = forms.CharField(required=False, max_length=300)
    body = forms.CharField(required=False, max_length=100_000, strip=False)
    occurred_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    duration_minutes = forms.IntegerField(required=False, min_value=0, max_value=32767)
    direction = forms.ChoiceField(required=False, choices=[("", ""), *Activity.Direction.choices])
    outcome = forms.ChoiceField(required=False, choices=[("", ""), *Activity.Outcome.choices])
    # Not called as in the form of a deal, which stands on the same page.
    step = forms.CharField(required=False, max_length=200)
    step_date = forms.DateField(required=False, input_formats=["%Y-%m-%d"])
    documents = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        given = [value for value in data.getlist("documents") if value.isdecimal() and len(value) < 19]
        # Which of them may be named is the service's to say.
        self.fields["documents"].choices = [(value, value) for value in given]  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what was written, as the service takes it."""
        found = dict(self.cleaned_data)
        found["document_ids"] = found.pop("documents")
        found["next_step"] = found.pop("step") or None
        found["next_step_date"] = found.pop("step_date")
        if found["occurred_at"] is None:
            del found["occurred_at"]
        return found


class MailForm(forms.Form):
    """A letter as the composer sends it."""

    to = forms.CharField(required=False, max_length=2000)
    subject = forms.CharField(required=False, max_length=300)
    body = forms.CharField(required=False, max_length=100_000, strip=False)

    def values(self) -> dict[str, Any]:
        """Return what was written, as the service takes it."""
        to = [part for part in re.split(r"[,;\s]+", self.cleaned_data["to"]) if part]
        return {**self.cleaned_data, "to": to}


class TimelinePages(ArchivableAdmin):
    """Pages with a timeline, each part of which has an address of its own."""

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"crm_{self.opts.model_name}"
        start = "<int:object_id>/timeline/"
        own = [
            path(start, view(self.timeline_view), name=f"{name}_timeline"),
            path(f"{start}names/", view(require_GET(self.names_view)), name=f"{name}_timeline_names"),
            path(
                f"{start}<int:activity_id>/former/",
                view(require_GET(self.former_view)),
                name=f"{name}_timeline_former",
            ),
            path(
                f"{start}<int:activity_id>/<slug:deed>/",
                view(require_POST(self.deed_view)),
                name=f"{name}_timeline_deed",
            ),
        ]
        return [*own, *super().get_urls()]

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {**super().page_context(request, row), **self.timeline_context(request, row)}

    def timeline_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the composer and the first page of the timeline show."""
        name = f"admin:crm_{self.opts.model_name}_timeline"
        stream = f"{self.opts.model_name}:{row.pk}"
        return {
            **self._part(request, row, QueryDict()),
            "timeline_url": reverse(name, args=[row.pk]),
            "names_url": reverse(f"{name}_names", args=[row.pk]),
            "stream": stream,
            "filters": [{"kind": kind, "label": label, "icon": ICONS[kind]} for kind, label in FILTERS],
            "composer": self._composer(request, row),
        }

    def _composer(self, request: HttpRequest, row: Any) -> dict[str, Any] | None:
        if row.archived_at is not None or not self.may("change", request, row):
            return None
        return {
            "kinds": [{"kind": kind.value, "label": kind.label, "icon": ICONS[kind]} for kind in _COMPOSED],
            "addresses": self._addresses(request, row),
            "call_outcomes": _choices("REACHED", "NO_ANSWER", "CALL_BACK"),
            "meeting_outcomes": _choices("HELD", "POSTPONED", "CANCELLED"),
            "directions": Activity.Direction.choices,
            "has_step": self.opts.model_name == "deal",
        }

    def _addresses(self, request: HttpRequest, row: Any) -> list[str]:
        """Return where letters about a row most likely go, as far as the reader sees those contacts."""
        actor, name = actor_of(request), str(self.opts.model_name)
        points = ContactPoint.objects.visible_to(actor).active().filter(kind=ContactPoint.Kind.EMAIL)
        whose = Q(**{name: row.pk}) if name != "deal" else Q(pk__in=[])
        if name == "deal":
            for holder in ("person", "company"):
                if (pk := getattr(row, f"{holder}_id")) is not None:
                    whose |= Q(**{holder: pk})
        if name == "company":
            whose |= Q(person__employments__company=row.pk)
        return list(
            points.filter(whose).order_by("-is_primary", "pk").values_list("raw", flat=True)[:OFFERED]
        )

    def timeline_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Return a part of the timeline; or write something down."""
        row = self._timeline_row(request, object_id)
        if request.method == "POST":
            return self._log(request, row)
        context = {**self._part(request, row, request.GET), "row": row}
        return TemplateResponse(
            request, "admin/crm/timeline/part.html", context, headers={"Cache-Control": "no-store"}
        )

    def _timeline_row(self, request: HttpRequest, pk: int) -> Any:
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def _part(self, request: HttpRequest, row: Any, asked: QueryDict) -> dict[str, Any]:
        actor = actor_of(request)
        kinds, term = asked.getlist("kind"), asked.get("q", "")[:200]
        after = asked.get("after", "")
        try:
            key = reading.parse_key(after) if after else None
        except ValidationError as error:
            raise Http404 from error
        page = reading.read(row, actor=actor, kinds=kinds, term=term, after=key)
        is_top = not (kinds or term or after)
        pinned = reading.pinned(row, actor=actor) if is_top else []
        may_change = row.archived_at is None and self.may("change", request, row)
        show = Presenting(actor, may_change=may_change, may_archive=self.may("archive", request, row))
        return {
            "pinned": show.entries(pinned),
            "entries": show.entries(page.entries),
            "next_key": page.next_key,
            "is_narrowed": bool(kinds or term),
            "is_further": bool(after),
            "may_pin": may_change,
            "timeline_url": reverse(f"admin:crm_{self.opts.model_name}_timeline", args=[row.pk]),
        }

    def _log(self, request: HttpRequest, row: Any) -> HttpResponse:
        if request.POST.get("kind") == Kind.EMAIL:
            return self._send(request, row)
        form = ComposerForm(request.POST)
        if not form.is_valid():
            return refused(ValidationError({name: list(errors) for name, errors in form.errors.items()}))
        about = [(str(self.opts.model_name), row.pk)]
        return _answered(
            lambda: activities.log_activity(about=about, actor=actor_of(request), **form.values()), status=201
        )

    def _send(self, request: HttpRequest, row: Any) -> HttpResponse:
        form = MailForm(request.POST)
        if not form.is_valid():
            return refused(ValidationError({name: list(errors) for name, errors in form.errors.items()}))

        def run() -> Activity:
            about = (str(self.opts.model_name), row.pk)
            sent = mail.send_mail(about=about, actor=actor_of(request), **form.values())
            transaction.on_commit(lambda: tasks.deliver_mail.delay(sent.pk))
            return sent

        return _answered(run, status=201)

    def deed_view(self, request: HttpRequest, object_id: int, activity_id: int, deed: str) -> HttpResponse:
        """Pin, correct, remove or bring back one activity."""
        self._timeline_row(request, object_id)
        run = self._deeds(request, activity_id).get(deed)
        if run is None or not Activity.objects.visible_to(actor_of(request)).filter(pk=activity_id).exists():
            raise Http404
        return _answered(run)

    def _deeds(self, request: HttpRequest, pk: int) -> dict[str, Callable[[], Any]]:
        actor, given = actor_of(request), request.POST.get("version", "")
        seen: Any = {
            "actor": actor,
            "expected_version": int(given) if given.isdecimal() and len(given) < 10 else None,
        }
        return {
            "pin": lambda: activities.pin_activity(pk, actor=actor, is_pinned=True),
            "unpin": lambda: activities.pin_activity(pk, actor=actor, is_pinned=False),
            "edit": lambda: activities.change_activity(pk, body=request.POST.get("body", ""), **seen),
            "remove": lambda: activities.archive_activity(pk, **seen),
            "restore": lambda: activities.restore_activity(pk, actor=actor),
        }

    def former_view(self, request: HttpRequest, object_id: int, activity_id: int) -> HttpResponse:
        """Show what an activity said before it was edited."""
        self._timeline_row(request, object_id)
        found = Activity.objects.visible_to(actor_of(request)).active().filter(pk=activity_id).first()
        if found is None:
            raise Http404
        context = {"former": found.former.select_related("edited_by").order_by("-number")}
        return TemplateResponse(
            request, "admin/crm/timeline/former.html", context, headers={"Cache-Control": "no-store"}
        )

    def names_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Offer the colleagues whose names begin like this."""
        row = self._timeline_row(request, object_id)
        term = request.GET.get("q", "").strip()[:100]
        people = colleagues_of(actor_of(request), row).exclude(pk=actor_of(request).pk).order_by("name")
        names = people.filter(name__istartswith=term).values_list("name", flat=True)[:OFFERED]
        return JsonResponse({"names": list(names)}, headers={"Cache-Control": "no-store"})


def _choices(*names: str) -> list[tuple[str, str]]:
    return [(name, str(Activity.Outcome(name).label)) for name in names]


def _answered(run: Callable[[], Any], status: int = 200) -> HttpResponse:
    """Call a service and say how it went, for the script of the page."""
    try:
        with transaction.atomic():
            row = run()
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        return refused(error)
    return JsonResponse({"id": row.pk, "version": row.version}, status=status)


@dataclass(frozen=True)
class Presenting:
    """How entries are shown to one reader."""

    reader: User
    may_change: bool
    may_archive: bool

    def entries(self, entries: Sequence[reading.Entry]) -> list[Shown]:
        """Put entries into words."""
        facts = told([entry.row for entry in entries if not entry.is_step], reader=self.reader)
        return [self._step(entry) if entry.is_step else self._activity(entry, facts) for entry in entries]

    def _step(self, entry: reading.Entry) -> Shown:
        step = entry.row
        note = " · ".join(part for part in (step.reason, spent(step)) if part)
        return Shown(entry, ICONS[reading.STEP], sentence(step), note=note, about=_about(entry))

    def _activity(self, entry: reading.Entry, facts: dict[int, tuple[str, str]]) -> Shown:
        row: Activity = entry.row
        icon, words = facts.get(row.pk) or (ICONS[Kind(row.kind)], _headline(row))
        may_edit = self.may_change and activities.may_edit(self.reader, row, may_archive=self.may_archive)
        return Shown(
            entry,
            icon,
            words,
            body=_body(row),
            note=_note(row),
            about=_about(entry),
            papers=[
                {"title": paper.title, "url": reverse("admin:documents_document_change", args=[paper.pk])}
                for paper in entry.documents
            ],
            may_edit=may_edit,
        )


def _headline(row: Activity) -> str:
    mail = getattr(row, "mail", None) if row.kind == Kind.EMAIL else None
    who = row.author.name if row.author else (mail.sender_name or mail.sender if mail else "")
    words: dict[str, str] = {
        Kind.NOTE: _("%(who)s noted"),
        Kind.MEETING: _("%(who)s met them"),
        Kind.EMAIL: _("%(who)s wrote a letter"),
        Kind.MESSAGE: _("%(who)s sent a message"),
        Kind.CALL: _("%(who)s took their call") if row.direction == "IN" else _("%(who)s called"),
    }
    return words[row.kind] % {"who": who}


def _note(row: Activity) -> str:
    parts = [str(row.get_outcome_display())] if row.outcome else []
    if row.duration_minutes:
        count = row.duration_minutes
        parts.append(ngettext("%(count)s minute", "%(count)s minutes", count) % {"count": count})
    mail_of = getattr(row, "mail", None) if row.kind == Kind.EMAIL else None
    if mail_of is not None:
        parts += [str(mail_of.get_state_display())] if mail_of.state != "RECEIVED" else []
        parts += [_("to %(people)s") % {"people": ", ".join(mail_of.to)}] if mail_of.to else []
        parts += [f"{each['name']}: {each['reason']}" for each in mail_of.left_out]
    return " · ".join(parts)


def _body(row: Activity) -> SafeString | str:
    """Return the text with the names of colleagues who are mentioned set off."""
    text = conditional_escape(row.body)
    for mention in row.mentions.all():
        name = conditional_escape(f"@{mention.user.name}")
        text = SafeString(
            text.replace(name, format_html('<span class="tl-name">{}</span>', SafeString(name)))
        )
    return text


def _about(entry: reading.Entry) -> dict[str, str] | None:
    row = entry.about
    if row is None:
        return None
    return {"name": str(row), "url": reverse(f"admin:crm_{row._meta.model_name}_change", args=[row.pk])}
