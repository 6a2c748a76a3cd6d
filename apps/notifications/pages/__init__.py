"""What is asked for outside of the admin and the API."""
