"""What currencies are worth, as central banks say it: their files, fetching them, and choosing among what is known."""
