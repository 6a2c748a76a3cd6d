"""What history can tell: what a set did to which rows, and a row's story in words."""
