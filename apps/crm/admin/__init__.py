"""Faces of the CRM in the admin."""

from apps.crm.admin import catalog, companies, deals, imports, people, pipelines

__all__ = ["catalog", "companies", "deals", "imports", "people", "pipelines"]
