"""Floor 5, reading: tables, charts and files made from stored results."""
