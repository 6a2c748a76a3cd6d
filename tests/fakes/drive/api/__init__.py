"""The operations of Drive v3, each a function of a request; `HANDLERS` knows them by Google's names."""

from collections.abc import Callable

from tests.fakes.drive.api import files, logs, sharing, uploads
from tests.fakes.drive.api.context import Context
from tests.fakes.drive.exchange import Reply, Request

Handler = Callable[[Context, Request], Reply]

HANDLERS: dict[str, Handler] = {
    "about.get": sharing.about,
    "changes.getStartPageToken": logs.start_page_token,
    "changes.list": logs.changes,
    "changes.watch": logs.watch_changes,
    "channels.stop": logs.stop,
    "drives.create": sharing.create_drive,
    "drives.delete": sharing.delete_drive,
    "drives.get": sharing.drive,
    "drives.hide": sharing.hide,
    "drives.list": sharing.drives,
    "drives.unhide": sharing.hide,
    "drives.update": sharing.update_drive,
    "files.copy": files.copy,
    "files.create": files.create,
    "files.delete": files.delete,
    "files.emptyTrash": files.empty_trash,
    "files.export": files.export,
    "files.generateIds": files.generate_ids,
    "files.get": files.get,
    "files.list": files.list_files,
    "files.update": files.update,
    "files.watch": logs.watch_file,
    "permissions.create": sharing.create_permission,
    "permissions.delete": sharing.delete_permission,
    "permissions.get": sharing.permission,
    "permissions.list": sharing.permissions,
    "permissions.update": sharing.update_permission,
    "revisions.delete": logs.delete_revision,
    "revisions.get": logs.revision,
    "revisions.list": logs.revisions,
    "revisions.update": logs.update_revision,
    "upload.cancel": uploads.cancel,
    "upload.chunk": uploads.chunk,
    "upload.status": uploads.chunk,
}
