"""Faces of the CRM in the admin."""

from apps.crm.admin import imports

__all__ = ["imports"]
