"""Programs that try the repository under faults and load; tests/README.md lists them and what they found."""
