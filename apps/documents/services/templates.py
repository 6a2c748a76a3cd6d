"""What happens to templates: they are described, filled with versions, tried, published."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rapidfuzz import process

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.accounts.rows import differing, refusal, refusals, write
from apps.documents import declarations, papers
from apps.documents.declarations import Variable
from apps.documents.models import DocumentType, Template, TemplateVersion
from apps.documents.names import safe_file_name
from apps.documents.rendering.typst import set_paper
from apps.documents.rendering.word import DOCX, fill, names_in
from apps.documents.services import blobs
from apps.documents.sources import Source, source_of

LARGEST_FILE = 10 * 1024 * 1024
LONGEST_SOURCE = 200_000
# Packages come from the network, where papers have nothing to look for.
_PACKAGE = re.compile(r"[\"']@\w+/")


class TemplateFields(TypedDict, total=False):
    """What people write on a template; the kind stays what it was."""

    code: str
    name: str
    kind: str
    locale: str
    document_type_id: int
    source: str
    description: str


@dataclass(frozen=True)
class Draft:
    """
    A version of a template that somebody brings.

    :ivar file: the Word file; None for Typst
    :ivar text: the Typst source; "" for Word
    :ivar variables: declarations, as :class:`apps.documents.declarations.Variable` writes them
    :ivar declares_missing: plain names that nobody has declared are asked for as texts
    """

    file: bytes | None = None
    file_name: str = ""
    text: str = ""
    variables: Sequence[Any] = field(default_factory=list)
    declares_missing: bool = False
    comment: str = ""


@transaction.atomic
def create_template(*, actor: User, **fields: Unpack[TemplateFields]) -> Template:
    """
    Begin a template; it makes papers once a version of it is published.

    :raises PermissionDenied: the actor may not add templates
    :raises ValidationError: a value is refused, or names what there is not ("not_found", "unknown_source")
    """
    access.require(actor, "add", Template)
    _named(fields, actor=actor)
    return owned_rows.insert(Template(**fields), actor=actor)


@transaction.atomic
def change_template(
    template_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[TemplateFields]
) -> Template:
    """
    Change what is written on a template; what is not named stays.

    :raises DoesNotExist: the template is out of sight
    :raises PermissionDenied: the actor may not change templates
    :raises ValidationError: a value is refused, "archived", "stale", or it has versions that hold for its kind and
        source ("has_versions")
    """
    template = owned_rows.locked(
        Template, template_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(template)
    changes: dict[str, Any] = differing(template, dict(fields))
    for name in ("kind", "source"):
        if name in changes and template.versions.exists():
            raise refusal(
                name,
                _("Its versions were written for this. Begin another template instead."),
                code="has_versions",
            )
    _named(changes, actor=actor)
    return write(template, changes, actor=actor) if changes else template


def _named(values: Any, *, actor: User) -> None:
    if "document_type_id" in values:
        owned_rows.named(DocumentType, values["document_type_id"], actor=actor, field="document_type")
    if values.get("source"):
        source_of(values["source"])


@transaction.atomic
def archive_template(template_id: int, *, actor: User, expected_version: int | None = None) -> Template:
    """
    Put a template into the trash: it makes no papers any more.

    :raises DoesNotExist: the template is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    template = owned_rows.locked(
        Template, template_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(template, actor=actor)
    return template


@transaction.atomic
def restore_template(template_id: int, *, actor: User, expected_version: int | None = None) -> Template:
    """
    Take a template out of the trash.

    :raises DoesNotExist: the template is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    template = owned_rows.locked(
        Template, template_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(template, actor=actor)
    return template


def add_template_version(template_id: int, draft: Draft, *, actor: User) -> TemplateVersion:
    """
    Add a version to a template, for trying; it makes papers once it is published.

    Not a transaction by itself: the file is looked through and kept before anything is written.

    :raises DoesNotExist: the template is out of sight
    :raises PermissionDenied: the actor may not change templates
    :raises ValidationError: "archived", the file or source is refused ("template_…", "wrong_kind", "too_large"), a
        declaration is wrong ("variables_wrong"), or the file names what nobody tells ("unknown_names")
    """
    template = Template.objects.visible_to(actor).get(pk=template_id)
    access.require(actor, "change", template)
    owned_rows.require_active(template)
    source = source_of(template.source) if template.source else None
    found = _found_in(template, draft)
    variables = _declared(draft, source, found)
    version = TemplateVersion(
        template=template,
        file_name=safe_file_name(draft.file_name) if draft.file is not None else "",
        text=draft.text,
        variables=[variable.as_json() for variable in variables],
        found=found,
        comment=draft.comment,
    )
    _try(version, draft.file, source)
    if draft.file is not None:
        version.blob = blobs.keep(io.BytesIO(draft.file), content_type=DOCX)
    return _append(template_id, version, actor=actor)


def _try(version: TemplateVersion, file: bytes | None, source: Source | None) -> None:
    """Make a paper of nothing. :raises ValidationError: not even that is possible ("template_…")"""
    variables = declarations.stored(version.variables)
    inputs = declarations.cleaned(variables, {}, is_draft=True)
    subject = papers.Subject(version, None, {}, inputs, title="", date=timezone.localdate())
    data = papers.compose(subject, source, is_draft=True)
    if file is None:
        set_paper(version.text, data, at=timezone.now())
    else:
        fill(file, papers.flat(data))


@transaction.atomic
def _append(template_id: int, version: TemplateVersion, *, actor: User) -> TemplateVersion:
    template = owned_rows.locked(Template, template_id, actor=actor, action="change")
    owned_rows.require_active(template)
    last = template.versions.aggregate(last=models.Max("number"))["last"] or 0
    version.template, version.number, version.created_by = template, last + 1, actor
    with refusals():
        version.save(force_insert=True)
    write(template, {}, actor=actor)
    return version


def _found_in(template: Template, draft: Draft) -> list[str]:
    """Return what a draft names. :raises ValidationError: it is not of the template's kind, or refused"""
    if template.kind == Template.Kind.TYPST:
        if draft.file is not None or not draft.text.strip():
            raise refusal("text", _("This template is written in Typst: give its source."), code="wrong_kind")
        if len(draft.text) > LONGEST_SOURCE:
            raise refusal("text", _("This source is too long."), code="too_large")
        if _PACKAGE.search(draft.text):
            raise refusal("text", _("Templates use no packages from the network."), code="template_package")
        return []
    if draft.file is None or draft.text:
        raise refusal("file", _("This template is written in Word: give a .docx file."), code="wrong_kind")
    if len(draft.file) > LARGEST_FILE:
        raise refusal("file", _("A template has at most ten megabytes."), code="too_large")
    return names_in(draft.file)


def _declared(draft: Draft, source: Source | None, found: Sequence[str]) -> list[Variable]:
    variables = declarations.parsed(list(draft.variables), facts=source.names() if source else ())
    known = papers.known_names(source, variables)
    unknown = [name for name in found if not _is_known(name, known)]
    if draft.declares_missing:
        plain = [name for name in unknown if "." not in name and "[" not in name]
        missing = [{"name": name, "label": name.replace("_", " ").capitalize()} for name in plain]
        variables += declarations.parsed(missing)
        unknown = [name for name in unknown if name not in plain]
    if unknown:
        raise _unknown(unknown, known)
    return variables


def _is_known(name: str, known: set[str]) -> bool:
    """Tell whether a name is told, or the group of some that are ("deal", in "if deal")."""
    return name in known or any(one.startswith((f"{name}.", f"{name}[]")) for one in known)


def _unknown(names: Sequence[str], known: set[str]) -> ValidationError:
    """Say what a file names that nobody tells, and what was perhaps meant."""
    said = []
    for name in names[:10]:
        close = process.extractOne(name, sorted(known), score_cutoff=70)
        said.append(f"{name} ({close[0]}?)" if close else name)
    return ValidationError(
        {
            "file": ValidationError(
                _(
                    "The template names what nobody tells: %(names)s. Correct it, or declare what is to be asked."
                ),
                code="unknown_names",
                params={"names": ", ".join(said)},
            )
        }
    )


@transaction.atomic
def change_declarations(version_id: int, variables: Sequence[Any], *, actor: User) -> TemplateVersion:
    """
    Change what an unpublished version asks for.

    :raises DoesNotExist: the version is out of sight
    :raises PermissionDenied: the actor may not change templates
    :raises ValidationError: "archived", it is published ("published"), a declaration is wrong ("variables_wrong"), or
        the file names what is no longer declared ("unknown_names")
    """
    version = _locked_version(version_id, actor=actor, action="change")
    if version.published_at is not None:
        raise ValidationError(_("A published version stays as it is: add another."), code="published")
    source = source_of(version.template.source) if version.template.source else None
    declared = _declared(Draft(variables=variables), source, version.found)
    version.variables = [variable.as_json() for variable in declared]
    version.save(update_fields=["variables"])
    write(version.template, {}, actor=actor)
    return version


@transaction.atomic
def publish_template_version(version_id: int, *, actor: User) -> TemplateVersion:
    """
    Let a version be the one that papers are made from; an earlier one too, to go back to it.

    :raises DoesNotExist: the version is out of sight
    :raises PermissionDenied: the actor may not publish templates
    :raises ValidationError: "archived"
    """
    version = _locked_version(version_id, actor=actor, action="publish")
    if version.published_at is None:
        version.published_at = timezone.now()
        version.save(update_fields=["published_at"])
    if version.template.current_version_id != version.pk:
        write(version.template, {"current_version": version}, actor=actor)
    return version


def _locked_version(version_id: int, *, actor: User, action: str) -> TemplateVersion:
    version = TemplateVersion.objects.visible_to(actor).select_related("blob").get(pk=version_id)
    version.template = owned_rows.locked(Template, version.template_id, actor=actor, action=action)
    owned_rows.require_active(version.template)
    # As it is now that the whole is locked.
    version.refresh_from_db(fields=["published_at", "variables"])
    return version
