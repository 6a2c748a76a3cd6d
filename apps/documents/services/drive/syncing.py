"""
Bringing one document and its file in Drive together: look, decide, act, write down, until nothing is left to decide.

Every act is three steps: what is intended is committed, Drive is called outside of any transaction, what came of it is
committed under the lease of the task. Each of them may be repeated.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.documents import events
from apps.documents.drive.client import Corrupt, Gone, RemoteFile, Revision, Transient
from apps.documents.drive.decisions import Content, Decision, Fate, Field
from apps.documents.drive.gate import client_of
from apps.documents.drive.naming import drive_name, title_of
from apps.documents.drive.places import label_of, place_of, text_of
from apps.documents.models import (
    Blob,
    DocumentVersion,
    DriveBinding,
    DriveConflict,
    DriveFolder,
    DriveTombstone,
    SyncTask,
)
from apps.documents.services import documents
from apps.documents.services.documents import Target
from apps.documents.services.drive import folders, keeping, proving, pushing, queue, stopping
from apps.documents.services.drive.contents import incoming, kept, outgoing
from apps.documents.services.drive.identifiers import PoolEmpty, fill_pool, take_ids
from apps.documents.services.drive.sights import (
    BASE,
    REMOTE,
    Sight,
    agree_on_content,
    agree_on_name,
    agree_on_parent,
    has_no_sum,
    note_missing,
    note_remote,
    sight_of,
)
from apps.events.failpoints import failpoint

State = DriveBinding.State
# Each round does one thing, and there are not more to do: fate, content twice, name and folder, and a look.
_ROUNDS = 10
_RESTING = {State.LINK_ONLY, State.DETACHED}


class Blocked(Exception):
    """A document cannot be brought in step as it is; somebody has to do something about it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.code = code
        self.words = words


class Postponed(Exception):
    """It is not the time for it yet."""

    def __init__(self, code: str, seconds: float) -> None:
        super().__init__(code)
        self.code = code
        self.seconds = seconds


def sync_binding(task: SyncTask) -> None:
    """
    Bring a binding in step and be done with its task.

    :raises DriveError: Drive did not do its part
    :raises Blocked: somebody has to do something
    :raises Postponed: it is too early
    :raises LostLease: somebody else does it by now
    """
    has_looked = False
    for _round in range(_ROUNDS):
        sight = _settled(sight_of(task))
        if sight.binding.state in _RESTING:
            queue.finish(task)
            return
        if sight.binding.agreed_at is None:
            if not pushing.is_new(sight):
                queue.finish(task)
                return
            require_small(sight.version.blob.size if sight.version else 0)
            _push_alone(sight)
            has_looked = True
            continue
        decision = sight.decision
        needs_look = not decision.is_quiet or sight.binding.pushing_version_id is not None
        if needs_look and not has_looked:
            look(sight)
            has_looked = True
            continue
        if not act(sight, decision):
            return
    raise Transient("it does not come to rest", reason="restless")


def is_small(sight: Sight) -> bool:
    """Tell whether a document is one that is kept in step."""
    version = sight.version
    return version is None or version.blob.size <= settings.GOOGLE_DRIVE_MAX_BYTES


def finish_quiet(sights: list[Sight]) -> set[int]:
    """
    Be done with the tasks of those bindings that nothing is to be done about; return the keys of the tasks.

    They are judged as they were seen: whatever was changed since is followed by a wish, and then the task goes on.
    """
    return queue.finish_all([sight.task for sight in sights if sight.decision.is_quiet])


def _settled(sight: Sight) -> Sight:
    """Write down where the document belongs by now."""
    binding = sight.binding
    if binding.agreed_at is None or binding.state in _RESTING:
        return sight
    before = (binding.place, binding.parent_id)
    while True:
        try:
            with transaction.atomic():
                folders.settle_place(binding)
        except PoolEmpty:
            fill_pool(sight.account, 1 + folders.DEEPEST)
            continue
        return sight if before == (binding.place, binding.parent_id) else sight_of(sight.task)


