"""The home page's figures: which periods they are of, how they are summed up, and how long they are kept."""
