"""Who takes money from customers for us, each behind the same interface. No Django here."""
