"""nagkit's data: the registry of public tables, the embedded tables, trained weights."""
