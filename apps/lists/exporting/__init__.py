"""How rows become a file: which columns there are, how they are read, and how they are written."""
