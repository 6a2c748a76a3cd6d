"""Deals laid out by time: a calendar of days, and columns of months."""
