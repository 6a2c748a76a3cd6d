"""Whether Google Drive works as it is set up: asked before a deployment, and by whoever verifies all documents."""

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.documents.drive.client import DriveError
from apps.documents.drive.gate import client_of, key_of
from apps.documents.integrity import Check, Found, Look, Wrong, add_check
from apps.documents.models import DriveAccount, DriveBinding, DriveRoot, SyncTask, WatchChannel
from apps.documents.services.drive import channels, roots
from apps.documents.services.drive.usage import limit_of

# A task that was tried so often is stuck, whatever it waits for.
_STUCK_ATTEMPTS = 10
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `problem` is empty where it is well."""

    what: str
    problem: str = ""
    remark: str = ""


def check() -> Iterator[Finding]:
    """Look at accounts, folders, quota and the way back; called outside of transactions."""
    accounts = list(DriveAccount.objects.order_by("pk"))
    if not accounts:
        yield Finding(_("Accounts"), _("There is no account: add one in the admin."))
        return
    for account in accounts:
        yield _credentials(account)
        yield _quota(account)
    for root in DriveRoot.objects.select_related("account").order_by("pk"):
        yield _root(root)
    yield _way_back()


def stopped() -> list[Finding]:
    """Return the folders that are not kept in step, and why; those that a person paused are no problem."""
    return [
        Finding(_("Folder %(name)s") % {"name": root}, remark=root.note)
        if root.state == DriveRoot.State.PAUSED
        else Finding(_("Folder %(name)s") % {"name": root}, root.probe_error or root.note)
        for root in DriveRoot.objects.exclude(state=DriveRoot.State.ACTIVE).order_by("pk")
    ]


def waiting() -> list[Finding]:
    """Return what is tried again later, and documents that somebody has to do something about, by their reasons."""
    later = SyncTask.objects.filter(state=SyncTask.State.QUEUED).exclude(error="")
    blocked = DriveBinding.objects.filter(state=DriveBinding.State.BLOCKED)
    return [
        *(
            Finding(_("Tried again later (%(count)s)") % {"count": count}, remark=words)
            for words, count in later.values_list("error").annotate(count=Count("pk")).order_by("error")
        ),
        *(
            Finding(_("Documents that stopped (%(count)s)") % {"count": count}, remark=words)
            for words, count in blocked.values_list("note").annotate(count=Count("pk")).order_by("note")
        ),
    ]


def _credentials(account: DriveAccount) -> Finding:
    what = _("Credentials of %(name)s") % {"name": account}
    try:
        key_of(account)
        about = client_of(account).about()
    except DriveError as error:
        return Finding(what, str(error.words))
    spoken_for = account.subject or account.client_email
    if about.email != spoken_for:
        return Finding(what, _("Google knows them as %(email)s.") % {"email": about.email})
    return Finding(what, remark=about.email)


def _quota(account: DriveAccount) -> Finding:
    what = _("Quota of %(name)s") % {"name": account}
    limit = limit_of(account)
    # Each write costs fifty units, or one query, sixty times a minute.
    each = 50 if account.profile == DriveAccount.Profile.UNITS_2026 else 1
    rate = settings.GOOGLE_DRIVE_WRITES_PER_SECOND
    needed = int(rate * 60 * each)
    if rate <= 0 or rate > 3:
        text = _("GOOGLE_DRIVE_WRITES_PER_SECOND is %(rate)s; Google bears three a second for long.")
        return Finding(what, text % {"rate": rate})
    if needed > limit:
        return Finding(
            what, _("The pace needs %(needed)s of %(limit)s a minute.") % {"needed": needed, "limit": limit}
        )
    return Finding(
        what, remark=_("%(needed)s of %(limit)s a minute at most") % {"needed": needed, "limit": limit}
    )


def _root(root: DriveRoot) -> Finding:
    what = _("Folder %(name)s") % {"name": root}
    if not root.drive_id and not root.account.subject:
        return Finding(
            what,
            _("A service account owns nothing: name a shared drive, or whom the account speaks for."),
        )
    if not roots.probe_root(root):
        root.refresh_from_db()
        return Finding(what, root.probe_error or root.note)
    root.refresh_from_db()
    if root.state == DriveRoot.State.PAUSED:
        return Finding(what, root.note)
    return Finding(what, remark=_("a small file was made and put into the trash"))


def _way_back() -> Finding:
    what = _("Messages from Google")
    if not settings.GOOGLE_DRIVE_WEBHOOK_BASE:
        return Finding(what, remark=_("GOOGLE_DRIVE_WEBHOOK_BASE is not set: changes are found by asking"))
    where = urlsplit(channels.webhook_address())
    is_near = where.hostname in {"127.0.0.1", "localhost"}
    if where.scheme != "https" and not is_near:
        return Finding(what, _("Google posts to https addresses only."))
    try:
        status = _status_of(where.scheme, where.hostname or "", where.port, where.path)
    except (OSError, http.client.HTTPException) as error:
        return Finding(
            what,
            _("%(address)s cannot be reached: %(error)s")
            % {"address": channels.webhook_address(), "error": type(error).__name__},
        )
    # Nobody's message is not there; whatever else answers is not the platform.
    if status != 404:
        return Finding(
            what,
            _("%(address)s answers %(status)s, which is not the platform.")
            % {"address": channels.webhook_address(), "status": status},
        )
    return Finding(what, remark=channels.webhook_address())


def _status_of(scheme: str, host: str, port: int | None, path: str) -> int:
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=ssl.create_default_context())
        if scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    )
    try:
        connection.request("POST", path, headers={"X-Goog-Message-Number": "1", "Content-Length": "0"})
        return connection.getresponse().status
    finally:
        connection.close()


# For whoever verifies all documents


def find_wrong(look: Look) -> Iterator[Found]:
    """Yield what is wrong with Drive by our own tables; Drive itself is asked nothing."""
    for root in DriveRoot.objects.filter(duplicates_found__gt=0):
        yield Found("drive_duplicates", str(root.pk), {"root": str(root), "count": root.duplicates_found})
    missing = DriveBinding.objects.filter(
        state__in=[DriveBinding.State.REMOTE_MISSING, DriveBinding.State.REMOTE_GONE]
    )
    for pk, name, count in missing.values_list("root_id", "root__name").annotate(count=Count("pk")):
        yield Found("drive_missing", str(pk), {"root": name, "count": count})
    for task in SyncTask.objects.filter(state=SyncTask.State.QUEUED, attempts__gte=_STUCK_ATTEMPTS):
        error = str(task.error or task.error_code)
        yield Found("drive_stuck", task.dedupe_key[:300], {"count": task.attempts, "error": error})
    over = WatchChannel.objects.filter(state=WatchChannel.State.ACTIVE, expires_at__lte=timezone.now())
    for channel in over:
        yield Found(
            "drive_channel_over", str(channel.pk), {"until": f"{channel.expires_at:%Y-%m-%d %H:%M} UTC"}
        )


def register_check() -> None:
    """Have it looked at by every check of what is kept; called as the platform starts."""
    add_check(
        Check(
            "drive",
            find_wrong,
            (
                Wrong(
                    "drive_duplicates",
                    gettext_lazy("Files in Google Drive that stand there twice"),
                    gettext_lazy("%(root)s: %(count)s files stand there besides those of their documents."),
                ),
                Wrong(
                    "drive_missing",
                    gettext_lazy("Documents that are out of sight in Google Drive"),
                    gettext_lazy("%(root)s: %(count)s documents are out of sight in Drive."),
                ),
                Wrong(
                    "drive_stuck",
                    gettext_lazy("Work on Google Drive that does not get done"),
                    gettext_lazy("%(subject)s was tried %(count)s times: %(error)s"),
                ),
                Wrong(
                    "drive_channel_over",
                    gettext_lazy("Channels of Google Drive that nobody has renewed"),
                    gettext_lazy("Channel %(subject)s is over since %(until)s."),
                ),
            ),
        )
    )
