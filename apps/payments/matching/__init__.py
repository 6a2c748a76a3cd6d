"""Which invoice a bank line pays: the reasons that speak for it, and how sure they make it."""
