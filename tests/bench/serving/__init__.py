"""What the benchmark of the API serves and asks with."""
