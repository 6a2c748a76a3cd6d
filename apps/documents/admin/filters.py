"""What lists of documents are filtered by beyond their columns."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.common.lists.changelist import FILTERS_VAR
from apps.documents.addresses import key_in
from apps.documents.belonging import Kind, kind_of, kinds, linked_to
from apps.documents.models import Document, DocumentLink
from apps.documents.trees import Tree, tree_of

NOWHERE = "none"


class FolderFilter(DropdownFilter):
    """Documents in a folder, and in all that lie in it; only folders in sight are offered, and mean anything."""

    title = _("folder")
    parameter_name = "folder"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        nowhere = (NOWHERE, gettext("In no folder"))
        self.tree = Tree({})
        # Most lists are looked at with their filters closed.
        if not {FILTERS_VAR, self.parameter_name} & request.GET.keys():
            return [nowhere]
        self.tree = tree_of(actor_of(request))
        # Two dashes a level: blanks at the beginning of a choice are not shown.
        folders = [(str(node.pk), f"{'–– ' * node.depth}{node.name}") for node in self.tree.walk()]
        return [nowhere, *folders]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        value = self.value() or ""
        if value == NOWHERE:
            return queryset.filter(folder=None)
        pk = key_in(value)
        return queryset.filter(folder__in=self.tree.below(pk)) if pk else queryset


class BelongsFilter(DropdownFilter):
    """
    Documents of a kind of objects ("crm.deal"), of one object ("crm.deal:42"), or of none.

    One object stands in the addresses that its page makes; only who may see it reads its name in the filter.
    """

    title = _("what they belong to")
    parameter_name = "belongs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        plain: list[tuple[str, Any]] = [(kind.label, capfirst(kind.name)) for kind in kinds()]
        kind, pk = _parsed(request.GET.get(self.parameter_name, ""))
        if kind is not None and pk is not None:
            plain.append((f"{kind.label}:{pk}", _name_of(kind, pk, request)))
        return [*plain, (NOWHERE, gettext("Nothing"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        value = self.value() or ""
        if value == NOWHERE:
            return queryset.filter(~Exists(DocumentLink.objects.filter(document=OuterRef("pk"))))
        kind, pk = _parsed(value)
        if kind is None:
            return queryset
        if pk is None:
            return queryset.filter(linked_to(kind.content_type))
        # By the keys of its few documents, whatever the planner thinks of the newest hundred.
        links = DocumentLink.objects.filter(target_type=kind.content_type, target_id=pk)
        return queryset.filter(pk__in=list(links.values_list("document", flat=True)[:10_000]))


class AttentionFilter(DropdownFilter):
    """Documents that somebody works on, or that are held."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("mine", gettext("Checked out by me")),
            ("out", gettext("Checked out")),
            ("held", gettext("On legal hold")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        is_out = Q(checked_out_until__gt=timezone.now())
        conditions = {
            "mine": is_out & Q(checked_out_by=actor_of(request)),
            "out": is_out,
            "held": Q(has_legal_hold=True),
        }
        condition = conditions.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


def _parsed(value: str) -> tuple[Kind | None, int | None]:
    """Read "crm.deal" or "crm.deal:42"."""
    label, _colon, pk = value.partition(":")
    kind = kind_of(label)
    if kind is None or (pk and not key_in(pk)):
        return None, None
    return kind, key_in(pk) or None


def _name_of(kind: Kind, pk: int, request: HttpRequest) -> str:
    rows = kind.model._base_manager.filter(access.scope(actor_of(request), "view", kind.model), pk=pk)
    row = rows.first()
    return capfirst(kind.name) if row is None else f"{capfirst(kind.name)}: {row}"
