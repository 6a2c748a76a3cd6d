"""What happens to notes, calls and meetings; letters are sent and received by `mail`."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import locked as locked_row
from apps.crm import events
from apps.crm.models import (
    ABOUT,
    Activity,
    ActivityAttachment,
    ActivityLink,
    ActivityMention,
    ActivityVersion,
    Company,
    Deal,
    Person,
)
from apps.crm.services import deals, rows
from apps.crm.timeline.mentions import mentioned
from apps.documents.models import Document

Target = Deal | Company | Person
Kind = Activity.Kind
MODELS: dict[str, type[Target]] = {"deal": Deal, "company": Company, "person": Person}
# Clocks of other machines are a little ahead; what is planned is a next step and no activity.
_AHEAD = timedelta(minutes=10)
# A text field of the database has no length of its own.
LONGEST = 100_000
# What a kind may be given besides its text.
_OUTCOMES = {
    Kind.CALL: {"", "REACHED", "NO_ANSWER", "CALL_BACK"},
    Kind.MEETING: {"", "HELD", "POSTPONED", "CANCELLED"},
}


class ActivityFields(TypedDict, total=False):
    """What people write of an activity."""

    subject: str
    body: str
    occurred_at: datetime
    duration_minutes: int | None
    direction: str
    outcome: str


@transaction.atomic
def log_activity(
    *,
    about: Sequence[tuple[str, int]],
    kind: str,
    actor: User,
    document_ids: Sequence[int] = (),
    next_step: str | None = None,
    next_step_date: date | None = None,
    **fields: Unpack[ActivityFields],
) -> Activity:
    """
    Write down a note, a call or a meeting about one or several rows.

    :param about: pairs such as ("deal", 42); the first is what a next step is set on, where it is a deal
    :param next_step: sets the deal's next step and its day together with this
    :raises DoesNotExist: a row is out of the actor's sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", "no_text", "not_written", "next_step_needs_deal"
    """
    targets = _targets(about, actor=actor)
    if kind not in Activity.WRITTEN:
        raise rows.refusal("kind", _("Write a note, a call or a meeting."), code="not_written")
    activity = Activity(kind=kind, author=actor, **_cleaned(kind, fields))
    activity.created_by = activity.updated_by = actor
    insert(activity, targets)
    _attach(activity, document_ids, actor=actor)
    named = _mention(activity, targets, actor=actor)
    events.publish_activity(events.ACTIVITY_LOGGED, activity, actor_id=actor.pk)
    _tell_mentioned(activity, named, actor=actor)
    if next_step is not None or next_step_date is not None:
        _set_next_step(targets[0], next_step, next_step_date, actor=actor)
    return activity


@transaction.atomic
def change_activity(
    activity_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[ActivityFields]
) -> Activity:
    """
    Correct what somebody wrote; what it said before is kept and shown.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: it is somebody else's, and the actor may not put into the trash what it is about
    :raises ValidationError: a value is refused, "archived", "stale", "activity_record" (a letter or an event)
    """
    activity = _own(activity_id, actor=actor, expected_version=expected_version)
    rows.require_active(activity)
    values = _cleaned(activity.kind, {**_present(activity), **fields})
    changes = rows.differing(activity, values)
    if not changes:
        return activity
    _keep_version(activity, actor=actor)
    rows.write(activity, {**changes, "edited_at": timezone.now()}, actor=actor)
    named = _mention(activity, targets_of(activity), actor=actor)
    events.publish_activity(events.ACTIVITY_CHANGED, activity, actor_id=actor.pk)
    _tell_mentioned(activity, named, actor=actor)
    return activity


@transaction.atomic
def archive_activity(activity_id: int, *, actor: User, expected_version: int | None = None) -> Activity:
    """
    Put what somebody wrote into the trash; timelines no longer show it.

    :raises: what :func:`change_activity` raises
    """
    activity = _own(activity_id, actor=actor, expected_version=expected_version)
    rows.archive(activity, actor=actor)
    events.publish_activity(events.ACTIVITY_CHANGED, activity, actor_id=actor.pk)
    return activity


@transaction.atomic
def restore_activity(activity_id: int, *, actor: User, expected_version: int | None = None) -> Activity:
    """
    Take it out of the trash.

    :raises: what :func:`change_activity` raises, and "not_archived"
    """
    activity = _own(activity_id, actor=actor, expected_version=expected_version)
    rows.restore(activity, actor=actor)
    events.publish_activity(events.ACTIVITY_CHANGED, activity, actor_id=actor.pk)
    return activity


@transaction.atomic
def pin_activity(
    activity_id: int, *, actor: User, is_pinned: bool, expected_version: int | None = None
) -> Activity:
    """
    Let an activity stand on top of the timelines of what it is about, or no longer; any kind may be.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change what it is about
    :raises ValidationError: "archived", "stale"
    """
    activity: Activity = locked_row(
        Activity, activity_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(activity)
    if (activity.pinned_at is not None) != is_pinned:
        rows.write(activity, {"pinned_at": timezone.now() if is_pinned else None}, actor=actor)
        events.publish_activity(events.ACTIVITY_CHANGED, activity, actor_id=actor.pk)
    return activity


@transaction.atomic
def record_fact(
    fact: str, *, about: Sequence[tuple[str, int]], details: Mapping[str, Any], at: datetime, actor: User
) -> Activity | None:
    """
    Write down in timelines what the system tells, to be worded for whoever reads it (see `timeline.telling`).

    Called by receivers, which heed each fact once. Rows that have gone meanwhile are left out.

    :param fact: "documents.document.signed.v1"
    """
    targets = [row for name, pk in about if (row := MODELS[name].objects.filter(pk=pk).first()) is not None]
    if not targets:
        return None
    activity = Activity(kind=Kind.SYSTEM, fact=fact, details=dict(details), occurred_at=at, author=actor)
    insert(activity, targets)
    events.publish_activity(events.ACTIVITY_LOGGED, activity, actor_id=actor.pk)
    return activity


def insert(activity: Activity, targets: Sequence[Target]) -> None:
    """Insert an activity with what it is about. :raises ValidationError: a row has been merged meanwhile"""
    with rows.refusals():
        activity.save(force_insert=True)
        ActivityLink.objects.bulk_create(
            ActivityLink(activity=activity, **{str(row._meta.model_name): row}) for row in targets
        )


def targets_of(activity: Activity) -> list[Target]:
    """Return what an activity is about."""
    links = activity.links.select_related(*ABOUT).order_by("pk")
    return [row for link in links for name in ABOUT if (row := getattr(link, name)) is not None]


def may_edit(actor: User, activity: Activity, *, may_archive: bool) -> bool:
    """
    Tell whether somebody who may change what an activity is about may also edit it: it is theirs, or they may put into
    the trash what it is about.
    """
    return activity.is_written and (activity.author_id == actor.pk or may_archive)


def _targets(about: Sequence[tuple[str, int]], *, actor: User) -> list[Target]:
    if not about:
        raise rows.refusal("about", _("Say what it is about."), code="required")
    found: list[Target] = []
    for name, pk in dict.fromkeys(about):
        model = MODELS[name]
        # Not locked: whoever writes a note only points at the row, and the database refuses one that has gone.
        row: Any = model.objects.visible_to(actor).get(pk=pk)
        access.require(actor, "change", row)
        rows.require_active(row)
        found.append(row)
    return found


def _own(activity_id: int, *, actor: User, expected_version: int | None) -> Activity:
    activity: Activity = locked_row(
        Activity, activity_id, actor=actor, action="change", expected_version=expected_version
    )
    if not activity.is_written:
        raise ValidationError(
            _("Letters and events are records, which stay as they are."), code="activity_record"
        )
    if not may_edit(actor, activity, may_archive=_may_archive(actor, activity)):
        raise PermissionDenied(_("Somebody else wrote this."))
    return activity


def _may_archive(actor: User, activity: Activity) -> bool:
    return any(access.can(actor, "archive", row) for row in targets_of(activity))


def _present(activity: Activity) -> dict[str, Any]:
    return {name: getattr(activity, name) for name in ActivityFields.__annotations__}


def _cleaned(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people wrote, in order. :raises ValidationError: something of it is refused"""
    values = dict(fields)
    for name in ("subject", "body"):
        values[name] = str(values.get(name, "")).replace("\x00", "").replace("\r\n", "\n").strip()
    if kind == Kind.NOTE:
        values |= {"duration_minutes": None, "direction": "", "outcome": ""}
        if not (values["subject"] or values["body"]):
            raise rows.refusal("body", _("Write something."), code="no_text")
    if len(values["body"]) > LONGEST:
        raise rows.refusal(
            "body", _("This is too long: %(most)s characters are the most."), code="max_length", most=LONGEST
        )
    if values.get("outcome", "") not in _OUTCOMES.get(Kind(kind), {""}):
        raise rows.refusal("outcome", _("This is no outcome of such an activity."), code="invalid")
    at = values.get("occurred_at") or timezone.now()
    if at > timezone.now() + _AHEAD:
        raise rows.refusal(
            "occurred_at", _("This is in the future. What is planned is a next step."), code="time_order"
        )
    values["occurred_at"] = at
    Activity(kind=kind, **values).clean_fields(exclude=["author", "created_by", "updated_by"])
    return values


