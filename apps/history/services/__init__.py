"""What may be done with history: undo a change set, decide what an undo left open, forget what is old."""
