"""What leads are arranged by: sources, reasons, forms, rules of assignment, and who is away."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.crm.models import (
    Absence,
    AssignmentRule,
    ConsentText,
    DisqualifyReason,
    LeadForm,
    Pipeline,
    Source,
)
from apps.crm.models.leads import FORM_FIELDS, new_token
from apps.crm.services import rows

# What a form's field may stand for.
_MEANINGS = {*FORM_FIELDS, "consent", "submission_id"}
_MOST_FIELDS = 60


# Sources and reasons


@transaction.atomic
def create_source(*, name: str, actor: User, is_active: bool = True) -> Source:
    """
    Add a place where strangers hear of us.

    :raises PermissionDenied: the actor may not add sources
    :raises ValidationError: there is one of this name ("source_name_unique")
    """
    access.require(actor, "add", Source)
    return rows.insert(Source(name=name.strip(), is_active=is_active), actor=actor)


@transaction.atomic
def change_source(
    source_id: int, *, actor: User, name: str | None = None, is_active: bool | None = None
) -> Source:
    """
    Rename a source, or stop offering it; leads that have it keep it.

    :raises DoesNotExist: the source is out of sight
    :raises PermissionDenied: the actor may not change sources
    :raises ValidationError: there is one of this name ("source_name_unique")
    """
    source = rows.locked(Source, source_id, actor=actor, action="change")
    changed: Source = _changed(source, {"name": name, "is_active": is_active}, actor=actor)
    return changed


@transaction.atomic
def create_disqualify_reason(*, name: str, actor: User, is_active: bool = True) -> DisqualifyReason:
    """
    Add a reason for which leads come to nothing.

    :raises PermissionDenied: the actor may not add reasons
    :raises ValidationError: there is one of this name ("disqualify_reason_name_unique")
    """
    access.require(actor, "add", DisqualifyReason)
    return rows.insert(DisqualifyReason(name=name.strip(), is_active=is_active), actor=actor)


@transaction.atomic
def change_disqualify_reason(
    reason_id: int, *, actor: User, name: str | None = None, is_active: bool | None = None
) -> DisqualifyReason:
    """
    Rename a reason, or stop offering it; leads that have it keep it.

    :raises DoesNotExist: the reason is out of sight
    :raises PermissionDenied: the actor may not change reasons
    :raises ValidationError: there is one of this name ("disqualify_reason_name_unique")
    """
    reason = rows.locked(DisqualifyReason, reason_id, actor=actor, action="change")
    changed: DisqualifyReason = _changed(reason, {"name": name, "is_active": is_active}, actor=actor)
    return changed


def _changed(row: Any, given: Mapping[str, Any], *, actor: User) -> Any:
    changes = rows.differing(row, {name: value for name, value in given.items() if value is not None})
    return rows.write(row, changes, actor=actor) if changes else row


# Forms


class FormFields(TypedDict, total=False):
    """What people write on a form; relations by id."""

    name: str
    is_active: bool
    allowed_origins: Sequence[str]
    field_map: Mapping[str, str]
    honeypot: str
    hourly_limit: int
    success_message: str
    redirect_url: str
    country: str
    source_id: int | None
    pipeline_id: int | None
    default_owner_id: int | None
    consent_text: str
    consent_purpose: str
    is_consent_required: bool


@transaction.atomic
def create_form(*, actor: User, **fields: Unpack[FormFields]) -> LeadForm:
    """
    Add a form to put on a site; its address is secret enough to be nobody else's.

    :raises PermissionDenied: the actor may not add forms
    :raises ValidationError: a value is refused ("origin", "field_map", …)
    """
    access.require(actor, "add", LeadForm)
    values = _checked_form(dict(fields), actor=actor)
    form = LeadForm(**values)
    form.consent_version = 1 if form.consent_text else 0
    rows.insert(form, actor=actor)
    _keep_text(form)
    return form


@transaction.atomic
def change_form(
    form_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[FormFields]
) -> LeadForm:
    """
    Change a form; another text of its consent is another version of it, and the former are kept.

    :raises DoesNotExist: the form is out of sight
    :raises PermissionDenied: the actor may not change forms
    :raises ValidationError: a value is refused, "archived", "stale"
    """
    form = rows.locked(LeadForm, form_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(form)
    changes = rows.differing(form, _checked_form(dict(fields), actor=actor))
    if changes.get("consent_text"):
        changes["consent_version"] = form.consent_version + 1
    if changes:
        rows.write(form, changes, actor=actor)
    if "consent_version" in changes:
        _keep_text(form)
    return form


@transaction.atomic
def renew_form_address(form_id: int, *, actor: User, expected_version: int | None = None) -> LeadForm:
    """
    Give a form another address; what is sent to the old one leads nowhere from now on.

    :raises DoesNotExist: the form is out of sight
    :raises PermissionDenied: the actor may not change forms
    :raises ValidationError: "archived", "stale"
    """
    form = rows.locked(LeadForm, form_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(form)
    return rows.write(form, {"token": new_token()}, actor=actor)


@transaction.atomic
def archive_form(form_id: int, *, actor: User, expected_version: int | None = None) -> LeadForm:
    """
    Put a form into the trash: it takes nothing any more, and its leads stay.

    :raises DoesNotExist: the form is out of sight
    :raises PermissionDenied: the actor may not delete forms
    :raises ValidationError: "archived", "stale"
    """
    form = rows.locked(LeadForm, form_id, actor=actor, action="delete", expected_version=expected_version)
    rows.archive(form, actor=actor)
    return form


@transaction.atomic
def restore_form(form_id: int, *, actor: User, expected_version: int | None = None) -> LeadForm:
    """
    Take a form out of the trash.

    :raises DoesNotExist: the form is out of sight
    :raises PermissionDenied: the actor may not delete forms
    :raises ValidationError: "not_archived", "stale"
    """
    form = rows.locked(LeadForm, form_id, actor=actor, action="delete", expected_version=expected_version)
    rows.restore(form, actor=actor)
    return form


def _checked_form(values: dict[str, Any], *, actor: User) -> dict[str, Any]:
    if "allowed_origins" in values:
        values["allowed_origins"] = list(dict.fromkeys(map(_origin, values["allowed_origins"])))
    if "field_map" in values:
        _check_map(values["field_map"])
    if "consent_text" in values:
        values["consent_text"] = values["consent_text"].strip()
    rows.named(Source, values.get("source_id"), actor=actor, field="source")
    rows.named(Pipeline, values.get("pipeline_id"), actor=actor, field="pipeline")
    owner = rows.named(User, values.get("default_owner_id"), actor=actor, field="default_owner")
    if owner is not None and not owner.is_active:
        raise rows.refusal("default_owner", _("This person has left."), code="inactive")
    return values


def _origin(text: str) -> str:
    """Return a site as browsers name it. :raises ValidationError: it is none ("origin")"""
    found = urlsplit(text.strip().rstrip("/").lower())
    try:
        is_site = found.scheme in {"http", "https"} and bool(found.hostname) and (found.port or 1) > 0
    except ValueError:
        is_site = False
    if not is_site or found.path or found.query or found.fragment or "@" in found.netloc:
        raise rows.refusal(
            "allowed_origins",
            _("“%(value)s” is no site: write it as https://www.example.org."),
            code="origin",
            value=text,
        )
    return f"{found.scheme}://{found.netloc}"


def _check_map(field_map: Any) -> None:
    is_map = isinstance(field_map, Mapping) and all(
        isinstance(theirs, str) and ours in _MEANINGS for theirs, ours in field_map.items()
    )
    if not is_map or len(field_map) > _MOST_FIELDS or len(set(field_map.values())) < len(field_map):
        raise rows.refusal(
            "field_map",
            _("Each line names a field of the site and one of ours, each of ours once: %(names)s."),
            code="field_map",
            names=", ".join(sorted(_MEANINGS)),
        )


def _keep_text(form: LeadForm) -> None:
    """Keep the words of a form's consent, as proof of what people have agreed to."""
    if form.consent_text:
        ConsentText.objects.create(form=form, version=form.consent_version, text=form.consent_text)


