"""Pages that customers open by a link."""
