"""Charts of results: each is drawn once, and leaves as a PNG of its own and as SVG for the report."""
