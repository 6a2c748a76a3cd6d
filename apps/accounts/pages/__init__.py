"""Pages about getting in, and about how one gets in."""
