"""Files of banks: what kind each is, and what it says of an account. No Django here but in `words`."""