# Rules


class RuleFields(TypedDict, total=False):
    """What a rule asks for and to whom it gives; relations by id."""

    name: str
    position: int
    is_active: bool
    source_id: int | None
    form_id: int | None
    country: str
    language: str
    contains: str
    to_user_id: int | None
    to_team_id: int | None


@transaction.atomic
def create_rule(*, actor: User, **fields: Unpack[RuleFields]) -> AssignmentRule:
    """
    Add a rule by which new leads find their owner.

    :raises PermissionDenied: the actor may not add rules
    :raises ValidationError: a value is refused, or it names neither or both ("assignment_rule_has_one_target")
    """
    access.require(actor, "add", AssignmentRule)
    values: dict[str, Any] = dict(fields)
    _look_up_rule(values, actor=actor)
    return rows.insert(AssignmentRule(**values), actor=actor)


@transaction.atomic
def change_rule(
    rule_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[RuleFields]
) -> AssignmentRule:
    """
    Change a rule; leads that it has given away stay whose they are.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change rules
    :raises ValidationError: a value is refused, "stale"
    """
    rule = rows.locked(
        AssignmentRule, rule_id, actor=actor, action="change", expected_version=expected_version
    )
    values: dict[str, Any] = dict(fields)
    changes = rows.differing(rule, values)
    _look_up_rule(changes, actor=actor)
    return rows.write(rule, changes, actor=actor) if changes else rule


