"""What people do with a list: the rows they chose, and what is to happen to them."""

from apps.lists.models.bulk import BulkEdit, BulkRow
from apps.lists.models.exports import Export, ExportPart
from apps.lists.models.selections import SelectedRow, Selection
from apps.lists.models.views import SavedView

__all__ = ["BulkEdit", "BulkRow", "Export", "ExportPart", "SavedView", "SelectedRow", "Selection"]
