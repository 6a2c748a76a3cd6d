"""What may be done about telling others."""
