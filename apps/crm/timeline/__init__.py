"""What happened with a deal, a company or a person, as it is read and told."""