def _push_alone(sight: Sight) -> None:
    failures = pushing.Failures()
    pushing.push_new([sight], failures)
    for _task, error in failures.by_task:
        raise error


def require_small(size: int) -> None:
    """Insist that a content is not too large. :raises Blocked: it is"""
    limit = settings.GOOGLE_DRIVE_MAX_BYTES
    if size > limit:
        words = _("This file is larger than what is kept in step with Google Drive (%(limit)s bytes).")
        raise Blocked("too_large", words % {"limit": limit})


# Looking


def look(sight: Sight) -> None:
    """Ask Drive what it shows of a file, and what became of a content that may have arrived there unheard of."""
    binding, client = sight.binding, client_of(sight.account)
    try:
        file = client.get(sight.file_id)
    except Gone:
        note_missing(binding)
        proving.prove(sight)
    else:
        note_remote(binding, file)
        if binding.pushing_version is not None:
            _settle_push(sight, client.revisions(sight.file_id))
    with transaction.atomic():
        queue.hold(sight.task)
        binding.save(update_fields=[*REMOTE, *BASE, "pushing_version", "updated_at"])


def _settle_push(sight: Sight, revisions: list[Revision]) -> None:
    """Find out whether a content arrived that was sent when somebody died, and who was in between."""
    binding, version = sight.binding, sight.pushing
    sent = bytes(version.blob.md5).hex()
    since = _since(revisions, binding.base_revision_id)
    arrived = next((at for at, one in enumerate(since) if one.md5 == sent), None)
    if arrived is not None:
        _keep_races(sight, since[:arrived], ours=version)
        binding.base_md5, binding.base_size = sent, version.blob.size
        binding.base_revision_id, binding.base_version = since[arrived].id, version
    binding.pushing_version = None


def _since(revisions: list[Revision], base_revision_id: str) -> list[Revision]:
    """Return the revisions after the one that both sides agreed on; all where Drive has forgotten it."""
    at = next((at for at, one in enumerate(revisions) if one.id == base_revision_id), -1)
    return revisions[at + 1 :]


# Acting


def act(sight: Sight, decision: Decision) -> bool:
    """Do the first thing that was decided; tell whether there may be more to do."""
    if decision.fate is not Fate.NONE:
        return _FATES[decision.fate](sight)
    if decision.content is not Content.NONE:
        _CONTENTS[decision.content](sight)
        return True
    if decision.name is not Field.NONE or decision.parent is not Field.NONE:
        _do_fields(sight, decision)
        return True
    return _rest(sight, State.LOCAL_DELETED if sight.binding.base_is_trashed else State.SYNCED)


def _rest(sight: Sight, state: DriveBinding.State) -> bool:
    """Be done with a binding for now."""
    binding = sight.binding
    with transaction.atomic():
        queue.hold(sight.task)
        is_news = binding.state != state
        if is_news or binding.reason:
            binding.state, binding.reason, binding.note = state, "", ""
            binding.save(update_fields=["state", "reason", "note", "updated_at"])
            events.tell_watchers(binding.document_id)
        if is_news and state in {State.SYNCED, State.LOCAL_DELETED}:
            events.publish_synced([binding], actor_id=User.objects.system().pk)
        queue.finish(sight.task)
    return False


def _write(sight: Sight, *, state: DriveBinding.State | None = None) -> None:
    """Write down what both sides agree on, in the caller's transaction, which holds the task."""
    binding = sight.binding
    if state is not None:
        binding.state, binding.reason, binding.note = state, "", ""
    binding.save(
        update_fields=[
            *["state", "reason", "note", "pushing_version", "parent_id", "place", "folder", "updated_at"],
            *BASE,
            *REMOTE,
        ]
    )
    if state is not None:
        events.tell_watchers(binding.document_id)


# The fate of the whole file


