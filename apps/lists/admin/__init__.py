"""Lists in the admin: what every list can do with its rows."""

from apps.lists.admin.bulk import BulkEditAdmin
from apps.lists.admin.exports import ExportAdmin

__all__ = ["BulkEditAdmin", "ExportAdmin"]
