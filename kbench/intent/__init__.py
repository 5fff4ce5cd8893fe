"""Floor 1, intent: what to measure. Knows no device, opens no file but specs and suites."""
