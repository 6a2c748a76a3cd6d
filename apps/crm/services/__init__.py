"""The changes of the sales side: one function per use case, whatever the face."""
