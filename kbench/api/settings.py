"""Keyword arguments as a Method."""

from __future__ import annotations

from typing import Any

import msgspec

from kbench.errors import UsageError, did_you_mean
from kbench.intent.method import Method


def method_of(**given: Any) -> Method:
    """The Method of keyword arguments: its fields, and samples=N for exactly that many. Raises UsageError for a name or
    a value that is none."""
    known = Method.__struct_fields__
    if "samples" in given:
        samples = given.pop("samples")
        given = {"samples_min": samples, "samples_max": samples, **given}
    for name in given:
        if name not in known:
            raise UsageError(f"no such setting: {name}{did_you_mean(name, (*known, 'samples'))}")
    try:
        return msgspec.convert(given, Method)
    except ValueError as error:  # msgspec's ValidationError is one
        raise UsageError(str(error)) from error