def _keep_version(activity: Activity, *, actor: User) -> None:
    ActivityVersion.objects.create(
        activity=activity,
        number=activity.former.count() + 1,
        subject=activity.subject,
        body=activity.body,
        occurred_at=activity.occurred_at,
        duration_minutes=activity.duration_minutes,
        outcome=activity.outcome,
        edited_by=actor,
    )


def _attach(activity: Activity, document_ids: Sequence[int], *, actor: User) -> None:
    ids = set(document_ids)
    found = Document.objects.visible_to(actor).active().filter(pk__in=ids)
    if len(found) != len(ids):
        raise rows.refusal(
            "documents", _("There is no such document, or you may not see it."), code="not_found"
        )
    ActivityAttachment.objects.bulk_create(
        ActivityAttachment(activity=activity, document=document) for document in found
    )


def _mention(activity: Activity, targets: Sequence[Target], *, actor: User) -> list[User]:
    """
    Keep whom a note names; return those whom it did not name before.

    :raises ValidationError: somebody may see none of what it is about ("mention_unseen")
    """
    named = [user for user in mentioned(activity.body, actor=actor, row=targets[0]) if user.pk != actor.pk]
    for user in named:
        if not any(access.can(user, "view", row) for row in targets):
            text = _("%(name)s may not see this, so they cannot be named here.")
            raise ValidationError(
                {"body": ValidationError(text, code="mention_unseen", params={"name": user.name})}
            )
    before = set(activity.mentions.values_list("user_id", flat=True))
    activity.mentions.exclude(user__in=named).delete()
    new = [user for user in named if user.pk not in before]
    ActivityMention.objects.bulk_create(ActivityMention(activity=activity, user=user) for user in new)
    return new


def _tell_mentioned(activity: Activity, named: Sequence[User], *, actor: User) -> None:
    if named:
        people = [{"id": user.pk, "name": user.name} for user in named]
        events.publish_activity(events.ACTIVITY_MENTIONED, activity, actor_id=actor.pk, mentioned=people)


def _set_next_step(target: Target, step: str | None, on: date | None, *, actor: User) -> None:
    if not isinstance(target, Deal):
        raise rows.refusal("next_step", _("Only a deal has a next step."), code="next_step_needs_deal")
    values: dict[str, Any] = {}
    if step is not None:
        values["next_step"] = step.strip()
    if on is not None:
        values["next_step_date"] = on
    deals.change_deal(target.pk, actor=actor, **values)
