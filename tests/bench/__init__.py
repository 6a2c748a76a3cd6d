"""One script per claim about speed; each measures ours and the limit in one run."""
