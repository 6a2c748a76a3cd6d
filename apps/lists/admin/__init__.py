"""Lists in the admin: what every list can do with its rows."""

from apps.lists.admin.bulk import BulkEditAdmin

__all__ = ["BulkEditAdmin"]
