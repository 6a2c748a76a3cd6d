"""
The one way to Google Drive: everything that the platform asks of it goes through `Drive`.

It knows no models. Google's library takes half a second to import and is imported when the first `Drive` is made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

from apps.documents.drive import answers, costs, uploads
from apps.documents.drive.account import GOOGLE, Account, Meter, Pace, Patience, Usage
from apps.documents.drive.costs import Cost
from apps.documents.drive.errors import (
    Collision,
    Corrupt,
    DailyLimit,
    DriveError,
    Forbidden,
    Gone,
    Invalid,
    Later,
    LoginRefused,
    QuotaFull,
    RateLimited,
    Transient,
)
from apps.documents.drive.remote import (
    FOLDER,
    About,
    Change,
    ChangePage,
    Channel,
    Probe,
    RemoteFile,
    Revision,
    SharedDrive,
)
from apps.documents.drive.sums import Content, Sink

__all__ = [
    "FOLDER",
    "GOOGLE",
    "About",
    "Account",
    "Change",
    "ChangePage",
    "Channel",
    "Collision",
    "Content",
    "Corrupt",
    "DailyLimit",
    "Drive",
    "DriveError",
    "Forbidden",
    "Gone",
    "Invalid",
    "Later",
    "LoginRefused",
    "Meter",
    "Pace",
    "Patience",
    "Probe",
    "QuotaFull",
    "RateLimited",
    "RemoteFile",
    "Revision",
    "SharedDrive",
    "Transient",
    "Usage",
]

T = TypeVar("T")
# Above it an upload is cut into parts, and can go on after it stopped.
RESUMABLE_ABOVE = 5 << 20
# Drive gives no more in one page.
PAGE = 1000
LARGEST_EXPORT = 10 << 20
# A content that arrives damaged is transferred once more.
_TRANSFERS = 2
_FILES = f"nextPageToken,files({answers.FILE_FIELDS})"
_CHANGES = f"nextPageToken,newStartPageToken,changes(changeType,fileId,removed,time,driveId,file({answers.FILE_FIELDS}))"


class Drive:
    """
    Google Drive as one account sees it; threads may share one, and one should be kept per account and process.

    Each method tries again by itself within `patience` and then raises a `DriveError`. `Later` (with `wait`) may work
    another time, all else needs a decision. Nothing that was uploaded twice stands twice: ids are reserved first.
    """

    def __init__(
        self,
        account: Account,
        *,
        meter: Meter | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        # Here and not above: whoever only names a `Drive` or its errors does not wait for it.
        from apps.documents.drive.transport import Transport  # noqa: PLC0415

        self.account = account
        self._transport = Transport(account, meter or unmetered, pace or unpaced, patience or Patience())

    @cached_property
    def _creation(self) -> uploads.Prepared:
        # The library's way to an address costs more than all else that is done for a small file.
        creation = self._transport.files.create(body={}, fields=answers.FILE_FIELDS, **_KNOWS_DRIVES)
        return uploads.Prepared(creation.uri, creation.method, creation.headers, creation.body)

    def close(self) -> None:
        """Close the connections of this thread."""
        self._transport.close()

    # What is there

    def about(self) -> About:
        """Return who the account is and how much room it has."""
        request = self._transport.about.get(fields="user,storageQuota,maxUploadSize")
        return self._ask(costs.reading("about.get"), request, answers.about)

    def drives(self) -> Iterator[SharedDrive]:
        """Walk through the shared drives that the account is a member of."""
        call = self._transport.drives.list
        fields = f"nextPageToken,drives({answers.DRIVE_FIELDS})"
        for page in self._pages("drives.list", call, pageSize=100, fields=fields):
            yield from map(answers.shared_drive, page["drives"])

    def drive(self, drive_id: str) -> SharedDrive:
        """
        Return a shared drive.

        :raises Gone: the account is no member, or there is none
        """
        request = self._transport.drives.get(driveId=drive_id, fields=answers.DRIVE_FIELDS)
        return self._ask(costs.reading("drives.get"), request, answers.shared_drive)

    def get(self, file_id: str) -> RemoteFile:
        """
        Return a file or folder as it is now, in the trash or not.

        :raises Gone: the account sees none
        """
        request = self._transport.files.get(fileId=file_id, fields=answers.FILE_FIELDS, **_KNOWS_DRIVES)
        return self._ask(costs.reading("files.get"), request, answers.remote_file)

    def list_folder(
        self, folder_id: str, *, drive_id: str | None = None, with_trashed: bool = False
    ) -> Iterator[RemoteFile]:
        """Walk through what lies directly in a folder; what was made a moment ago may be missing."""
        query = f"{_quoted(folder_id)} in parents"
        yield from self._list(query if with_trashed else f"{query} and trashed = false", drive_id)

    def list_drive(self, drive_id: str | None, *, with_trashed: bool = True) -> Iterator[RemoteFile]:
        """Walk through everything in a shared drive; what was made a moment ago may be missing."""
        yield from self._list("" if with_trashed else "trashed = false", drive_id)

    def revisions(self, file_id: str) -> list[Revision]:
        """Return the contents that a file had, the oldest first; Drive forgets them after thirty days."""
        call = self._transport.revisions.list
        fields = f"nextPageToken,revisions({answers.REVISION_FIELDS})"
        pages = self._pages("revisions.list", call, fileId=file_id, pageSize=PAGE, fields=fields)
        return [answers.revision(one) for page in pages for one in page["revisions"]]

    # Bytes that come

    def download(self, file_id: str, into: BinaryIO, *, md5: str, size: int) -> None:
        """
        Write the content of a file into a stream that can seek, from its beginning, and see that it is the expected one.

        A broken connection goes on where it broke. What `into` holds after an error is of no use.

        :raises Corrupt: it is another content, also after trying again
        """
        request = self._transport.files.get_media(fileId=file_id, **_KNOWS_DRIVES)
        self._download("files.get", request, into, md5, size)

    def download_revision(
        self, file_id: str, revision_id: str, into: BinaryIO, *, md5: str, size: int
    ) -> None:
        """
        Write an earlier content of a file into a stream, as `download` does.

        :raises Gone: Drive has forgotten it
        """
        request = self._transport.revisions.get_media(fileId=file_id, revisionId=revision_id)
        self._download("revisions.get", request, into, md5, size)

    def export(self, file_id: str, into: BinaryIO, *, mime: str) -> int:
        """
        Write a document of Google's own into a stream in another format; return its size. Drive gives 10 MB at most.

        :raises Invalid: it has no such format
        :raises Forbidden: it is too large ("exportSizeLimitExceeded")
        """
        request = self._transport.files.export_media(fileId=file_id, mimeType=mime)
        sink = Sink(into, LARGEST_EXPORT, None)
        self._transport.fetch(costs.downloading("files.export"), request, sink, mime=mime)
        return sink.size

    # Changes to files

    def generate_ids(self, count: int) -> list[str]:
        """Reserve ids for files and folders, up to 1,000, which never expire."""
        request = self._transport.files.generateIds(count=count, space="drive", fields="ids")
        return self._ask(
            costs.other("files.generateIds"), request, lambda told: [str(one) for one in told["ids"]]
        )

    def create(
        self,
        file_id: str,
        *,
        name: str,
        parents: Sequence[str],
        content: Content,
        app_properties: Mapping[str, str] | None = None,
        session: str | None = None,
        on_session: Callable[[str], None] | None = None,
    ) -> RemoteFile:
        """
        Create a file under a reserved id; when it is already there with this content, return it.

        Above 5 MB the upload can be resumed: `on_session` hears the address to store, before the first byte is sent, and
        `session` is such an address of an earlier try. One that has expired is replaced, and `on_session` hears of that.

        :raises Collision: something else stands under the id; compare its `file` with what was meant
        :raises QuotaFull: there is no room
        :raises Gone: the folder is not there
        """
        meant: dict[str, Any] = {
            "id": file_id,
            "name": name,
            "parents": list(parents),
            "mimeType": content.mime,
        }
        meant["appProperties"] = dict(app_properties or {})
        request = self._creation.saying(meant)
        try:
            made = self._upload("files.create", request, content, session, on_session)
        except Collision as collision:
            return self._verified(file_id, content, app_properties or {}, collision)
        return self._arrived(made, content)

    def create_folder(
        self,
        folder_id: str,
        *,
        name: str,
        parents: Sequence[str],
        app_properties: Mapping[str, str] | None = None,
    ) -> RemoteFile:
        """
        Create a folder under a reserved id; when a folder is already there under it, return it as it is.

        :raises Collision: a file stands under the id
        """
        meant: dict[str, Any] = {"id": folder_id, "name": name, "parents": list(parents), "mimeType": FOLDER}
        meant["appProperties"] = dict(app_properties or {})
        request = self._transport.files.create(body=meant, fields=answers.FILE_FIELDS, **_KNOWS_DRIVES)
        try:
            return self._ask(costs.editing("files.create"), request, answers.remote_file)
        except Collision as collision:
            found = self._standing(folder_id, collision)
            if found.is_folder and _is_ours(found, app_properties or {}):
                return found
            raise Collision(str(collision), reason=collision.reason, file=found) from collision

    def update_content(
        self,
        file_id: str,
        content: Content,
        *,
        session: str | None = None,
        on_session: Callable[[str], None] | None = None,
    ) -> RemoteFile:
        """
        Give a file a new content, which becomes its head revision; `session` and `on_session` are those of `create`.

        Drive takes no conditions: read the file before, and its revisions after, to see whether somebody was in between.
        """
        updated = self._upload("files.update", self._rewriting(file_id), content, session, on_session)
        return self._arrived(updated, content)

    def update_metadata(
        self,
        file_id: str,
        *,
        name: str | None = None,
        add_parents: Sequence[str] = (),
        remove_parents: Sequence[str] = (),
        app_properties: Mapping[str, str | None] | None = None,
    ) -> RemoteFile:
        """Rename a file, move it, or set properties of it (None takes one away); what is not given stays."""
        meant: dict[str, Any] = {} if name is None else {"name": name}
        if app_properties is not None:
            meant["appProperties"] = dict(app_properties)
        moves = {"addParents": ",".join(add_parents), "removeParents": ",".join(remove_parents)}
        return self._update(file_id, meant, **{key: value for key, value in moves.items() if value})

    def trash(self, file_id: str) -> RemoteFile:
        """Move a file or folder to the trash; nothing happens when it is there."""
        return self._update(file_id, {"trashed": True})

    def untrash(self, file_id: str) -> RemoteFile:
        """Take a file or folder out of the trash; nothing happens when it is not there."""
        return self._update(file_id, {"trashed": False})

    def delete(self, file_id: str) -> None:
        """
        Delete a file forever; nothing happens when it is gone.

        :raises Forbidden: in a shared drive only organizers may
        """
        request = self._transport.files.delete(fileId=file_id, **_KNOWS_DRIVES)
        with suppress(Gone):
            self._ask(costs.editing("files.delete"), request, lambda told: None)

    # What changes

    def start_page_token(self, drive_id: str | None) -> str:
        """Return the present end of a drive's log: take it before the first listing."""
        request = self._transport.changes.getStartPageToken(**_of_drive(drive_id))
        cost = costs.other("changes.getStartPageToken")
        return self._ask(cost, request, lambda told: str(told["startPageToken"]))

    def changes(self, drive_id: str | None, token: str) -> Iterator[ChangePage]:
        """Walk through a drive's log from a token on; store the token of each page together with its effects."""
        is_last = False
        while not is_last:
            request = self._transport.changes.list(
                pageToken=token,
                pageSize=PAGE,
                fields=_CHANGES,
                includeItemsFromAllDrives=drive_id is not None,
                **_of_drive(drive_id),
            )
            page = self._ask(costs.listing("changes.list"), request, _change_page)
            token, is_last = page.token, page.is_last
            yield page

    def watch(
        self,
        drive_id: str | None,
        *,
        channel_id: str,
        page_token: str,
        secret: str,
        address: str,
        ttl: timedelta,
    ) -> Channel:
        """
        Have Drive post to an address when a drive changes; store the channel before, the first post may be quicker.

        :param secret: what Drive sends back as `X-Goog-Channel-Token`
        :raises Collision: a channel of this id was opened, perhaps by an earlier try: take a new id
        :raises Invalid: Drive does not like the address
        """
        channel = {
            "id": channel_id,
            "type": "web_hook",
            "address": address,
            "token": secret,
            "params": {"ttl": str(int(ttl.total_seconds()))},
        }
        request = self._transport.changes.watch(
            pageToken=page_token,
            body=channel,
            includeItemsFromAllDrives=drive_id is not None,
            **_of_drive(drive_id),
        )
        return self._ask(costs.other("changes.watch"), request, answers.channel)

    def stop(self, channel_id: str, resource_id: str) -> None:
        """Close a channel; nothing happens when it is closed."""
        request = self._transport.channels.stop(body={"id": channel_id, "resourceId": resource_id})
        with suppress(Gone):
            self._ask(costs.other("channels.stop"), request, lambda told: None)

    # Whether it works

    def probe(self, drive_id: str | None, folder_id: str) -> Probe:
        """
        Try what the platform needs in a folder of a shared drive: see it, create a small file in it, trash that.

        :raises DriveError: the first thing that does not work, with its reason
        """
        drive = None if drive_id is None else self.drive(drive_id)
        folder = self.get(folder_id)
        if not folder.is_folder or folder.drive_id != drive_id:
            raise Invalid("the folder does not lie in the drive", reason="notInDrive")
        [file_id] = self.generate_ids(1)
        trial = Content.of(BytesIO(b"Whether files can be written here."), "text/plain")
        self.create(file_id, name="Artel was here", parents=[folder_id], content=trial)
        arrived = BytesIO()
        self.download(file_id, arrived, md5=trial.md5, size=trial.size)
        self.trash(file_id)
        can_delete = self._can_delete(file_id)
        if can_delete:
            self.delete(file_id)
        return Probe(drive, folder, can_delete=can_delete)

    # Within

    def _ask(self, cost: Cost, request: Any, read: Callable[[Any], T]) -> T:
        return self._transport.ask(cost, request, read)

    def _pages(self, name: str, call: Callable[..., Any], **options: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            request = call(pageToken=token, **options)
            page: dict[str, Any] = self._ask(costs.listing(name), request, dict)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return

    def _list(self, query: str, drive_id: str | None) -> Iterator[RemoteFile]:
        where = {} if drive_id is None else {"driveId": drive_id, "corpora": "drive"}
        call = self._transport.files.list
        options = {"q": query or None, "pageSize": PAGE, "fields": _FILES, "includeItemsFromAllDrives": True}
        for page in self._pages("files.list", call, **options, **where, **_KNOWS_DRIVES):
            yield from map(answers.remote_file, page["files"])

    def _update(self, file_id: str, meant: dict[str, Any], **moves: str) -> RemoteFile:
        request = self._transport.files.update(
            fileId=file_id, body=meant, fields=answers.FILE_FIELDS, **moves, **_KNOWS_DRIVES
        )
        return self._ask(costs.editing("files.update"), request, answers.remote_file)

    def _download(self, name: str, request: Any, into: BinaryIO, md5: str, size: int) -> None:
        cost = costs.downloading(name)
        for _ in range(_TRANSFERS):
            sink = Sink(into, size, size)
            sink.restart()
            self._transport.fetch(cost, request, sink)
            if sink.md5() == md5:
                return
        raise Corrupt("another content arrives than was expected", reason="md5")

    def _upload(
        self,
        name: str,
        request: Any,
        content: Content,
        session: str | None,
        on_session: Callable[[str], None] | None,
    ) -> RemoteFile:
        cost = costs.editing(name)
        if content.size <= RESUMABLE_ABOVE and session is None:
            return answers.remote_file(uploads.send_whole(self._transport, cost, request, content))
        upload = uploads.Upload(self._transport, cost, request, content, session, on_session)
        return answers.remote_file(upload.run())

    def _arrived(self, file: RemoteFile, content: Content) -> RemoteFile:
        """
        Return a file that was just written, written once more if it does not hold what was sent.

        :raises Corrupt: it does not hold it then either
        """
        if content.is_in(file):
            return file
        again = self._upload("files.update", self._rewriting(file.id), content, None, None)
        if not content.is_in(again):
            raise Corrupt("another content arrives there than was sent", reason="md5")
        return again

    def _rewriting(self, file_id: str) -> Any:
        return self._transport.files.update(
            fileId=file_id, body={}, fields=answers.FILE_FIELDS, **_KNOWS_DRIVES
        )

    def _verified(
        self, file_id: str, content: Content, app_properties: Mapping[str, str], collision: Collision
    ) -> RemoteFile:
        """
        Return what an earlier try has made under an id.

        :raises Collision: something else stands there
        """
        found = self._standing(file_id, collision)
        if content.is_in(found) and _is_ours(found, app_properties):
            return found
        raise Collision(str(collision), reason=collision.reason, file=found) from collision

    def _standing(self, file_id: str, collision: Collision) -> RemoteFile:
        try:
            return self.get(file_id)
        except Gone:
            raise collision from None

    def _can_delete(self, file_id: str) -> bool:
        request = self._transport.files.get(fileId=file_id, fields="capabilities(canDelete)", **_KNOWS_DRIVES)
        cost = costs.reading("files.get")
        return self._ask(cost, request, lambda told: bool(told["capabilities"]["canDelete"]))


# Without it Drive hides all that lies in shared drives.
_KNOWS_DRIVES = {"supportsAllDrives": True}


def unmetered(usage: Usage) -> None:
    """Count nothing."""


def unpaced() -> None:
    """Wait for nothing."""


def _of_drive(drive_id: str | None) -> dict[str, Any]:
    return _KNOWS_DRIVES if drive_id is None else {"driveId": drive_id, **_KNOWS_DRIVES}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_ours(file: RemoteFile, app_properties: Mapping[str, str]) -> bool:
    return all(file.app_properties.get(key) == value for key, value in app_properties.items())


def _change_page(told: Mapping[str, Any]) -> ChangePage:
    is_last = "newStartPageToken" in told
    token = told["newStartPageToken" if is_last else "nextPageToken"]
    return ChangePage(tuple(map(answers.change, told["changes"])), token, is_last)
