"""Faces of the CRM in the admin."""

from apps.crm.admin import (
    automation,
    catalog,
    companies,
    custom,
    deals,
    imports,
    lead_catalog,
    leads,
    mail,
    own_cards,
    people,
    personal,
    pipelines,
    quotes,
    reports,
)

__all__ = [
    "automation",
    "catalog",
    "companies",
    "custom",
    "deals",
    "imports",
    "lead_catalog",
    "leads",
    "mail",
    "own_cards",
    "people",
    "personal",
    "pipelines",
    "quotes",
    "reports",
]
