"""Everything that runs Fagseminar on one machine."""