def _agree_on_fate(sight: Sight) -> bool:
    with transaction.atomic():
        queue.hold(sight.task)
        sight.binding.base_is_trashed = sight.binding.remote_is_trashed
        sight.binding.vanished_at = None
        _write(sight, state=State.PUSH_PENDING)
    return True


def _trash(sight: Sight) -> bool:
    binding = sight.binding
    with transaction.atomic():
        queue.hold(sight.task)
        DriveTombstone.objects.get_or_create(
            root=sight.root,
            drive_file_id=sight.file_id,
            defaults={"document_id": binding.document_id},
        )
    failpoint("drive.tombstone")
    file = client_of(sight.account).trash(sight.file_id)
    failpoint("drive.trashed")
    with transaction.atomic():
        queue.hold(sight.task)
        note_remote(binding, file)
        binding.base_is_trashed = True
        binding.vanished_at = None
        _write(sight, state=State.PUSH_PENDING)
    return True


def _untrash(sight: Sight) -> bool:
    binding = sight.binding
    file = client_of(sight.account).untrash(sight.file_id)
    failpoint("drive.untrashed")
    if file.trashed:
        # A folder above is in the trash: the file is taken out of it, rather than all that lies in it.
        if binding.folder is not None:
            folders.lose_parent(sight.root, binding.folder, None)
        return _move_out_of_trash(sight)
    with transaction.atomic():
        queue.hold(sight.task)
        note_remote(binding, file)
        binding.base_is_trashed = False
        DriveTombstone.objects.filter(root=sight.root, drive_file_id=sight.file_id).delete()
        _write(sight, state=State.PUSH_PENDING)
    return True


def _move_out_of_trash(sight: Sight) -> bool:
    binding = sight.binding
    file = client_of(sight.account).update_metadata(
        sight.file_id,
        add_parents=[sight.root.folder_id],
        remove_parents=[binding.remote_parent_id],
    )
    with transaction.atomic():
        queue.hold(sight.task)
        note_remote(binding, file)
        agree_on_parent(binding)
        binding.base_is_trashed = file.trashed
        _write(sight, state=State.PUSH_PENDING)
    return True


def _archive(sight: Sight) -> bool:
    binding = sight.binding
    if not binding.is_vanishing_judged:
        if not stopping.judge_vanished(sight.root.pk):
            raise Postponed("root_stopped", 60.0)
        binding.is_vanishing_judged = True
    try:
        with transaction.atomic():
            queue.hold(sight.task)
            keeping.archive(binding.document_id)
            binding.base_is_trashed = True
            _write(sight, state=State.PUSH_PENDING)
    except ValidationError as error:
        if keeping.code_of(error) == "checked_out":
            raise Postponed("checked_out", 300.0) from error
        # On hold: it stays here, whatever happens there.
        return _mark(State.REMOTE_TRASHED)(sight)
    failpoint("drive.archived")
    return True


def _restore(sight: Sight) -> bool:
    with transaction.atomic():
        queue.hold(sight.task)
        keeping.restore(sight.binding.document_id)
        sight.binding.base_is_trashed = False
        _write(sight, state=State.PULL_PENDING)
    return True


def _revive(sight: Sight) -> bool:
    """Take a document out of the trash here because somebody works on it there, and say so."""
    binding = sight.binding
    with transaction.atomic():
        queue.hold(sight.task)
        keeping.restore(binding.document_id)
        _conflict(sight, DriveConflict.Kind.TRASHED_HERE, theirs=None)
        _write(sight, state=State.PULL_PENDING)
    return True


def _contradict(sight: Sight) -> bool:
    """Leave a document that was edited here and trashed there as it is, until somebody chooses."""
    with transaction.atomic():
        queue.hold(sight.task)
        _conflict(sight, DriveConflict.Kind.TRASHED_THERE, theirs=None)
        _write(sight)
    return _mark(State.CONFLICT)(sight)


