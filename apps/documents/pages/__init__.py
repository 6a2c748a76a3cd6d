"""Pages of documents outside the admin."""
