"""Lists of any length: pages by key instead of by number, honest estimates instead of counts, rows written fast."""
