"""Making papers from templates: seen beforehand, asked for once, made by a job."""

import hashlib
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from apps.accounts import access, owned_rows
from apps.accounts.models import User
from apps.common.limits import Counter, Limit, take
from apps.documents import declarations, papers
from apps.documents.models import (
    Blob,
    Document,
    DocumentLink,
    DocumentType,
    DocumentVersion,
    Generation,
    LegalEntity,
    Template,
    TemplateVersion,
)
from apps.documents.papers import Subject
from apps.documents.services import blobs, documents, legal_entities, numbers
from apps.documents.services.documents import Content, Target
from apps.documents.services.rendering import Paper, logo_of, render
from apps.documents.sources import facts_of, source_of
from apps.events.failpoints import failpoint
from apps.jobs.kinds import JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title

JOB_KIND = "documents.generate"
# Each takes a process and a part of a second; nobody types faster.
_PREVIEWS = Limit(count=60, seconds=60)
_LONGEST_KEY = 100
# A preview is waited for.
_PREVIEW_SECONDS = 8.0
Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


@dataclass(frozen=True)
class Request:
    """
    A paper that somebody wants.

    :ivar target: what it is about; the role that it is linked in follows from the type of document
    :ivar inputs: what was filled in, by name
    :ivar title: what the document is called; template and target say it if empty
    :ivar entity_id: the company of ours in whose name; the usual one if None
    :ivar paper_date: what the paper is dated; today if None
    """

    template_id: int
    target: Target | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    entity_id: int | None = None
    paper_date: date | None = None

    def digest(self) -> str:
        """Return what tells two requests under one key apart."""
        target = [self.target.model, self.target.pk] if self.target else None
        said = [
            self.template_id,
            target,
            dict(self.inputs),
            self.title,
            self.entity_id,
            str(self.paper_date or ""),
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@transaction.atomic
def start_generation(request: Request, *, actor: User, key: str = "") -> Generation:
    """
    Note which paper is wanted, with its facts as they are now, and start making it.

    The same key and the same request are the same paper, however often it is asked for.

    :param key: which request it is; one of its own if empty
    :raises DoesNotExist: the template is out of sight
    :raises PermissionDenied: the actor may not make documents, or came with a key that starts no long work
    :raises ValidationError: "archived", nothing is published ("not_published"), what was filled in is wrong (by name),
        the target is out of sight ("not_found") or not what the template is about ("wrong_target"), a line has no price
        ("line_without_price"), or the key is that of another request ("key_reused")
    """
    access.require(actor, "add", Document)
    key = key or secrets.token_hex(16)
    if len(key) > _LONGEST_KEY:
        raise ValidationError(_("The key of a request has at most 100 characters."), code="key_too_long")
    known = Generation.objects.filter(owner=actor, key=key).first()
    if known is not None:
        return _same(known, request)
    template = (
        Template.objects.visible_to(actor)
        .select_related("current_version__blob", "document_type")
        .get(pk=request.template_id)
    )
    owned_rows.require_active(template)
    subject = _subject(template, _published(template), request, actor=actor, is_draft=False)
    source = source_of(template.source) if template.source else None
    data = papers.compose(subject, source, is_draft=False)
    logo = logo_of(subject.entity)
    values = {
        "template_version": subject.version,
        "legal_entity": subject.entity,
        "target_model": request.target.model if request.target else "",
        "target_id": request.target.pk if request.target else None,
        "target_role": role_of(template.document_type),
        "title": subject.title,
        "paper_date": subject.date,
        "inputs": dict(subject.inputs),
        "data": data,
        "input_hash": papers.digest_of(subject.version, data, logo=logo.digest if logo else ""),
        "request_hash": request.digest(),
    }
    # Who comes second with this key waits here for the first, and finds its paper.
    generation, is_new = Generation.objects.get_or_create(owner=actor, key=key, defaults=values)
    if not is_new:
        return _same(generation, request)
    # Not what the paper is called, which may name a person: a job is kept apart from what is known of people.
    title = Title(gettext_noop("Paper by the template “%(template)s”"), {"template": template.name})
    generation.job = start_job(
        JOB_KIND, actor=actor, title=title, params={"generation": generation.pk}, total=2
    )
    generation.save(update_fields=["job"])
    return generation


def _same(generation: Generation, request: Request) -> Generation:
    if generation.request_hash != request.digest():
        raise ValidationError(_("Another paper was asked for under this key."), code="key_reused")
    return generation


def role_of(kind: DocumentType) -> DocumentLink.Role:
    """Return the role in which documents of a type belong to what they are about."""
    code = kind.code.upper()
    return DocumentLink.Role(code) if code in DocumentLink.Role.values else DocumentLink.Role.ATTACHMENT


def preview(
    request: Request, *, actor: User, version_id: int | None = None, seconds: float = _PREVIEW_SECONDS
) -> Paper:
    """
    Make a paper to look at: marked as a draft, without a number, kept nowhere. What is required may be missing.

    Not within a transaction.

    :param version_id: the version to try, published or not; the one in use if None
    :raises DoesNotExist: the template or version is out of sight
    :raises ValidationError: as :func:`start_generation`, the template is refused ("template_…"), or too many are asked
        for at once ("too_many_previews")
    """
    template = (
        Template.objects.visible_to(actor).select_related("current_version__blob").get(pk=request.template_id)
    )
    version = (
        _published(template)
        if version_id is None
        else template.versions.select_related("blob").get(pk=version_id)
    )
    if not take(Counter("documents.preview", str(actor.pk), _PREVIEWS)).is_allowed:
        raise ValidationError(_("Too many previews at once. Wait a moment."), code="too_many_previews")
    subject = _subject(template, version, request, actor=actor, is_draft=True)
    source = source_of(template.source) if template.source else None
    data = papers.compose(subject, source, is_draft=True)
    return render(version, data, logo=logo_of(subject.entity), at=timezone.now(), seconds=seconds)


def first_values(
    template: Template, version: TemplateVersion, target: Target | None, *, actor: User
) -> dict[str, str]:
    """
    Return what the form for a paper begins with.

    :raises ValidationError: the target is out of sight, or not what the template is about
    """
    facts = _facts(template, target, actor=actor)
    return declarations.first_values(declarations.stored(version.variables), facts)


def templates_for(target_model: str, *, actor: User) -> list[Template]:
    """Return the published templates of papers about a kind of rows, or about nothing."""
    rows = Template.objects.visible_to(actor).filter(archived_at=None, current_version__isnull=False)
    rows = rows.filter(source__in=[target_model, ""] if target_model else [""])
    return list(rows.select_related("document_type", "current_version").order_by("-source", "name", "locale"))


def _published(template: Template) -> TemplateVersion:
    if template.current_version is None:
        raise ValidationError(_("No version of this template is published yet."), code="not_published")
    return template.current_version


def _subject(
    template: Template, version: TemplateVersion, request: Request, *, actor: User, is_draft: bool
) -> Subject:
    version.template = template
    variables = declarations.stored(version.variables)
    return Subject(
        version=version,
        entity=_entity(request.entity_id, actor=actor),
        facts=_facts(template, request.target, actor=actor),
        inputs=declarations.cleaned(variables, request.inputs, is_draft=is_draft),
        title=request.title.strip()[:300] or _title(template, request.target, actor=actor),
        date=request.paper_date or timezone.localdate(),
    )


def _entity(entity_id: int | None, *, actor: User) -> LegalEntity | None:
    if entity_id is None:
        return legal_entities.usual_entity(actor=actor)
    return owned_rows.named(LegalEntity, entity_id, actor=actor, field="legal_entity")


def _facts(template: Template, target: Target | None, *, actor: User) -> Mapping[str, Any]:
    if (target.model if target else "") != template.source:
        raise ValidationError(
            {"target": ValidationError(_("This template is about something else."), code="wrong_target")}
        )
    return facts_of(target.model, target.pk, actor=actor) if target else {}


def _title(template: Template, target: Target | None, *, actor: User) -> str:
    if target is None:
        return template.name
    row = source_of(target.model).model._base_manager.get(pk=target.pk)
    return f"{template.name}: {row}"[:300]


# The job


def prepare_step(job: Job, reporter: Reporter) -> Blob | None:
    """
    Make the file of a paper that has its document and number already, and keep it.

    :raises JobRefused: the template cannot be filled with these facts
    """
    generation = _generation(job)
    if generation.document is None or generation.document_version_id is not None:
        return None
    data = numbered(generation.data, generation.document.number)
    entity = generation.legal_entity
    try:
        # At one time whenever it is done: the same paper is the same bytes.
        paper = render(generation.template_version, data, logo=logo_of(entity), at=generation.created_at)
    except ValidationError as error:
        raise JobRefused(" ".join(error.messages)) from error
    failpoint("generation.rendered")
    return blobs.keep(io.BytesIO(paper.content), content_type=paper.content_type)


def generate_step(job: Job, reporter: Reporter, prepared: Blob | None) -> Step:
    """
    Write the document with its number down first, and add what was made of it next.

    Each commits with its checkpoint, so that a job which is taken up again finds the number that it has drawn.

    :raises JobRefused: the owner may no longer do that, or somebody has put an end to the document meanwhile
    """
    generation = _generation(job)
    try:
        if generation.document is None:
            document = _write_down(generation)
            message = str(_("Number %(number)s") % {"number": document.number}) if document.number else ""
            return Step(checkpoint={"document": document.pk}, done=1, total=2, message=message)
        if prepared is None:
            raise RuntimeError("nothing was prepared")
        version = _add(generation, prepared)
    except Refusal as error:
        texts = error.messages if isinstance(error, ValidationError) else [str(error)]
        raise JobRefused(" ".join(texts)) from error
    result = {"generation": generation.pk, "document": generation.document_id, "version": version.pk}
    return Step(checkpoint=job.checkpoint, done=2, total=2, result=result)


def _generation(job: Job) -> Generation:
    rows = Generation.objects.select_related(
        "owner",
        "document",
        "legal_entity__logo",
        "template_version__blob",
        "template_version__template__document_type",
    )
    return rows.get(pk=job.params["generation"])


def _write_down(generation: Generation) -> Document:
    kind = generation.template_version.template.document_type
    targets = []
    if generation.target_id is not None:
        role = DocumentLink.Role(generation.target_role)
        targets = [Target(generation.target_model, generation.target_id, role)]
    document = documents.create_document(
        actor=generation.owner, targets=targets, type_id=kind.pk, title=generation.title
    )
    if kind.number_pattern:
        document = numbers.number_document(
            document.pk,
            actor=generation.owner,
            year=generation.paper_date.year,
            entity=generation.legal_entity,
        )
    generation.document = document
    generation.save(update_fields=["document"])
    failpoint("generation.numbered")
    return document


def _add(generation: Generation, blob: Blob) -> DocumentVersion:
    document = generation.document
    if document is None:
        raise ValueError("a version belongs to a document")
    suffix = ".pdf" if blob.content_type == "application/pdf" else ".docx"
    name = f"{generation.title} {document.number or ''}".strip()
    content = Content(blob, f"{name}{suffix}", source=DocumentVersion.Source.GENERATED)
    version = documents.add_version(document.pk, content, actor=generation.owner)
    generation.document_version, generation.finished_at = version, timezone.now()
    generation.save(update_fields=["document_version", "finished_at"])
    failpoint("generation.added")
    return version


def numbered(data: Mapping[str, Any], number: str | None) -> dict[str, Any]:
    """Return the data of a paper with the number that it was given."""
    return {**data, "document": {**data["document"], "number": number or ""}}