def _recreate(sight: Sight) -> bool:
    """Put a document anew into Drive that was deleted there and changed here, under another identifier."""
    binding = sight.binding
    fill_pool(sight.account, 1)
    with transaction.atomic():
        queue.hold(sight.task)
        DriveTombstone.objects.get_or_create(
            root=sight.root, drive_file_id=sight.file_id, defaults={"document_id": binding.document_id}
        )
        [binding.drive_file_id] = take_ids(sight.account, 1)
        _forget_agreement(binding)
        binding.save()
    return True


def _forget_agreement(binding: DriveBinding) -> None:
    binding.agreed_at = binding.pushing_version = binding.proven_gone_at = binding.vanished_at = None
    binding.remote_version, binding.remote_is_missing, binding.remote_is_trashed = 0, False, False
    binding.base_is_trashed, binding.base_revision_id = False, ""
    binding.state = State.RESERVING


def _mark(state: DriveBinding.State) -> Callable[[Sight], bool]:
    """Return what only writes down how a binding stands."""
    return lambda sight: _rest(sight, state)


def _doubt(sight: Sight) -> bool:
    """Write down that a file is out of sight, and look again when that would prove something."""
    binding = sight.binding
    if binding.state != State.REMOTE_MISSING:
        with transaction.atomic():
            queue.hold(sight.task)
            _write(sight, state=State.REMOTE_MISSING)
    raise Postponed("not_proven", settings.GOOGLE_DRIVE_PROOF_SECONDS)


def _keep(sight: Sight) -> bool:
    is_gone_there = sight.binding.remote_is_trashed
    return _rest(sight, State.REMOTE_TRASHED if is_gone_there else State.SYNCED)


_FATES: dict[Fate, Callable[[Sight], bool]] = {
    Fate.AGREE: _agree_on_fate,
    Fate.TRASH: _trash,
    Fate.UNTRASH: _untrash,
    Fate.ARCHIVE: _archive,
    Fate.RESTORE: _restore,
    Fate.REVIVE: _revive,
    Fate.CONFLICT: _contradict,
    Fate.KEEP: _keep,
    Fate.UNSURE: _doubt,
    Fate.GONE: _mark(State.REMOTE_GONE),
    Fate.RECREATE: _recreate,
}


# The content


def _agree_on_content(sight: Sight) -> None:
    with transaction.atomic():
        queue.hold(sight.task)
        agree_on_content(sight.binding, sight.version)
        _write(sight)


def _push(sight: Sight) -> None:
    """Send the document's content as the next revision of its file, and see whether somebody was in between."""
    binding, version = sight.binding, sight.version
    if version is None:
        return
    require_small(version.blob.size)
    with transaction.atomic():
        queue.hold(sight.task)
        binding.pushing_version = version
        _write(sight, state=State.PUSH_PENDING)
    failpoint("drive.update_intended")
    client = client_of(sight.account)

    def store(address: str) -> None:
        queue.store_session(sight.task, address)

    with outgoing(version.blob, queue.Heartbeat([sight.task])) as content:
        file = client.update_content(
            sight.file_id, content, session=sight.task.session_uri or None, on_session=store
        )
    failpoint("drive.updated")
    between = [
        one
        for one in _since(client.revisions(sight.file_id), binding.base_revision_id)
        if one.id != file.head_revision_id
    ]
    _keep_races(sight, between, ours=version)
    with transaction.atomic():
        queue.hold(sight.task)
        _note_written(binding, file, version)
        agree_on_content(binding, version)
        binding.pushing_version = None
        _write(sight)
        SyncTask.objects.filter(pk=sight.task.pk).update(session_uri="")
    sight.task.session_uri = ""
    failpoint("drive.update_recorded")


def _note_written(binding: DriveBinding, file: RemoteFile, version: DocumentVersion) -> None:
    note_remote(binding, file)
    if has_no_sum(binding):
        binding.remote_md5 = bytes(version.blob.md5).hex()


