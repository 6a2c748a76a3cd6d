"""Google Drive: who speaks with it, which folders are kept in step, and where each document stands in them."""

import uuid

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.documents.models.documents import Document, DocumentVersion

# Drive's identifiers are shorter; nobody promises that they stay so.
_ID = 128
_MD5 = 32


class DriveAccount(Stamped, Versioned):
    """A service account that speaks with Google Drive for the platform."""

    class Profile(models.TextChoices):
        UNITS_2026 = "units_2026", _("units (projects since May 2026)")
        LEGACY_12K = "legacy_12k", _("12,000 queries a minute (older projects)")

    name = models.CharField(_("name"), max_length=100)
    client_email = models.EmailField(_("e-mail of the service account"), max_length=254, editable=False)
    # The key file under SIGNING_KEYS_SECRET; empty where GOOGLE_DRIVE_KEY_FILE names a file.
    sealed = models.TextField(editable=False, blank=True, default="")
    subject = models.EmailField(
        _("speaks for"),
        max_length=254,
        blank=True,
        default="",
        help_text=_("A person of the domain, by domain-wide delegation. Empty: the account itself."),
    )
    profile = models.CharField(_("quota"), max_length=16, choices=Profile, default=Profile.UNITS_2026)
    # Told to Drive with each file: what another installation made is not ours to change.
    instance = models.UUIDField(default=uuid.uuid4, editable=False)
    resting_until = models.DateTimeField(_("rests until"), null=True, blank=True, editable=False)
    resting_reason = models.CharField(
        _("why it rests"), max_length=64, blank=True, default="", editable=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "A company has one or two."

    class Meta:
        verbose_name = _("account of Google Drive")
        verbose_name_plural = _("accounts of Google Drive")
        # What an account and a folder have seen is told of them for good; they are stopped, not deleted.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["client_email", "subject"],
                name="drive_account_unique",
                violation_error_message=_("This account is there already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DriveRoot(Stamped, Versioned):
    """A folder of a shared drive that is kept in step with the documents."""

    class Direction(models.TextChoices):
        BOTH = "BOTH", _("both ways")
        PUSH = "PUSH", _("only to Drive")
        PULL = "PULL", _("only from Drive")

    class Takes(models.TextChoices):
        LINKED = "LINKED", _("documents of companies, deals and folders")
        ALL = "ALL", _("all documents")
        CHOSEN = "CHOSEN", _("only those that somebody puts there")

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", pgettext_lazy("Drive root", "in step")
        PAUSED = "PAUSED", pgettext_lazy("Drive root", "paused")
        BLOCKED = "BLOCKED", pgettext_lazy("Drive root", "blocked")

    account = models.ForeignKey(
        DriveAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="roots"
    )
    name = models.CharField(_("name"), max_length=100)
    drive_id = models.CharField(
        _("shared drive"),
        max_length=_ID,
        blank=True,
        default="",
        help_text=_(
            "The identifier at the end of its address. Empty: the person that the account speaks for."
        ),
    )
    folder_id = models.CharField(
        _("folder"), max_length=_ID, help_text=_("The identifier of the folder in it.")
    )
    direction = models.CharField(_("direction"), max_length=4, choices=Direction, default=Direction.BOTH)
    takes = models.CharField(_("takes"), max_length=8, choices=Takes, default=Takes.LINKED)
    follows_trash = models.BooleanField(
        _("what is trashed there goes to the trash here"),
        default=True,
        help_text=_("Otherwise it is only marked."),
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.ACTIVE, editable=False)
    reason = models.CharField(max_length=64, blank=True, default="", editable=False)
    note = models.CharField(_("why"), max_length=500, blank=True, default="", editable=False)
    stopped_at = models.DateTimeField(_("since"), null=True, blank=True, editable=False)
    probed_at = models.DateTimeField(_("last probe"), null=True, blank=True, editable=False)
    probe_error = models.CharField(
        _("what the probe found"), max_length=500, blank=True, default="", editable=False
    )
    # A file that is always there: a drive that does not show it shows nothing.
    sentinel_id = models.CharField(max_length=_ID, blank=True, default="", editable=False)
    reconciled_at = models.DateTimeField(_("last reconciliation"), null=True, blank=True, editable=False)
    duplicates_found = models.PositiveIntegerField(default=0, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "A company has a handful."

    class Meta:
        verbose_name = _("folder of Google Drive")
        verbose_name_plural = _("folders of Google Drive")
        default_permissions = ("view", "add", "change")
        permissions = [
            ("sync_driveroot", _("Can probe, pause, resume and reconcile folders of Google Drive"))
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["drive_id", "folder_id"],
                name="drive_root_unique",
                violation_error_message=_("This folder is in step already."),
            ),
            models.CheckConstraint(
                condition=Q(state="ACTIVE", reason="", stopped_at=None)
                | (~Q(state="ACTIVE") & ~Q(reason="") & Q(stopped_at__isnull=False)),
                name="drive_root_stopped_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DriveIdPool(models.Model):
    """An id that Drive has reserved for us and that nothing bears yet."""

    account = models.ForeignKey(DriveAccount, on_delete=models.CASCADE, related_name="reserved_ids")
    drive_file_id = models.CharField(max_length=_ID, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("reserved identifier of Google Drive")
        verbose_name_plural = _("reserved identifiers of Google Drive")


class DriveFolder(models.Model):
    """The folder in Drive that an object's documents lie in: of a company, of a deal, of a folder here."""

    class State(models.TextChoices):
        RESERVED = "RESERVED", _("about to be made")
        READY = "READY", _("there")
        LOST = "LOST", _("trashed or out of sight")

    root = models.ForeignKey(DriveRoot, on_delete=models.PROTECT, related_name="folders")
    owner_type = models.ForeignKey(ContentType, on_delete=models.PROTECT, related_name="+", db_index=False)
    owner_id = models.BigIntegerField()
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    # Reserved and committed before the folder is made; it is never looked up by its name.
    drive_file_id = models.CharField(max_length=_ID)
    name = models.CharField(max_length=300)
    state = models.CharField(max_length=8, choices=State, default=State.RESERVED)
    remote_version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("folder of an object in Google Drive")
        verbose_name_plural = _("folders of objects in Google Drive")
        constraints = [
            models.UniqueConstraint(fields=["root", "owner_type", "owner_id"], name="drive_folder_of_object"),
            models.UniqueConstraint(fields=["root", "drive_file_id"], name="drive_folder_id_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class DriveBinding(models.Model):
    """
    Where a document stands in a folder of Drive.

    `base_…` is what both sides last agreed on and `remote_…` what Drive showed last. What the platform shows is the
    document itself, which is read when it is needed, so that no copy of it can be stale.
    """

    class State(models.TextChoices):
        RESERVING = "RESERVING", _("about to be put there")
        PUSHING = "PUSHING", _("on its way there")
        SYNCED = "SYNCED", _("in step")
        PUSH_PENDING = "PUSH_PENDING", _("changed here")
        PULL_PENDING = "PULL_PENDING", _("changed there")
        CONFLICT = "CONFLICT", _("changed on both sides")
        REMOTE_TRASHED = "REMOTE_TRASHED", _("in the trash there")
        REMOTE_MISSING = "REMOTE_MISSING", _("out of sight there")
        REMOTE_GONE = "REMOTE_GONE", _("deleted there")
        LOCAL_DELETED = "LOCAL_DELETED", _("in the trash on both sides")
        LINK_ONLY = "LINK_ONLY", _("lives there, as a document of Google's own")
        BLOCKED = "BLOCKED", _("stopped")
        DETACHED = "DETACHED", _("not in step any more")

    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.CASCADE,
        related_name="drive_bindings",
        db_index=False,
    )
    root = models.ForeignKey(
        DriveRoot, verbose_name=_("folder"), on_delete=models.PROTECT, related_name="bindings", db_index=False
    )
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RESERVING)
    reason = models.CharField(max_length=64, blank=True, default="")
    note = models.CharField(_("why"), max_length=500, blank=True, default="")
    drive_file_id = models.CharField(max_length=_ID, null=True, blank=True)
    web_view_link = models.CharField(_("address in Drive"), max_length=500, blank=True, default="")
    # The object whose folder it belongs into, as "crm.deal/5"; empty is the root itself.
    place = models.CharField(max_length=100, blank=True, default="")
    folder = models.ForeignKey(
        DriveFolder, on_delete=models.SET_NULL, null=True, blank=True, related_name="bindings"
    )
    # The folder in Drive where the platform wants it.
    parent_id = models.CharField(max_length=_ID, blank=True, default="")
    # Written before a content is sent: what may have arrived there though nobody heard of it.
    pushing_version = models.ForeignKey(
        DocumentVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )

    agreed_at = models.DateTimeField(_("last in step"), null=True, blank=True)
    base_version = models.ForeignKey(
        DocumentVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    base_md5 = models.CharField(max_length=_MD5, blank=True, default="")
    base_size = models.BigIntegerField(default=0)
    base_name = models.TextField(blank=True, default="")
    # What the document was called here then: a name there that none here can have is no difference.
    base_local_name = models.CharField(max_length=300, blank=True, default="")
    base_parent_id = models.CharField(max_length=_ID, blank=True, default="")
    base_is_trashed = models.BooleanField(default=False)
    base_revision_id = models.CharField(max_length=_ID, blank=True, default="")

    remote_md5 = models.CharField(max_length=_MD5, blank=True, default="")
    remote_size = models.BigIntegerField(default=0)
    remote_name = models.TextField(blank=True, default="")
    remote_parent_id = models.CharField(max_length=_ID, blank=True, default="")
    remote_is_trashed = models.BooleanField(default=False)
    remote_is_missing = models.BooleanField(default=False)
    remote_revision_id = models.CharField(max_length=_ID, blank=True, default="")
    # Grows with every change there: what is not newer is stale.
    remote_version = models.BigIntegerField(default=0)
    remote_user = models.CharField(_("last changed there by"), max_length=254, blank=True, default="")
    remote_seen_at = models.DateTimeField(null=True, blank=True)

    # When it turned trashed or missing there, and whether that was found to be no mass disappearance.
    vanished_at = models.DateTimeField(null=True, blank=True)
    is_vanishing_judged = models.BooleanField(default=False)
    proven_gone_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("document",))

    class Meta:
        verbose_name = _("document in Google Drive")
        verbose_name_plural = _("documents in Google Drive")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["document", "root"], name="drive_binding_unique"),
            models.UniqueConstraint(fields=["root", "drive_file_id"], name="drive_binding_file_unique"),
            models.CheckConstraint(
                condition=~Q(state="SYNCED") | Q(agreed_at__isnull=False, drive_file_id__isnull=False),
                name="drive_binding_synced_has_base",
            ),
        ]
        indexes = [
            models.Index(fields=["root", "state", "-id"], name="drive_binding_root_state"),
            models.Index(fields=["state", "-id"], name="drive_binding_state_latest"),
            models.Index(fields=["drive_file_id"], name="drive_binding_file"),
            models.Index(fields=["root", "base_parent_id"], name="drive_binding_parent"),
            models.Index(
                fields=["root", "vanished_at"],
                condition=Q(vanished_at__isnull=False),
                name="drive_binding_vanished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document} · {self.root}"


class ChangeCursor(models.Model):
    """How far the log of a drive has been read: everything before the token is applied."""

    account = models.ForeignKey(DriveAccount, on_delete=models.CASCADE, related_name="cursors")
    drive_id = models.CharField(max_length=_ID, blank=True, default="")
    page_token = models.CharField(max_length=200)
    # Grows with each message that something changed; `done_seq` is what it was when the log was last read to its end.
    dirty_seq = models.BigIntegerField(default=0)
    done_seq = models.BigIntegerField(default=0)
    last_success_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("reading of a drive's log")
        verbose_name_plural = _("readings of drives' logs")
        constraints = [models.UniqueConstraint(fields=["account", "drive_id"], name="drive_cursor_unique")]


class WatchChannel(models.Model):
    """A channel through which Drive tells that something changed; it ends by itself and is never sure."""

    class State(models.TextChoices):
        PENDING = "PENDING", _("being opened")
        ACTIVE = "ACTIVE", _("open")
        STOPPING = "STOPPING", _("being closed")
        STOPPED = "STOPPED", _("closed")
        EXPIRED = "EXPIRED", _("over")

    cursor = models.ForeignKey(ChangeCursor, on_delete=models.CASCADE, related_name="channels")
    channel_id = models.UUIDField(_("channel"), default=uuid.uuid4, unique=True, editable=False)
    resource_id = models.CharField(max_length=200, blank=True, default="", editable=False)
    token_sha256 = models.BinaryField(max_length=32, editable=False)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.PENDING)
    opened_at = models.DateTimeField(_("opened"), default=timezone.now)
    expires_at = models.DateTimeField(_("open until"), null=True, blank=True)
    last_message_number = models.BigIntegerField(_("last message"), default=0)
    last_message_at = models.DateTimeField(_("last heard"), null=True, blank=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("channel of Google Drive")
        verbose_name_plural = _("channels of Google Drive")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["state", "expires_at"], name="drive_channel_state")]

    def __str__(self) -> str:
        return str(self.channel_id)


class WebhookDelivery(models.Model):
    """One message of a channel, so that it counts once however often it comes."""

    channel = models.ForeignKey(
        WatchChannel, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    number = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("message of Google Drive")
        verbose_name_plural = _("messages of Google Drive")
        constraints = [models.UniqueConstraint(fields=["channel", "number"], name="drive_delivery_unique")]


class SyncTask(models.Model):
    """One thing that the workers have to do about Drive; there is never another one about the same."""

    class Kind(models.TextChoices):
        PULL = "PULL", _("read what changed")
        BINDING = "BINDING", _("bring a document in step")
        TAKE_IN = "TAKE_IN", _("take a new file in")
        RECONCILE = "RECONCILE", _("compare everything")
        PROBE = "PROBE", _("probe a folder")
        ERASE = "ERASE", _("erase a file there")

    class State(models.TextChoices):
        QUEUED = "QUEUED", _("waiting")
        RUNNING = "RUNNING", _("running")
        DONE = "DONE", _("done")
        FAILED = "FAILED", _("failed")

    kind = models.CharField(max_length=9, choices=Kind)
    account = models.ForeignKey(DriveAccount, on_delete=models.CASCADE, related_name="tasks")
    root = models.ForeignKey(DriveRoot, on_delete=models.CASCADE, null=True, related_name="tasks")
    binding = models.ForeignKey(DriveBinding, on_delete=models.CASCADE, null=True, related_name="tasks")
    cursor = models.ForeignKey(ChangeCursor, on_delete=models.CASCADE, null=True, related_name="tasks")
    drive_file_id = models.CharField(max_length=_ID, blank=True, default="")
    dedupe_key = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    # Grows with each wish for the same while it waits or runs: what was wished for meanwhile is done again.
    seq = models.BigIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    next_run_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    # Whoever was too slow finds another name here and writes nothing more.
    lease_owner = models.UUIDField(null=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    # Where an upload goes on that was cut off.
    session_uri = models.CharField(max_length=2000, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("task about Google Drive")
        verbose_name_plural = _("tasks about Google Drive")
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"], condition=Q(state__in=["QUEUED", "RUNNING"]), name="drive_task_unique"
            ),
            models.CheckConstraint(
                condition=~Q(state="RUNNING") | Q(lease_until__isnull=False, lease_owner__isnull=False),
                name="drive_task_running_has_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["next_run_at", "id"], condition=Q(state="QUEUED"), name="drive_task_queued"),
            models.Index(fields=["lease_until"], condition=Q(state="RUNNING"), name="drive_task_running"),
            models.Index(
                fields=["finished_at"], condition=Q(state__in=["DONE", "FAILED"]), name="drive_task_finished"
            ),
        ]


class DriveConflict(models.Model):
    """That a document was changed on both sides: both contents are kept, and somebody chooses."""

    class Kind(models.TextChoices):
        EDITED = "EDITED", _("edited on both sides")
        RACE = "RACE", _("edited there while we wrote")
        FIXED = "FIXED", _("edited there though it is approved or signed")
        TRASHED_THERE = "TRASHED_THERE", _("edited here and trashed there")
        TRASHED_HERE = "TRASHED_HERE", _("trashed here and edited there")

    class State(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("Drive conflict", "open")
        RESOLVED = "RESOLVED", pgettext_lazy("Drive conflict", "resolved")

    class Resolution(models.TextChoices):
        OURS = "OURS", _("the platform's")
        THEIRS = "THEIRS", _("the one from Drive")

    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="drive_conflicts"
    )
    binding = models.ForeignKey(
        DriveBinding, on_delete=models.SET_NULL, null=True, blank=True, related_name="conflicts"
    )
    kind = models.CharField(_("what happened"), max_length=16, choices=Kind)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    ours = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("the platform's"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    theirs = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("the one from Drive"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # Says which content of theirs it is about, so that it is written down once.
    revision_id = models.CharField(max_length=_ID, blank=True, default="")
    who = models.CharField(_("who edited it there"), max_length=254, blank=True, default="")
    at = models.DateTimeField(_("when"), default=timezone.now)
    resolution = models.CharField(
        _("what stands"), max_length=8, choices=Resolution, blank=True, default="", editable=False
    )
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("chosen by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    resolved_at = models.DateTimeField(_("chosen"), null=True, blank=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("document",))

    class Meta:
        verbose_name = _("conflict with Google Drive")
        verbose_name_plural = _("conflicts with Google Drive")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["document", "binding", "kind", "revision_id"], name="drive_conflict_unique"
            ),
            models.CheckConstraint(
                condition=Q(state="OPEN", resolution="", resolved_at=None)
                | Q(state="RESOLVED", resolved_at__isnull=False),
                name="drive_conflict_resolved_whole",
            ),
        ]
        indexes = [models.Index(fields=["state", "-id"], name="drive_conflict_state_latest")]

    def __str__(self) -> str:
        return f"{self.document} · {self.get_kind_display()}"


class DriveTombstone(models.Model):
    """That a file goes from Drive because its document went to our trash, or was erased; written before it goes."""

    root = models.ForeignKey(DriveRoot, on_delete=models.CASCADE, related_name="tombstones")
    # Not a relation: it outlives the document.
    document_id = models.BigIntegerField(db_index=True)
    drive_file_id = models.CharField(max_length=_ID)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")
        constraints = [
            models.UniqueConstraint(fields=["root", "drive_file_id"], name="drive_tombstone_unique")
        ]


class ApiUsage(models.Model):
    """What an account asked of Drive in one minute."""

    account = models.ForeignKey(DriveAccount, on_delete=models.CASCADE, related_name="usage", db_index=False)
    minute = models.DateTimeField()
    calls = models.PositiveIntegerField(default=0)
    units = models.PositiveBigIntegerField(default=0)
    writes = models.PositiveIntegerField(default=0)
    # How often each refusal came, by its name.
    errors = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()
        verbose_name = _("use of Google Drive")
        verbose_name_plural = _("use of Google Drive")
        constraints = [models.UniqueConstraint(fields=["account", "minute"], name="drive_usage_unique")]
        indexes = [models.Index(fields=["minute"], name="drive_usage_minute")]
