"""Which assumption moves the answer most."""
