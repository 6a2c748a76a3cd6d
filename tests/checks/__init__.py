"""What `make check` runs: lint, types, contracts, migrations, settings, texts, requirements."""
