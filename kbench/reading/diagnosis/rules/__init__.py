"""One file a rule, or a family of them."""
