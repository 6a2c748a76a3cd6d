"""The folders that objects have in Drive: made under reserved identifiers, and never looked up by their names."""

from collections.abc import Sequence

from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from apps.documents.drive.client import Collision, Gone, Transient
from apps.documents.drive.gate import client_of
from apps.documents.drive.naming import LONGEST_TITLE, drive_name
from apps.documents.drive.places import Place, kind_of, places_of, text_of
from apps.documents.models import DriveBinding, DriveFolder, DriveRoot
from apps.documents.services.drive import stopping
from apps.documents.services.drive.identifiers import take_ids
from apps.documents.services.drive.sights import instance_of
from apps.events.failpoints import failpoint

State = DriveFolder.State
# Deeper than anybody's folders lie; who goes round in a circle is stopped here.
DEEPEST = 20


def settle_place(binding: DriveBinding) -> None:
    """
    Find out in which folder a document belongs and write it on its binding, in the caller's transaction.

    :raises PoolEmpty: there is no identifier at hand for a folder that has to be made
    """
    if settle_places([binding]):
        binding.save(update_fields=["folder", "place", "parent_id", "updated_at"])


def settle_places(bindings: Sequence[DriveBinding]) -> list[DriveBinding]:
    """
    Find out in which folders documents belong; return the bindings that this changes, which the caller saves.

    What somebody moved in Drive stays there until the document itself is moved here.

    :raises PoolEmpty: there is no identifier at hand for a folder that has to be made
    """
    places = places_of([binding.document for binding in bindings])
    found: dict[tuple[int, Place], DriveFolder | None] = {}
    changed: list[DriveBinding] = []
    for binding in bindings:
        place = places[binding.document_id]
        is_lost = (
            binding.agreed_at is None and binding.folder is not None and binding.folder.state == State.LOST
        )
        if binding.parent_id and binding.place == text_of(place) and not is_lost:
            continue
        if place is not None and (binding.root_id, place) not in found:
            found[binding.root_id, place] = _folder_of(binding.root, place)
        binding.folder = None if place is None else found[binding.root_id, place]
        binding.place = text_of(place)
        binding.parent_id = binding.folder.drive_file_id if binding.folder else binding.root.folder_id
        changed.append(binding)
    return changed


def _folder_of(root: DriveRoot, place: Place | None, depth: int = 0) -> DriveFolder | None:
    kind = kind_of(place[0]) if place is not None else None
    name = kind.name(place[1]) if kind is not None and place is not None else None
    if kind is None or name is None or place is None or depth > DEEPEST:
        return None
    parent = _folder_of(root, kind.parent(place[1]), depth + 1)
    owner_type = ContentType.objects.get_by_natural_key(*place[0].split(".", 1))
    known = DriveFolder.objects.filter(root=root, owner_type=owner_type, owner_id=place[1]).first()
    if known is None:
        [reserved] = take_ids(root.account, 1)
        # Somebody may be faster; the identifier is then never used.
        known, _is_new = DriveFolder.objects.get_or_create(
            root=root,
            owner_type=owner_type,
            owner_id=place[1],
            defaults={
                "drive_file_id": reserved,
                "name": drive_name(name)[:LONGEST_TITLE],
                "parent": parent,
            },
        )
    if known.state == State.LOST:
        [known.drive_file_id] = take_ids(root.account, 1)
        known.state, known.parent, known.remote_version = State.RESERVED, parent, 0
        known.save(update_fields=["drive_file_id", "state", "parent", "remote_version"])
    return known


def ensure_made(folder: DriveFolder | None) -> None:
    """
    Make a folder in Drive, and those above it, unless they are there; called outside of transactions.

    :raises Transient: a folder above is gone; the next try has another one
    """
    chain: list[DriveFolder] = []
    while folder is not None and folder.state != State.READY:
        chain.append(folder)
        folder = folder.parent
    for missing in reversed(chain):
        _make(missing)


def _make(folder: DriveFolder) -> None:
    root = folder.root
    parent_id = folder.parent.drive_file_id if folder.parent else root.folder_id
    try:
        made = client_of(root.account).create_folder(
            folder.drive_file_id,
            name=folder.name,
            parents=[parent_id],
            app_properties={"inst": instance_of(root.account)},
        )
    except Gone as error:
        lose_parent(root, folder.parent, error)
        raise Transient("the folder above is gone", reason="parentGone") from error
    except Collision:
        # Not ours: another identifier is taken with the next try.
        _set_state(folder, State.LOST)
        raise
    if made.trashed:
        _set_state(folder, State.LOST)
        lose_parent(root, folder.parent, None)
        raise Transient("the folder above is in the trash", reason="parentTrashed")
    failpoint("drive.folder_made")
    folder.state, folder.remote_version = State.READY, made.version
    folder.save(update_fields=["state", "remote_version"])


def lose_parent(root: DriveRoot, folder: DriveFolder | None, error: Gone | None) -> None:
    """Write down that a folder cannot be used any more; without that of the root nothing can be done at all."""
    if folder is not None:
        _set_state(folder, State.LOST)
    else:
        stopping.block(root.pk, error or Gone("the folder is in the trash", reason="folderTrashed"))


@transaction.atomic
def _set_state(folder: DriveFolder, state: DriveFolder.State) -> None:
    DriveFolder.objects.filter(pk=folder.pk).update(state=state)
    folder.state = state
