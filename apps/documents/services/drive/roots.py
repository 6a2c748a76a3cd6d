"""The accounts and folders of Drive that the platform is kept in step with."""

import json
import logging
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.keyring import resealed, seal
from apps.accounts.models import User
from apps.documents.drive.client import Content, DriveError, Later, LoginRefused
from apps.documents.drive.gate import client_of
from apps.documents.models import ChangeCursor, Document, DriveAccount, DriveBinding, DriveRoot, SyncTask
from apps.documents.services.drive import bindings, changes, proving, queue, stopping
from apps.documents.services.drive.identifiers import fill_pool, take_ids
from apps.documents.services.drive.sights import instance_of

logger = logging.getLogger(__name__)

State = DriveRoot.State
_SENTINEL = b"This file tells the platform that it sees this folder. Please leave it here.\n"


# Accounts


@transaction.atomic
def add_account(
    *, actor: User, name: str, key: str, subject: str = "", profile: str = DriveAccount.Profile.UNITS_2026
) -> DriveAccount:
    """
    Write a service account down that speaks with Drive.

    :param key: its key file, as Google gave it; empty takes the one that GOOGLE_DRIVE_KEY_FILE names
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: it is no key file ("bad_key"), or a value is refused
    """
    access.require(actor, "add", DriveAccount)
    sealed, client_email = _sealed(key)
    account = DriveAccount(
        name=name, sealed=sealed, client_email=client_email, subject=subject, profile=profile
    )
    return rows.insert(account, actor=actor)


