"""The board: filters, the top of each column in one query, figures, and the stream of what changes."""
