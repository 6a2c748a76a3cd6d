"""What the faces of documents share."""
