"""What the bytes of a file say about it; nothing in here runs, unpacks or renders a content."""
