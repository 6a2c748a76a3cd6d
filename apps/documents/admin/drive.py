"""Google Drive in the admin: accounts, folders with their health, documents in them, conflicts, channels."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.common.templatetags.artel import when
from apps.documents.admin.panels import Panel, add_panel
from apps.documents.models import (
    Document,
    DocumentVersion,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveRoot,
    WatchChannel,
)
from apps.documents.selectors import health_of
from apps.documents.services.drive import bindings, conflicts, roots
from apps.documents.services.drive.usage import limit_of, minutes_of
from apps.lists.admin.rows import ServiceAdmin, VersionedForm

State = DriveBinding.State
_CSS = {"all": ("css/rows.css", "css/documents-drive.css")}


class KeyForm(forms.Form):
    """The key file of a service account."""

    key = forms.CharField(
        label=_("Key file"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("What Google gave you as a JSON file. It is kept sealed and never shown again."),
    )


class AccountForm(VersionedForm):
    """An account; its key is given once."""

    key = forms.CharField(
        label=_("Key file"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "What Google gave you as a JSON file. It is kept sealed and never shown again. Empty: the file that the"
            " settings of the installation name."
        ),
    )


@admin.register(DriveAccount)
class DriveAccountAdmin(ServiceAdmin):
    """Who speaks with Google Drive."""

    add_label = _("New account")
    empty_title = _("Nobody speaks with Google Drive yet")
    empty_text = _(
        "Make a service account at Google, invite it to a shared drive, and give its key file here."
    )
    form = AccountForm
    create = staticmethod(roots.add_account)
    change = staticmethod(roots.change_account)
    list_display = ("name", "client_email", "subject", "profile", "resting")
    actions = None
    actions_detail = ("new_key",)
    recent_for = frozenset({"new_key"})

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # It is stopped, and what it has seen stays on record.
        return False

    def get_fields(self, request: HttpRequest, obj: DriveAccount | None = None) -> Any:
        own = ("name", ("subject", "profile"))
        return ("expected_version", *own) if obj is not None else ("name", "key", *own[1:])

    @display(description=_("rests until"))
    def resting(self, account: DriveAccount) -> str:
        return when(account.resting_until) if account.resting_until else "–"

    @action(description=_("New key…"), permissions=["change"], icon="key")
    def new_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, values: roots.change_key(row.pk, actor=actor, key=values["key"]),
            action="change",
            title=gettext("Give new key"),
            text=gettext("The folders of this account are probed with it at once."),
            form_class=KeyForm,
            done=gettext("The new key is tried now."),
        )


@admin.register(DriveRoot)
class DriveRootAdmin(ServiceAdmin):
    """Folders of Google Drive that are kept in step."""

    add_label = _("New folder")
    empty_title = _("Documents can live in Google Drive, too")
    empty_text = _(
        "Name a folder of a shared drive, and documents of companies and deals appear there. What people edit there"
        " comes back as a version."
    )
    create = staticmethod(roots.add_root)
    change = staticmethod(roots.change_root)
    list_display = ("name", "account", "state_badge", "direction", "read_at", "probe_shown")
    list_select_related = ("account",)
    list_filter = ("state",)
    actions = None
    actions_detail = ("probe", "reconcile", "pause", "resume")
    change_form_outer_before_template = "admin/documents/drive/health.html"

    class Media:
        css = _CSS

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # It is stopped, and what it has seen stays on record.
        return False

    def get_fields(self, request: HttpRequest, obj: DriveRoot | None = None) -> Any:
        own = ("name", ("account", "drive_id", "folder_id"), ("direction", "takes"), "follows_trash")
        return own if obj is None else ("expected_version", *own)

    def get_readonly_fields(self, request: HttpRequest, obj: DriveRoot | None = None) -> Any:
        # Another place is another folder: what stands in this one stays known.
        return () if obj is None else ("account", "drive_id", "folder_id")

    def has_sync_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may("sync", request, object_id)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        root = self.get_object(request, object_id)
        shown = {} if root is None else self._health(root)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, shown | (extra_context or {})
        )
        return response

    def _health(self, root: DriveRoot) -> dict[str, Any]:
        minutes, limit = minutes_of(root.account), limit_of(root.account)
        most = max((minute.spent for minute in minutes), default=0)
        # What is far below the limit would be a line along the bottom.
        scale = max(most, 1)
        return {
            "drive_root": root,
            "health": health_of(root),
            "minutes": [(minute, round(100 * minute.spent / scale)) for minute in minutes],
            "limit": limit,
            "most": most,
            "most_share": round(100 * most / limit, 1),
            "is_in_units": root.account.profile == DriveAccount.Profile.UNITS_2026,
        }

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what the state of the folder lets one do."""
        found = super().get_actions_detail(request, object_id)
        root = DriveRoot.objects.filter(pk=object_id).first()
        is_active = root is not None and root.state == DriveRoot.State.ACTIVE
        hidden = {"resume"} if is_active else {"pause", "reconcile"}
        return [each for each in found if not each.action_name.endswith(tuple(hidden))]

    @display(
        description=_("state"),
        ordering="state",
        label={
            DriveRoot.State.ACTIVE: "success",
            DriveRoot.State.PAUSED: "warning",
            DriveRoot.State.BLOCKED: "danger",
        },
    )
    def state_badge(self, root: DriveRoot) -> tuple[str, str]:
        return root.state, root.get_state_display()

    @display(description=_("compared"))
    def read_at(self, root: DriveRoot) -> str:
        return when(root.reconciled_at) if root.reconciled_at else "–"

    @display(description=_("last probe"))
    def probe_shown(self, root: DriveRoot) -> str:
        if root.probe_error:
            return root.probe_error
        return when(root.probed_at) if root.probed_at else "–"

    @action(description=_("Probe"), permissions=["sync"], icon="troubleshoot")
    def probe(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_about(
            request,
            object_id,
            roots.want_probe,
            title=gettext("Probe folder"),
            text=gettext("A small file is made there and put into the trash."),
            done=gettext("It is probed now."),
        )

    @action(description=_("Compare everything"), permissions=["sync"], icon="difference")
    def reconcile(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_about(
            request,
            object_id,
            roots.want_reconciliation,
            title=gettext("Compare everything"),
            text=gettext(
                "All that lies in the drive is compared with the documents, as it happens each night."
            ),
            done=gettext("It is compared now."),
        )

    @action(description=_("Pause"), permissions=["sync"], icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_about(
            request,
            object_id,
            roots.pause_root,
            title=gettext("Pause folder"),
            text=gettext(
                "Nothing travels either way until somebody resumes it. What changes meanwhile is not lost."
            ),
            done=gettext("It is paused."),
        )

    @action(description=_("Resume"), permissions=["sync"], icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        root = self.get_object(request, object_id)
        text = gettext("Both sides are brought in step again.")
        if root is not None and root.reason == "mass_change":
            text = gettext(
                "What disappeared from Drive goes to the trash here, from where it can be restored: %(note)s"
            ) % {"note": root.note}
        return self._ask_about(
            request,
            object_id,
            roots.resume_root,
            title=gettext("Resume folder"),
            text=text,
            done=gettext("It goes on as soon as a probe works."),
        )

    def _ask_about(
        self,
        request: HttpRequest,
        object_id: str,
        service: Callable[..., DriveRoot],
        *,
        title: str,
        text: str,
        done: str,
    ) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: service(row.pk, actor=actor),
            action="sync",
            title=title,
            text=text,
            done=done,
        )


class _LookedAt(ScopedModelAdmin):
    """Rows that the platform writes by itself."""

    actions = None
    ordering = ("-id",)

    class Media:
        css = _CSS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(DriveBinding)
class DriveBindingAdmin(_LookedAt):
    """Where documents stand in Google Drive."""

    empty_title = _("No document is in Google Drive yet")
    empty_text = _("Once a folder is kept in step, its documents are listed here with how they stand.")
    list_display = ("document", "root", "state_badge", "note", "agreed")
    list_select_related = ("document", "root")
    list_filter = ("state", "root")
    actions_detail = ("sync", "detach")
    fields = (
        *("document", "root", "state", "note", "link", "base_name", "base_size", "agreed_at"),
        *("remote_user", "created_at", "updated_at"),
    )
    readonly_fields = fields

    def has_whole_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may("change", request, object_id)

    @display(
        description=_("state"),
        ordering="state",
        label={
            State.SYNCED: "success",
            State.CONFLICT: "danger",
            State.BLOCKED: "danger",
            State.REMOTE_GONE: "danger",
            State.REMOTE_MISSING: "warning",
            State.REMOTE_TRASHED: "warning",
        },
    )
    def state_badge(self, binding: DriveBinding) -> tuple[str, str]:
        return binding.state, binding.get_state_display()

    @display(description=_("last in step"))
    def agreed(self, binding: DriveBinding) -> str:
        return when(binding.agreed_at) if binding.agreed_at else "–"

    @display(description=_("in Drive"))
    def link(self, binding: DriveBinding) -> SafeString | str:
        return drive_link(binding) or "–"

    @action(description=_("Bring in step now"), permissions=["whole"], icon="sync")
    def sync(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: bindings.sync_now(row.pk, actor=actor),
            action="change",
            title=gettext("Bring in step now"),
            done=gettext("It is looked at now."),
        )

    @action(description=_("Detach"), permissions=["whole"], icon="link_off")
    def detach(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: bindings.detach(row.pk, actor=actor),
            action="change",
            title=gettext("Detach document"),
            text=gettext(
                "The file in Drive and the document stay as they are, and go their own ways from here on."
            ),
            done=gettext("It is not kept in step any more."),
        )


def drive_link(binding: DriveBinding) -> SafeString | None:
    """Return a link to a file in Drive, which opens beside the page."""
    # It comes from outside: only an address of the web is one.
    if not binding.web_view_link.startswith(("https://", "http://")):
        return None
    return format_html(
        '<a class="art-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
        binding.web_view_link,
        gettext("Open in Google Drive"),
    )


@admin.register(DriveConflict)
class DriveConflictAdmin(_LookedAt):
    """Documents that were changed on both sides: both contents, and one choice."""

    empty_title = _("No conflicts")
    empty_text = _(
        "When a document is edited here and in Google Drive at once, both are kept, and you choose here."
    )
    list_display = ("document", "kind", "state_badge", "who", "happened")
    list_select_related = ("document",)
    list_filter = ("state", "kind")
    actions_detail = ("keep_ours", "keep_theirs")
    change_form_outer_before_template = "admin/documents/drive/conflict.html"
    fields = ("document", "kind", "who", "at", "resolution", "resolved_by", "resolved_at")
    readonly_fields = fields

    def has_whole_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may("change", request, object_id)

    @display(
        description=_("state"),
        ordering="state",
        label={DriveConflict.State.OPEN: "warning", DriveConflict.State.RESOLVED: "success"},
    )
    def state_badge(self, conflict: DriveConflict) -> tuple[str, str]:
        return conflict.state, conflict.get_state_display()

    @display(description=_("when"), ordering="-id")
    def happened(self, conflict: DriveConflict) -> str:
        return when(conflict.at)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer the choice, which stands between the two contents."""
        return []

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        conflict = self.get_object(request, object_id)
        shown = {} if conflict is None else self._both(request, conflict)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, shown | (extra_context or {})
        )
        return response

    def _both(self, request: HttpRequest, conflict: DriveConflict) -> dict[str, Any]:
        actor = actor_of(request)
        is_open = conflict.state == DriveConflict.State.OPEN
        return {
            "conflict": conflict,
            "is_open": is_open and self.may("change", request, conflict),
            "sides": [
                {
                    "title": gettext("The platform's"),
                    "version": _visible(actor, conflict.ours_id),
                    "choice": self._choice_url(conflict, "keep_ours"),
                    "verb": gettext("Keep the platform's"),
                    "stands": conflict.resolution == DriveConflict.Resolution.OURS,
                },
                {
                    "title": gettext("From Google Drive"),
                    "version": _visible(actor, conflict.theirs_id),
                    "choice": self._choice_url(conflict, "keep_theirs"),
                    "verb": gettext("Keep the one from Drive"),
                    "stands": conflict.resolution == DriveConflict.Resolution.THEIRS,
                    "who": conflict.who,
                },
            ],
        }

    def _choice_url(self, conflict: DriveConflict, name: str) -> str:
        return reverse(f"admin:documents_driveconflict_{name}", args=[conflict.pk])

    @action(description=_("Keep the platform's"), permissions=["whole"], url_path="keep-ours")
    def keep_ours(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._choose(request, object_id, DriveConflict.Resolution.OURS)

    @action(description=_("Keep the one from Drive"), permissions=["whole"], url_path="keep-theirs")
    def keep_theirs(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._choose(request, object_id, DriveConflict.Resolution.THEIRS)

    def _choose(self, request: HttpRequest, object_id: str, choice: DriveConflict.Resolution) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: conflicts.resolve_conflict(row.pk, actor=actor, choice=choice),
            action="change",
            title=gettext("Choose what stands"),
            text=gettext(
                "It becomes the latest version on both sides; the other one stays among the versions."
            ),
            done=gettext("It stands on both sides."),
        )


def _visible(actor: Any, version_id: int | None) -> dict[str, Any] | None:
    """Return what the page tells of a content, for whoever may see it."""
    if version_id is None:
        return None
    rows = DocumentVersion.objects.filter(access.scope(actor, "view", DocumentVersion), pk=version_id)
    version = rows.select_related("blob", "document", "created_by").first()
    if version is None:
        return None
    try:
        preview = reverse("documents:preview", args=[version.pk])
        content = reverse("documents:content", args=[version.pk])
    except NoReverseMatch:
        preview = content = ""
    return {"row": version, "preview": preview, "content": content}


@admin.register(WatchChannel)
class WatchChannelAdmin(_LookedAt):
    """Channels through which Drive says that something changed."""

    empty_title = _("No channels")
    empty_text = _(
        "Where Google Drive can reach this installation, it tells of changes within seconds; otherwise they are found"
        " by asking."
    )
    list_display = ("channel_id", "state", "opened", "until", "last_message_number", "heard")
    list_filter = ("state",)
    fields = ("channel_id", "state", "opened_at", "expires_at", "last_message_number", "last_message_at")
    readonly_fields = fields

    @display(description=_("opened"), ordering="-id")
    def opened(self, channel: WatchChannel) -> str:
        return when(channel.opened_at)

    @display(description=_("open until"))
    def until(self, channel: WatchChannel) -> str:
        return when(channel.expires_at) if channel.expires_at else "–"

    @display(description=_("last heard"))
    def heard(self, channel: WatchChannel) -> str:
        return when(channel.last_message_at) if channel.last_message_at else "–"


def _panel(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    """Return where a document stands in Drive; nothing where it stands nowhere."""
    actor = actor_of(request)
    found = DriveBinding.objects.visible_to(actor).filter(document=document).select_related("root")
    open_conflicts = DriveConflict.objects.visible_to(actor).filter(
        document=document, state=DriveConflict.State.OPEN
    )
    stands = [{"binding": binding, "link": drive_link(binding)} for binding in found]
    return {"stands": stands, "conflicts": list(open_conflicts)} if stands else None


add_panel(
    Panel(
        key="drive",
        title=_("Google Drive"),
        template="admin/documents/drive/panel.html",
        context=_panel,
        order=60,
    )
)
