"""Small real servers that behave like the outside world, for tests and for the demo."""
