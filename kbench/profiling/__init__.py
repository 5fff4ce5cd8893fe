"""Profilers: finding and driving them, reading what they wrote. Nothing here opens a device."""
