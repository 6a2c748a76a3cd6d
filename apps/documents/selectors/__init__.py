"""Reads that are not one model's queryset: documents by words, what there is to look at, and how Drive stands."""

from apps.documents.selectors.drive import Health, health_of
from apps.documents.selectors.finding import (
    LANGUAGES,
    Found,
    Piece,
    is_harmless_pdf,
    matching_documents,
    picture_of,
    pictured_pages,
    preview_of,
    search,
)

__all__ = [
    "LANGUAGES",
    "Found",
    "Health",
    "Piece",
    "health_of",
    "is_harmless_pdf",
    "matching_documents",
    "picture_of",
    "pictured_pages",
    "preview_of",
    "search",
]
