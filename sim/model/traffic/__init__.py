"""The traffic of a scenario: when requests arrive, and what each of them asks for."""
