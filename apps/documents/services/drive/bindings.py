"""Which documents stand in which roots."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import owned_rows
from apps.accounts.models import User
from apps.documents.drive.places import place_of
from apps.documents.models import Document, DriveBinding, DriveRoot
from apps.documents.services.drive import queue

State, Takes = DriveBinding.State, DriveRoot.Takes


def follow(document_id: int) -> None:
    """
    Have a document that changed brought in step: where it stands already, and where it is to stand from now on.

    It runs in the transaction of a receiver and asks nothing of Drive.
    """
    document = Document.objects.filter(pk=document_id).first()
    if document is None:
        return
    if document.archived_at is None and document.current_version_id is not None:
        _bind(document, _takers(document))
    queue.want_bindings(DriveBinding.objects.filter(document=document).values_list("pk", flat=True))


def _takers(document: Document) -> list[DriveRoot]:
    roots = DriveRoot.objects.exclude(takes=Takes.CHOSEN).exclude(direction=DriveRoot.Direction.PULL)
    has_place = place_of(document) is not None
    return [root for root in roots if root.takes == Takes.ALL or has_place]


def _bind(document: Document, roots: Iterable[DriveRoot]) -> None:
    DriveBinding.objects.bulk_create(
        [DriveBinding(document=document, root=root) for root in roots], ignore_conflicts=True
    )


@transaction.atomic
def put_into_root(document_id: int, root_id: int, *, actor: User) -> DriveBinding:
    """
    Put a document into a folder of Drive and keep it in step there; asking twice is asking once.

    :raises DoesNotExist: the document or the folder is out of sight
    :raises PermissionDenied: the actor may not change the document
    :raises ValidationError: "archived", "no_content", or the folder only gives ("only_pulls")
    """
    document = owned_rows.locked(Document, document_id, actor=actor, action="change")
    owned_rows.require_active(document)
    root = DriveRoot.objects.get(pk=root_id)
    if root.direction == DriveRoot.Direction.PULL:
        raise ValidationError(_("From this folder documents only come."), code="only_pulls")
    if document.current_version_id is None:
        raise ValidationError(_("This document has no content yet."), code="no_content")
    _bind(document, [root])
    # The task is locked before the binding, as workers do: the other way round each could wait for the other.
    queue.want_bindings(
        DriveBinding.objects.filter(document=document, root=root).values_list("pk", flat=True)
    )
    binding = DriveBinding.objects.select_for_update(no_key=True).get(document=document, root=root)
    if binding.state in {State.DETACHED, State.BLOCKED, State.REMOTE_GONE}:
        _begin_again(binding)
        # What was detached had no task; the document's lock keeps others from wishing for it meanwhile.
        queue.want_bindings([binding.pk])
    return binding


def _begin_again(binding: DriveBinding) -> None:
    binding.reason = binding.note = ""
    if binding.state == State.REMOTE_GONE or binding.agreed_at is None:
        # What is gone there, or was never ours, gets another identifier.
        binding.agreed_at = binding.pushing_version = binding.proven_gone_at = binding.vanished_at = None
        binding.drive_file_id = None
        binding.remote_version, binding.remote_is_missing, binding.remote_is_trashed = 0, False, False
        binding.state = State.RESERVING
    else:
        binding.state = State.PUSH_PENDING
    binding.save()


@transaction.atomic
def detach(binding_id: int, *, actor: User) -> DriveBinding:
    """
    Keep a document in step no longer; the file in Drive and the document stay as they are.

    :raises DoesNotExist: there is none in sight
    :raises PermissionDenied: the actor may not change the document
    """
    binding = _locked(binding_id, actor=actor)
    binding.state, binding.reason, binding.note = State.DETACHED, "", ""
    binding.save(update_fields=["state", "reason", "note", "updated_at"])
    return binding


@transaction.atomic
def sync_now(binding_id: int, *, actor: User) -> DriveBinding:
    """
    Look at a document in Drive now, also where it stopped.

    :raises DoesNotExist: there is none in sight
    :raises PermissionDenied: the actor may not change the document
    """
    queue.want_bindings([binding_id])
    binding = _locked(binding_id, actor=actor)
    if binding.state in {State.BLOCKED, State.REMOTE_GONE}:
        _begin_again(binding)
    return binding


def _locked(binding_id: int, *, actor: User) -> DriveBinding:
    """Lock a document and then its binding, as everybody does who locks both."""
    document_id = DriveBinding.objects.values_list("document", flat=True).get(pk=binding_id)
    owned_rows.locked(Document, document_id, actor=actor, action="change")
    return DriveBinding.objects.select_for_update(no_key=True).get(pk=binding_id)
