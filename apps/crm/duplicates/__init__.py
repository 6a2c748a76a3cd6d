"""What may stand twice: how alike two rows are, who they are, and the look through all of them."""
