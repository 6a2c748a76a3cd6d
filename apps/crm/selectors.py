"""Reads that are not one model's queryset."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.imports.kinds import kind_of
from apps.crm.imports.mapping import header_digest
from apps.crm.imports.sql import fetch
from apps.crm.models import Company, Deal, ImportBatch, ImportMapping, Product

# What fits on the home page without scrolling past the figures.
LATEST_IMPORTS = 5


# A fresh organization


@dataclass(frozen=True)
class FirstStep:
    """Something a fresh organization brings in, in the order in which the later need the earlier."""

    kind: str
    is_done: bool


def first_steps(actor: User) -> list[FirstStep]:
    """List what `actor` can bring in to begin with: products, users, companies, deals; none of what they may not add."""
    found = {
        ImportBatch.Kind.PRODUCTS: (Product, Product.objects.all()),
        # The first user is the one who set the platform up.
        ImportBatch.Kind.USERS: (User, User.objects.filter(kind=User.Kind.HUMAN).order_by("pk")[1:]),
        ImportBatch.Kind.COMPANIES: (Company, Company.objects.all()),
        ImportBatch.Kind.DEALS: (Deal, Deal.objects.all()),
    }
    return [
        FirstStep(kind=kind.value, is_done=rows.exists())
        for kind, (model, rows) in found.items()
        if access.can_any(actor, "add", model)
    ]


def latest_imports(actor: User) -> list[ImportBatch]:
    """List the latest imports that `actor` may see."""
    return list(ImportBatch.objects.visible_to(actor).order_by("-pk")[:LATEST_IMPORTS])


# Imports

# Names offered where a value of a file was not found: more than these are no choice that one reads through.
CHOICES = 300


def import_choices(batch: ImportBatch, fields: Iterable[str], actor: User) -> dict[str, list[str]]:
    """
    List the existing names that a value in a reference field can mean, by field key.

    Only for whoever the import works for: the names are those that they may see.
    """
    kind = kind_of(batch.kind)
    loader = kind.loader(batch, kind)
    if loader.actor != actor:
        return {}
    known = {field for field in fields if field in loader.reference_fields}
    return {
        field: [
            name
            for (name,) in fetch(
                f"select distinct name from ({loader.candidates(field)}) c (name, id)"  # noqa: S608 - composed by the engine
                f" where name is not null order by 1 limit {CHOICES}"
            )
        ]
        for field in sorted(known)
    }


def is_mapping_remembered(batch: ImportBatch) -> bool:
    """Tell whether an import's columns are matched as its owner matched such a file before."""
    return ImportMapping.objects.filter(
        owner=batch.owner_id,
        kind=batch.kind,
        header_digest=header_digest(batch.header),
        mapping=batch.mapping,
        updated_at__lt=batch.created_at,
    ).exists()
