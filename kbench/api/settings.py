"""Keyword arguments as a Method."""

from __future__ import annotations

from typing import Any

import msgspec

from kbench.errors import UsageError, did_you_mean
from kbench.intent.method import PRESETS, Method


def method_of(**given: Any) -> Method:
    """The Method of keyword arguments: its fields, samples=N for exactly that many, preset="fast" or "rigorous" for
    what that stands for, the others on top. Raises UsageError for a name or a value that is none."""
    known = Method.__struct_fields__
    if "samples" in given:
        samples = given.pop("samples")
        given = {"samples_min": samples, "samples_max": samples, **given}
    for name in given:
        if name not in known:
            raise UsageError(f"no such setting: {name}{did_you_mean(name, (*known, 'samples'))}")
    preset = given.get("preset", "")
    if preset and preset not in PRESETS:
        raise UsageError(f"no such preset: {preset}{did_you_mean(preset, PRESETS)}")
    try:
        return msgspec.convert({**PRESETS.get(preset, {}), **given}, Method)
    except ValueError as error:  # msgspec's ValidationError is one
        raise UsageError(str(error)) from error
