"""Letters as they come and go: what stands in one, and what it is about. What becomes of it is `services.mail`."""
