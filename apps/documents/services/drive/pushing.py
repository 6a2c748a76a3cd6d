"""
New files on their way to Drive, many at a time.

The identifier of each is committed before its upload, and what came of it after. A process that dies in between leaves an
identifier under which the same upload is tried again: Drive answers that something stands there, and that is looked at.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.rows import set_columns
from apps.documents import events
from apps.documents.drive import metering
from apps.documents.drive.client import (
    RESUMABLE_ABOVE,
    Collision,
    DailyLimit,
    DriveError,
    Gone,
    LoginRefused,
    QuotaFull,
    RateLimited,
    RemoteFile,
    Transient,
)
from apps.documents.drive.decisions import Direction
from apps.documents.drive.gate import client_of
from apps.documents.models import DriveBinding, DriveFolder, SyncTask
from apps.documents.services.drive import folders, queue
from apps.documents.services.drive.contents import ContentLost, outgoing
from apps.documents.services.drive.identifiers import PoolEmpty, fill_pool, take_ids
from apps.documents.services.drive.shipping import Parcel, Shipment
from apps.documents.services.drive.sights import (
    BASE,
    REMOTE,
    Sight,
    agree_on_content,
    note_remote,
    properties_of,
)
from apps.events.failpoints import failpoint

State = DriveBinding.State
# What has arrived is written down so often: a process that dies asks again about no more than that.
_RECORD_SECONDS = 1.0
_RECORD_COUNT = 100
# Whoever waits for the next to arrive looks up so often.
_LISTEN_SECONDS = 0.5
# A file may need a folder of its own, within one of its company's.
_IDS_EACH = 3
_RESERVED = [
    *["drive_file_id", "state", "reason", "note", "pushing_version_id", "base_name", "base_local_name"],
    *["place", "folder_id", "parent_id"],
]
_RECORDED = [
    *["state", "pushing_version_id", "parent_id"],
    *("base_version_id" if name == "base_version" else name for name in [*BASE, *REMOTE]),
]


@dataclass
class Arrival:
    """What stands in Drive under the identifier of a binding after its upload."""

    sight: Sight
    file: RemoteFile


def is_new(sight: Sight) -> bool:
    """Tell whether a document is still to be put into Drive for the first time."""
    binding = sight.binding
    return (
        binding.agreed_at is None
        and binding.state in {State.RESERVING, State.PUSHING, State.BLOCKED}
        and sight.version is not None
        and (sight.document.archived_at is None or binding.state == State.PUSHING)
        and sight.root.direction != Direction.PULL
    )


# What is refused to one file is refused to all; whoever lost a lease has been too slow for all of them.
_FOR_ALL = (RateLimited, DailyLimit, QuotaFull, LoginRefused, queue.LostLease)


class Failures:
    """
    Where the errors of single files go while the others go on.

    :ivar left: the tasks of files that were not sent because of what another one met, or for want of time
    """

    def __init__(self) -> None:
        self.by_task: list[tuple[SyncTask, Exception]] = []
        self.left: list[SyncTask] = []

    def add(self, task: SyncTask, error: Exception) -> None:
        self.by_task.append((task, error))


def push_new(sights: Iterable[Sight], failures: Failures, until: float = math.inf) -> list[Sight]:
    """
    Put documents of one account into Drive that are not there; return those that arrived, as they stand then.

    :param failures: hears what went wrong with which, and with whom nothing was begun
    :param until: when to begin with no more of them, on the monotonic clock
    """
    reserved = _reserved(list(sights))
    failpoint("drive.reserved")
    journey = _Journey(reserved, failures, until)
    ready = journey.with_folders(reserved)
    small = [sight for sight in ready if is_sent_whole(sight)]
    large = [sight for sight in ready if not is_sent_whole(sight)]
    journey.send_together(small)
    journey.send_alone(large)
    journey.record()
    return journey.done


def is_sent_whole(sight: Sight) -> bool:
    """Tell whether a content is one request, rather than a session that goes on where it broke."""
    return sight.pushing.blob.size <= RESUMABLE_ABOVE and not sight.task.session_uri


def _reserved(sights: list[Sight]) -> list[Sight]:
    """Give each its identifier and its folder, and commit that before anything is sent."""
    if not sights:
        return []
    while True:
        fill_pool(sights[0].account, _IDS_EACH * len(sights))
        try:
            with transaction.atomic():
                queue.hold(*(sight.task for sight in sights))
                _reserve(sights)
        except PoolEmpty:
            # Others were faster.
            continue
        return sights


def _reserve(sights: list[Sight]) -> None:
    bindings = [sight.binding for sight in sights]
    unnamed = [binding for binding in bindings if binding.drive_file_id is None]
    ids = take_ids(sights[0].account, len(unnamed)) if unnamed else []
    for binding, reserved in zip(unnamed, ids, strict=True):
        binding.drive_file_id = reserved
    folders.settle_places(bindings)
    for sight in sights:
        binding = sight.binding
        # What may have arrived already is what is sent again, though there be a newer one by now.
        if binding.pushing_version is None:
            binding.pushing_version = sight.version
            binding.base_name = binding.base_local_name = sight.local_name
        binding.state, binding.reason, binding.note = State.PUSHING, "", ""
    _save(bindings, _RESERVED)


def _save(bindings: list[DriveBinding], names: list[str]) -> None:
    now = timezone.now()
    for binding in bindings:
        binding.updated_at = now
    set_columns(bindings, [*names, "updated_at"])


class _Journey:
    """
    New files of one account on their way: some are being sent, others have arrived and are written down together.

    :ivar done: those of which it is written down
    """

    def __init__(self, sights: list[Sight], failures: Failures, until: float) -> None:
        self.done: list[Sight] = []
        self._failures = failures
        self._until = until
        self._heartbeat = queue.Heartbeat(sight.task for sight in sights)
        self._arrivals: list[Arrival] = []
        self._recorded_at = time.monotonic()
        self._is_refused = False

    def is_over(self) -> bool:
        """Tell whether no more of them are to be begun with."""
        return self._is_refused or time.monotonic() >= self._until

    def with_folders(self, sights: list[Sight]) -> list[Sight]:
        """Make the folders that files are to lie in; return the files whose folder is there."""
        met: dict[int | None, DriveError | None] = {None: None}
        ready: list[Sight] = []
        for sight in sights:
            folder = sight.binding.folder
            pk = folder.pk if folder else None
            if pk not in met and self.is_over():
                self._failures.left.append(sight.task)
                continue
            if pk not in met:
                met[pk] = self._made(folder)
            error = met[pk]
            if error is None:
                ready.append(sight)
            else:
                self._fail(sight, error)
        return ready

    def _made(self, folder: DriveFolder | None) -> DriveError | None:
        try:
            folders.ensure_made(folder)
        except DriveError as error:
            return error
        return None

    def send_together(self, sights: list[Sight]) -> None:
        """Send small contents, several at once."""
        if not sights or self.is_over():
            self._failures.left += [sight.task for sight in sights]
            return
        by_task = {sight.task.pk: sight for sight in sights}
        parcels = [_parcel_of(sight) for sight in sights]
        connections = settings.GOOGLE_DRIVE_UPLOADS_AT_ONCE
        with Shipment(client_of(sights[0].account), parcels, connections) as shipment:
            while not shipment.is_over:
                delivered = shipment.next(_LISTEN_SECONDS)
                if delivered is not None:
                    self._hear(by_task[delivered.parcel.key], delivered.outcome)
                self._keep()
                if self.is_over():
                    self._failures.left += [by_task[parcel.key].task for parcel in shipment.stop()]

    def send_alone(self, sights: list[Sight]) -> None:
        """Send large contents one after the other, each in parts."""
        for sight in sights:
            if self.is_over():
                self._failures.left.append(sight.task)
                continue
            try:
                outcome: RemoteFile | Exception = _sent_in_parts(sight, self._heartbeat)
            except (DriveError, ContentLost, queue.LostLease) as error:
                outcome = error
            self._hear(sight, outcome)
            self._keep()

    def _hear(self, sight: Sight, outcome: RemoteFile | Exception) -> None:
        try:
            self._arrivals.append(Arrival(sight, _standing(sight, outcome)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone and the others go on
            self._fail(sight, error)
        failpoint("drive.uploaded")

    def _fail(self, sight: Sight, error: Exception) -> None:
        self._failures.add(sight.task, error)
        self._is_refused = self._is_refused or isinstance(error, _FOR_ALL)

    def _keep(self) -> None:
        """Keep the tasks in our hands, and write down what arrived once it is time."""
        try:
            self._heartbeat()
        except queue.LostLease:
            self._is_refused = True
        metering.write_down_often()
        if len(self._arrivals) >= _RECORD_COUNT or time.monotonic() - self._recorded_at >= _RECORD_SECONDS:
            self.record()

    def record(self) -> None:
        """Write down what stands in Drive, all of it in one transaction, and alone what does not fit in."""
        arrivals, self._arrivals = self._arrivals, []
        self.done += _recorded(arrivals, self._failures)
        self._recorded_at = time.monotonic()


def _parcel_of(sight: Sight) -> Parcel:
    binding = sight.binding
    return Parcel(
        key=sight.task.pk,
        file_id=sight.file_id,
        name=binding.base_name,
        parent_id=binding.parent_id,
        blob=sight.pushing.blob,
        app_properties=properties_of(binding),
    )


def _sent_in_parts(sight: Sight, heartbeat: queue.Heartbeat) -> RemoteFile:
    """
    Send a content with its session written down, so that it goes on where it breaks; return what stands there then.

    :raises DriveError: it did not arrive, or something else stands there
    """
    binding = sight.binding

    def store(address: str) -> None:
        queue.store_session(sight.task, address)
        failpoint("drive.session_stored")

    with outgoing(sight.pushing.blob, heartbeat) as content:
        return client_of(sight.account).create(
            sight.file_id,
            name=binding.base_name,
            parents=[binding.parent_id],
            content=content,
            app_properties=properties_of(binding),
            session=sight.task.session_uri or None,
            on_session=store,
        )


def _standing(sight: Sight, outcome: RemoteFile | Exception) -> RemoteFile:
    """
    Return what stands in Drive under the identifier of a binding after its upload.

    :raises DriveError: it did not arrive, or something else stands there
    """
    match outcome:
        case RemoteFile():
            return outcome
        case Collision():
            return _arrived_earlier(sight, outcome)
        case Gone():
            folders.lose_parent(sight.root, sight.binding.folder, outcome)
            raise Transient("the folder is gone", reason="parentGone") from outcome
        case _:
            raise outcome


def _arrived_earlier(sight: Sight, collision: Collision) -> RemoteFile:
    """
    Return what an earlier try has made, though somebody has changed it since.

    :raises Collision: it is not ours
    """
    found, ours = collision.file, properties_of(sight.binding)
    if found is None or any(found.app_properties.get(key) != value for key, value in ours.items()):
        raise collision
    return found


def _recorded(arrivals: list[Arrival], failures: Failures) -> list[Sight]:
    """Write down what stands in Drive, all of it in one transaction, and alone what does not fit in."""
    if not arrivals:
        return []
    try:
        _record(arrivals)
    except queue.LostLease:
        return [sight for arrival in arrivals for sight in _recorded_alone(arrival, failures)]
    failpoint("drive.recorded")
    return [arrival.sight for arrival in arrivals]


def _recorded_alone(arrival: Arrival, failures: Failures) -> list[Sight]:
    try:
        _record([arrival])
    except queue.LostLease as error:
        failures.add(arrival.sight.task, error)
        return []
    return [arrival.sight]


@transaction.atomic
def _record(arrivals: list[Arrival]) -> None:
    queue.hold(*(arrival.sight.task for arrival in arrivals))
    bindings = [arrival.sight.binding for arrival in arrivals]
    rows = DriveBinding.objects.select_for_update().filter(pk__in=[binding.pk for binding in bindings])
    seen = {row.pk: row for row in rows.order_by("pk").only("pk", *REMOTE)}
    for arrival in arrivals:
        _agree(arrival)
        _keep_newer(arrival.sight.binding, seen[arrival.sight.binding.pk])
    _save(bindings, _RECORDED)
    events.publish_synced(bindings, actor_id=User.objects.system().pk)


def _keep_newer(binding: DriveBinding, seen: DriveBinding) -> None:
    """Let stand what the log has shown of a file meanwhile: somebody was quick to change it."""
    if seen.remote_version > binding.remote_version:
        for name in REMOTE:
            setattr(binding, name, getattr(seen, name))


def _agree(arrival: Arrival) -> None:
    binding, file, version = arrival.sight.binding, arrival.file, arrival.sight.pushing
    sent = bytes(version.blob.md5).hex()
    note_remote(binding, file)
    if binding.remote_md5.startswith("?"):
        # Drive tells no sum of it; what was just sent is what it holds.
        binding.remote_md5 = sent
    agree_on_content(binding, version)
    if binding.remote_md5 != sent:
        # Somebody has edited it since it arrived: what they hold is new, and ours is what it was before.
        binding.base_md5, binding.base_size, binding.base_revision_id = sent, version.blob.size, ""
    # The name is that which was sent, and so is the folder: another one there is what somebody made of it.
    binding.base_parent_id = binding.parent_id
    binding.base_is_trashed = False
    binding.agreed_at = timezone.now()
    binding.state, binding.pushing_version = State.SYNCED, None
