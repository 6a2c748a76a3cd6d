"""What rules of automation are made of: when something happens, if it is of a kind, then what is done."""
