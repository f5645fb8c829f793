"""The rooms below the programs."""
