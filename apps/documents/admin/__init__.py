"""Faces of documents in the admin."""

from apps.documents.admin import (
    approvals,
    bundles,
    catalog,
    documents,
    drive,
    folders,
    generation,
    integrity,
    links,
    parts,
    previews,
    signing,
    templates,
    uploads,
)

__all__ = [
    "approvals",
    "bundles",
    "catalog",
    "documents",
    "drive",
    "folders",
    "generation",
    "integrity",
    "links",
    "parts",
    "previews",
    "signing",
    "templates",
    "uploads",
]