def _keep_races(sight: Sight, between: list[Revision], *, ours: DocumentVersion) -> None:
    """Keep what somebody wrote there while we did: it is under ours by now, and Drive will forget it."""
    known = {bytes(md5).hex() for md5 in sight.document.versions.values_list("blob__md5", flat=True)}
    for revision in between:
        is_kept = DriveConflict.objects.filter(
            document_id=sight.document.pk, kind=DriveConflict.Kind.RACE, revision_id=revision.id
        ).exists()
        if revision.md5 is None or revision.size is None or revision.md5 in known or is_kept:
            continue
        with incoming() as file:
            client_of(sight.account).download_revision(
                sight.file_id, revision.id, file, md5=revision.md5, size=revision.size
            )
            blob = kept(file)
        _record_race(sight, revision, blob, ours)


@transaction.atomic
def _record_race(sight: Sight, revision: Revision, blob: Blob, ours: DocumentVersion) -> None:
    queue.hold(sight.task)
    who = revision.last_modifying_user
    theirs = keeping.set_aside(sight.binding, blob, file_name=_file_name(sight), who=who)
    keeping.record_conflict(
        sight.binding,
        DriveConflict.Kind.RACE,
        ours=ours,
        theirs=theirs,
        revision_id=revision.id,
        who=who,
    )


def _file_name(sight: Sight) -> str:
    return sight.binding.remote_name or sight.local_name


def _pull(sight: Sight) -> None:
    _take_theirs(sight, is_conflict=False)


def _pull_conflict(sight: Sight) -> None:
    _take_theirs(sight, is_conflict=True)


def _take_theirs(sight: Sight, *, is_conflict: bool) -> None:
    """Take the content from Drive as the next version; ours stays before it."""
    binding, ours = sight.binding, sight.version
    blob = _fetched(sight)
    if blob is None:
        return
    try:
        with transaction.atomic():
            queue.hold(sight.task)
            theirs = keeping.add_theirs(binding, blob, file_name=_file_name(sight))
            if is_conflict:
                _conflict(sight, DriveConflict.Kind.EDITED, theirs=theirs, ours=ours)
            agree_on_content(binding, theirs)
            # Its ending may be another one now; nobody has renamed it.
            binding.document.refresh_from_db()
            binding.base_local_name = _name_with(sight, theirs)
            _write(sight, state=State.PULL_PENDING)
    except ValidationError as error:
        code = keeping.code_of(error)
        if code == "checked_out":
            raise Postponed(code, 300.0) from error
        if code in {"type_refused", "too_large"}:
            raise Blocked(code, " ".join(error.messages)) from error
        _put_aside(sight, blob)
    failpoint("drive.pulled")


def _name_with(sight: Sight, version: DocumentVersion) -> str:
    """Return what a document is called in Drive with another content; as before where nobody renamed it here."""
    binding = sight.binding
    if sight.local_name != binding.base_local_name:
        return binding.base_local_name
    return drive_name(sight.document.title, version.file_name)[:300]


def _aside(sight: Sight) -> None:
    """Keep the content from Drive beside a document that does not change."""
    blob = _fetched(sight)
    if blob is not None:
        _put_aside(sight, blob)
        failpoint("drive.pulled")


@transaction.atomic
def _put_aside(sight: Sight, blob: Blob) -> None:
    queue.hold(sight.task)
    binding = sight.binding
    theirs = keeping.set_aside(binding, blob, file_name=_file_name(sight), who=binding.remote_user)
    _conflict(sight, DriveConflict.Kind.FIXED, theirs=theirs)
    # Theirs is kept; from here on ours is what has changed.
    agree_on_content(binding, theirs)
    _write(sight, state=State.PULL_PENDING)


def _fetched(sight: Sight) -> Blob | None:
    """
    Fetch what Drive holds and keep it; None where it has changed meanwhile, which is noted.

    :raises Blocked: it is not one that the platform takes
    """
    binding, client = sight.binding, client_of(sight.account)
    if has_no_sum(binding):
        raise Blocked(
            "no_checksum", _("Google Drive tells no checksum of this file, so that it cannot be verified.")
        )
    require_small(binding.remote_size)
    with incoming() as file:
        try:
            client.download(sight.file_id, file, md5=binding.remote_md5, size=binding.remote_size)
        except Corrupt:
            if not _has_moved(sight):
                raise
            return None
        failpoint("drive.downloaded")
        blob = kept(file)
    failpoint("drive.kept")
    return blob


