"""What is read for pages and answers, beyond the rows of one model."""
