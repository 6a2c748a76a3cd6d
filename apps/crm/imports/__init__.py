"""The import engine: a file's rows are read and checked in a stream, and decided and written set by set in SQL."""
