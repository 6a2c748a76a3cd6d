"""Folders as somebody sees them: a tree of those in sight, with what lies in a folder out of sight at the top."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.accounts.models import User
from apps.documents.models import Folder


@dataclass
class Node:
    """A folder with what lies in it."""

    pk: int
    name: str
    parent: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)

    @property
    def depth(self) -> int:
        return len(self.path) - 1

    @property
    def path(self) -> "list[Node]":
        """The folders from the top down to this one."""
        above = self.parent.path if self.parent is not None else []
        return [*above, self]

    def walk(self) -> "Iterator[Node]":
        """Yield this folder and all that lie in it, however deep."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Tree:
    """All folders that somebody sees and that are not in the trash: one query, for people make them one by one."""

    nodes: dict[int, Node]

    @property
    def top(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.parent is None]

    def walk(self) -> Iterator[Node]:
        """Yield all folders, each before what lies in it."""
        for node in self.top:
            yield from node.walk()

    def below(self, pk: int) -> list[int]:
        """Return the keys of a folder and of all that lie in it; none for one out of sight."""
        node = self.nodes.get(pk)
        return [] if node is None else [each.pk for each in node.walk()]


def tree_of(actor: User) -> Tree:
    """Read the folders that somebody sees, by name."""
    rows = Folder.objects.visible_to(actor).active().order_by("name", "pk")
    found = list(rows.values_list("pk", "name", "parent_id"))
    nodes = {pk: Node(pk, name) for pk, name, _parent in found}
    for pk, _name, parent_id in found:
        parent = nodes.get(parent_id or 0)
        if parent is not None:
            nodes[pk].parent = parent
            parent.children.append(nodes[pk])
    return Tree(nodes)