@transaction.atomic
def delete_rule(rule_id: int, *, actor: User) -> None:
    """
    Forget a rule; leads remember in words why they are whose they are.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not delete rules
    """
    rows.locked(AssignmentRule, rule_id, actor=actor, action="delete").delete()


def _look_up_rule(values: Mapping[str, Any], *, actor: User) -> None:
    rows.named(Source, values.get("source_id"), actor=actor, field="source")
    rows.named(LeadForm, values.get("form_id"), actor=actor, field="form")
    user = rows.named(User, values.get("to_user_id"), actor=actor, field="to_user")
    if user is not None and not user.is_active:
        raise rows.refusal("to_user", _("This person has left."), code="inactive")
    rows.named(Team, values.get("to_team_id"), actor=actor, field="to_team")


# Who is away


@transaction.atomic
def add_absence(*, user_id: int, first_date: date, last_date: date, actor: User) -> Absence:
    """
    Say that somebody is away, and gets no new leads meanwhile.

    :raises PermissionDenied: the actor may not say so of them
    :raises ValidationError: there is no such person ("not_found"), or it ends before it begins
    """
    access.require(actor, "add", Absence)
    rows.named(User, user_id, actor=actor, field="user")
    _require_order(first_date, last_date)
    return rows.insert(Absence(user_id=user_id, first_date=first_date, last_date=last_date), actor=actor)


@transaction.atomic
def change_absence(
    absence_id: int,
    *,
    actor: User,
    first_date: date | None = None,
    last_date: date | None = None,
) -> Absence:
    """
    Change on which days somebody is away.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: it would end before it begins
    """
    absence = rows.locked(Absence, absence_id, actor=actor, action="change")
    _require_order(first_date or absence.first_date, last_date or absence.last_date)
    changed: Absence = _changed(absence, {"first_date": first_date, "last_date": last_date}, actor=actor)
    return changed


@transaction.atomic
def delete_absence(absence_id: int, *, actor: User) -> None:
    """
    Say that somebody is not away after all.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not delete it
    """
    rows.locked(Absence, absence_id, actor=actor, action="delete").delete()


def _require_order(first_date: date, last_date: date) -> None:
    if last_date < first_date:
        error = ValidationError(
            _("The last day cannot be before the first."), code="absence_ends_after_it_begins"
        )
        raise ValidationError({"last_date": error})