@transaction.atomic
def change_account(
    account_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> DriveAccount:
    """
    Change an account's name, for whom it speaks, or its quota.

    :raises DoesNotExist: there is no such account
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: a value is refused, "stale"
    """
    account = rows.locked(
        DriveAccount, account_id, actor=actor, action="change", expected_version=expected_version
    )
    changed = rows.differing(account, fields)
    return rows.write(account, changed, actor=actor) if changed else account


@transaction.atomic
def change_key(account_id: int, *, actor: User, key: str) -> DriveAccount:
    """
    Give an account another key.

    :raises DoesNotExist: there is no such account
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: it is no key file ("bad_key")
    """
    account = rows.locked(DriveAccount, account_id, actor=actor, action="change")
    sealed, client_email = _sealed(key)
    rows.write(account, {"sealed": sealed, "client_email": client_email}, actor=actor)
    for root in DriveRoot.objects.filter(account=account):
        queue.want_of_root(SyncTask.Kind.PROBE, root)
    return account


def _sealed(key: str) -> tuple[str, str]:
    """Return a key as it is stored, and whose it is."""
    bad = rows.refusal("key", _("This is no key file of a service account."), code="bad_key")
    try:
        text = key or open_key_file()
        parsed: Any = json.loads(text)
        email = str(parsed["client_email"])
        if parsed["type"] != "service_account" or not parsed["private_key"]:
            raise bad
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise bad from error
    return (seal(key) if key else "", email)


@transaction.atomic
def seal_keys_anew() -> int:
    """Put the keys of accounts under the first of SIGNING_KEYS_SECRET; return how many were not."""
    done = 0
    for account in DriveAccount.objects.exclude(sealed="").select_for_update().order_by("pk"):
        try:
            sealed = resealed(account.sealed)
        except ImproperlyConfigured:
            # Whoever checks Drive is told; it keeps nobody else's secrets from being sealed.
            logger.warning("the key of the Drive account %s cannot be opened", account.pk)
            continue
        # The key is the same, so that nothing about the account has changed.
        if sealed != account.sealed:
            done += DriveAccount.objects.filter(pk=account.pk).update(sealed=sealed)
    return done


def open_key_file() -> str:
    """Read the key file that the settings name. :raises OSError: there is none"""
    return Path(settings.GOOGLE_DRIVE_KEY_FILE).read_text()


# Roots


@transaction.atomic
def add_root(*, actor: User, account_id: int, **fields: Any) -> DriveRoot:
    """
    Keep a folder of Drive in step from now on; it is probed before anything else happens.

    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", DriveRoot)
    account = DriveAccount.objects.visible_to(actor).get(pk=account_id)
    root = DriveRoot(account=account, **fields)
    root.state, root.reason, root.stopped_at = State.BLOCKED, "unprobed", timezone.now()
    rows.insert(root, actor=actor)
    queue.want_of_root(SyncTask.Kind.PROBE, root)
    return root


@transaction.atomic
def change_root(
    root_id: int, *, actor: User, expected_version: int | None = None, **fields: Any
) -> DriveRoot:
    """
    Change how a folder is kept in step.

    :raises DoesNotExist: there is no such folder
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: a value is refused, "stale"
    """
    root = rows.locked(DriveRoot, root_id, actor=actor, action="change", expected_version=expected_version)
    changed = rows.differing(root, fields)
    if changed:
        rows.write(root, changed, actor=actor)
        queue.want_of_root(SyncTask.Kind.PROBE, root)
    return root


@transaction.atomic
def pause_root(root_id: int, *, actor: User, note: str = "") -> DriveRoot:
    """
    Keep a folder in step no longer, until somebody resumes it.

    :raises DoesNotExist: there is no such folder
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: it is paused already ("paused")
    """
    root = rows.locked(DriveRoot, root_id, actor=actor, action="sync")
    if root.state == State.PAUSED:
        raise ValidationError(_("This folder is paused already."), code="paused")
    if root.state == State.BLOCKED:
        _set_active(root)
    text = note or str(_("Paused by %(name)s.") % {"name": actor})
    stopping.stop(root.pk, state=State.PAUSED, reason="paused", note=text, actor=actor)
    root.refresh_from_db()
    return root


@transaction.atomic
def resume_root(root_id: int, *, actor: User) -> DriveRoot:
    """
    Keep a folder in step again; what had disappeared from it has its consequences now.

    :raises DoesNotExist: there is no such folder
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: it is in step ("active")
    """
    root = rows.locked(DriveRoot, root_id, actor=actor, action="sync")
    if root.state == State.ACTIVE:
        raise ValidationError(_("This folder is in step."), code="active")
    # What is blocked goes on once a probe works; that is asked now.
    if root.state == State.PAUSED:
        stopping.accept_vanished(root)
        _set_active(root)
        _begin(root)
    queue.want_of_root(SyncTask.Kind.PROBE, root)
    return root


@transaction.atomic
def want_probe(root_id: int, *, actor: User) -> DriveRoot:
    """
    Have a folder probed now.

    :raises DoesNotExist: there is no such folder
    :raises PermissionDenied: the actor may not do this
    """
    root = rows.locked(DriveRoot, root_id, actor=actor, action="sync")
    queue.want_of_root(SyncTask.Kind.PROBE, root)
    return root


@transaction.atomic
def want_reconciliation(root_id: int, *, actor: User) -> DriveRoot:
    """
    Have everything in a folder compared now.

    :raises DoesNotExist: there is no such folder
    :raises PermissionDenied: the actor may not do this
    :raises ValidationError: it is not in step ("stopped")
    """
    root = rows.locked(DriveRoot, root_id, actor=actor, action="sync")
    if root.state != State.ACTIVE:
        raise ValidationError(_("This folder is not in step. Resume it first."), code="stopped")
    queue.want_of_root(SyncTask.Kind.RECONCILE, root)
    return root


def _set_active(root: DriveRoot) -> None:
    root.state, root.reason, root.note, root.stopped_at = State.ACTIVE, "", "", None
    root.save(update_fields=["state", "reason", "note", "stopped_at", "updated_at"])


def _begin(root: DriveRoot) -> None:
    """Have everything done that waited for a root."""
    cursor = ChangeCursor.objects.filter(account_id=root.account_id, drive_id=root.drive_id).first()
    if cursor is not None:
        queue.want_pull(cursor)


# Probing


def probe_task(task: SyncTask) -> None:
    """Probe a root and be done with the task."""
    root = queue.root_of(task)
    probe_root(root)
    with transaction.atomic():
        queue.hold(task)
        queue.finish(task)


def probe_root(root: DriveRoot) -> bool:
    """
    Try whether a root works, and let it go on, or block it; tell which. Called outside of transactions.

    It is claimed for this installation: what another one keeps in step, this one leaves alone.
    """
    try:
        client_of(root.account).probe(root.drive_id or None, root.folder_id)
        _claim_folder(root)
        _ensure_sentinel(root)
        proving.see_root(root)
        cursor = changes.cursor_of(root)
    except Later as error:
        _note_probe(root, str(error.words))
        return False
    except DriveError as error:
        _note_probe(root, str(error.words))
        if isinstance(error, LoginRefused):
            stopping.block_account(root.account_id, error)
        stopping.block(root.pk, error)
        return False
    _note_probe(root, "")
    _unblock(root.pk, cursor)
    return True


def _note_probe(root: DriveRoot, words: str) -> None:
    DriveRoot.objects.filter(pk=root.pk).update(probed_at=timezone.now(), probe_error=words[:500])


@transaction.atomic
def _unblock(root_id: int, cursor: ChangeCursor) -> None:
    root = DriveRoot.objects.select_for_update().get(pk=root_id)
    if root.state != State.BLOCKED:
        return
    is_first = root.reason == "unprobed"
    _set_active(root)
    if is_first:
        # What lies there already, and what is to lie there.
        queue.want_of_root(SyncTask.Kind.RECONCILE, root)
        _bind_all(root)
    queue.want_pull(cursor)
    waiting = DriveBinding.objects.filter(root=root).exclude(
        state__in=[DriveBinding.State.SYNCED, DriveBinding.State.DETACHED, DriveBinding.State.LOCAL_DELETED]
    )
    queue.want_bindings(waiting.values_list("pk", flat=True))


def _bind_all(root: DriveRoot) -> None:
    """Put the documents into a new root that it takes."""
    if root.takes == DriveRoot.Takes.CHOSEN or root.direction == DriveRoot.Direction.PULL:
        return
    found = Document.objects.filter(archived_at=None, current_version__isnull=False)
    if root.takes == DriveRoot.Takes.LINKED:
        found = found.filter(Q(links__isnull=False) | Q(folder__isnull=False)).distinct()
    for document_id in found.values_list("pk", flat=True).iterator():
        bindings.follow(document_id)


class ForeignInstance(DriveError):
    """Another installation of the platform keeps the folder in step."""

    words = _("Another installation of the platform keeps this folder in step.")


def _claim_folder(root: DriveRoot) -> None:
    """:raises ForeignInstance: another installation has claimed it"""
    client, ours = client_of(root.account), instance_of(root.account)
    held = client.get(root.folder_id).app_properties.get("artel")
    if held is None:
        client.update_metadata(root.folder_id, app_properties={"artel": ours})
        held = client.get(root.folder_id).app_properties.get("artel")
    if held != ours:
        raise ForeignInstance("another installation has claimed the folder", reason="foreignInstance")


def _ensure_sentinel(root: DriveRoot) -> None:
    if root.sentinel_id:
        return
    fill_pool(root.account, 1)
    with transaction.atomic():
        locked = DriveRoot.objects.select_for_update().get(pk=root.pk)
        if not locked.sentinel_id:
            [locked.sentinel_id] = take_ids(root.account, 1)
            locked.save(update_fields=["sentinel_id"])
    root.sentinel_id = locked.sentinel_id
    client_of(root.account).create(
        root.sentinel_id,
        name=".artel",
        parents=[root.folder_id],
        content=Content.of(BytesIO(_SENTINEL), "text/plain"),
        app_properties={"inst": instance_of(root.account)},
    )


# What happens by itself


def poll() -> int:
    """Have the logs read that nobody has read for a while; return how many."""
    old = timezone.now() - timedelta(seconds=settings.GOOGLE_DRIVE_POLL_SECONDS)
    active = ChangeCursor.objects.filter(_of_active_roots()).distinct()
    due = list(active.filter(Q(last_success_at=None) | Q(last_success_at__lt=old)))
    for cursor in due:
        queue.want_pull(cursor)
    return len(due)


def _of_active_roots() -> Q:
    active = DriveRoot.objects.filter(state=State.ACTIVE)
    return Q(account__in=active.values("account"), drive_id__in=active.values("drive_id"))


def want_probes() -> int:
    """Have all roots probed that may go on by themselves; return how many."""
    due = list(DriveRoot.objects.exclude(state=State.PAUSED))
    for root in due:
        queue.want_of_root(SyncTask.Kind.PROBE, root)
    return len(due)


def want_reconciliations() -> int:
    """Have all roots compared; return how many."""
    due = list(DriveRoot.objects.filter(state=State.ACTIVE))
    for root in due:
        queue.want_of_root(SyncTask.Kind.RECONCILE, root)
    return len(due)