def _has_moved(sight: Sight) -> bool:
    """Tell whether Drive shows another content than a moment ago, and note it."""
    before = sight.binding.remote_md5
    look(sight)
    return sight.binding.remote_md5 != before


def _conflict(
    sight: Sight,
    kind: DriveConflict.Kind,
    *,
    theirs: DocumentVersion | None,
    ours: DocumentVersion | None = None,
) -> None:
    keeping.record_conflict(
        sight.binding,
        kind,
        ours=ours or sight.version,
        theirs=theirs,
        revision_id=sight.binding.remote_revision_id,
        who=sight.binding.remote_user,
    )


_CONTENTS: dict[Content, Callable[[Sight], None]] = {
    Content.AGREE: _agree_on_content,
    Content.PUSH: _push,
    Content.PULL: _pull,
    Content.CONFLICT: _pull_conflict,
    Content.ASIDE: _aside,
}


# Name and folder


def _do_fields(sight: Sight, decision: Decision) -> None:
    """Rename and move where the platform decides, and follow where Drive does."""
    binding = sight.binding
    if Field.PUSH in {decision.name, decision.parent}:
        _push_fields(sight, decision)
        return
    with transaction.atomic():
        queue.hold(sight.task)
        if decision.parent is not Field.NONE:
            _follow_move(sight)
        if decision.name is not Field.NONE:
            _follow_name(sight, is_pulled=decision.name is Field.PULL)
        _write(sight, state=State.PULL_PENDING)
    binding.document.refresh_from_db()


def _push_fields(sight: Sight, decision: Decision) -> None:
    binding, name = sight.binding, sight.local().name
    is_moved = decision.parent is Field.PUSH
    if is_moved:
        folders.ensure_made(binding.folder)
    try:
        file = client_of(sight.account).update_metadata(
            sight.file_id,
            name=name if decision.name is Field.PUSH else None,
            add_parents=[binding.parent_id] if is_moved else [],
            remove_parents=[binding.remote_parent_id] if is_moved and binding.remote_parent_id else [],
        )
    except Gone as error:
        folders.lose_parent(sight.root, binding.folder, error)
        raise Transient("the folder is gone", reason="parentGone") from error
    failpoint("drive.renamed")
    with transaction.atomic():
        queue.hold(sight.task)
        note_remote(binding, file)
        if decision.name is Field.PUSH:
            agree_on_name(binding, sight.local_name)
        if is_moved:
            agree_on_parent(binding)
        _write(sight, state=State.PUSH_PENDING)


def _follow_name(sight: Sight, *, is_pulled: bool) -> None:
    """Call the document what its file is called in Drive."""
    binding, document = sight.binding, sight.document
    if is_pulled:
        file_name = sight.version.file_name if sight.version else ""
        title = title_of(binding.remote_name, file_name)
        documents.change_document(document.pk, actor=User.objects.system(), title=title)
        document.refresh_from_db()
    agree_on_name(binding, sight.local_name)


def _follow_move(sight: Sight) -> None:
    """Let the document belong where its file was moved in Drive."""
    binding, document = sight.binding, sight.document
    agree_on_parent(binding)
    folder = DriveFolder.objects.filter(root=sight.root, drive_file_id=binding.parent_id).first()
    binding.folder = folder
    if folder is not None:
        label = label_of(folder.owner_type)
        actor = User.objects.system()
        if label == "documents.folder":
            documents.change_document(document.pk, actor=actor, folder_id=folder.owner_id)
        else:
            documents.link_document(document.pk, Target(label, folder.owner_id), actor=actor)
    document.refresh_from_db()
    # It stays where somebody put it, until the document itself goes elsewhere.
    binding.place = text_of(place_of(document))
