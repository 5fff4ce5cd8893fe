"""Specs and a .cu file, loaded by path like a user's own; a package only so that wheels carry them."""
