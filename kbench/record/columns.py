"""Results and profiles as rows of a store: what stands in which column."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from kbench.experiment.result import Result
from kbench.profiling.profile import Profile
from kbench.record.environment import now_utc

UNFIT = (msgspec.MsgspecError, OverflowError, ValueError, TypeError)
"""What comes of values that cannot be written, or not be read back."""


def text_of(value: Any) -> str:
    """JSON."""
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    """Values that are a plain one in disguise: a DType is a str, a NumPy scalar an int or a float."""
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def columns_of_result(run: int, result: Result, key: str) -> dict[str, Any]:
    """Raises one of UNFIT where the result cannot be written and read back."""
    body = text_of(result)
    msgspec.json.decode(body, type=Result)
    if abs(result.traffic.useful_bytes) >= 2**63:
        raise OverflowError(f"{result.traffic.useful_bytes} useful bytes are more than any memory has")
    device, measured = result.device, result.measurement
    return {
        **_shared(run, result, key, body),
        "driver": device.driver,
        "center_s": result.time_s,
        "low_s": measured.summary.low_s if measured else None,
        "high_s": measured.summary.high_s if measured else None,
        "useful_bytes": result.traffic.useful_bytes,
        "achieved_bytes_per_s": result.achieved_bytes_per_s,
        "of_peak": result.of_peak,
        "of_roof": result.of_roof,
        "clock": measured.clock if measured else None,
        "cache": measured.cache if measured else None,
    }


def columns_of_profile(run: int, profile: Profile, key: str) -> dict[str, Any]:
    """As `columns_of_result`."""
    body = text_of(profile)
    msgspec.json.decode(body, type=Profile)
    own = {"tool": profile.tool, "version": profile.version, "raw": profile.raw}
    return _shared(run, profile, key, body) | own


def _shared(run: int, row: Result | Profile, key: str, body: str) -> dict[str, Any]:
    config, device = row.config, row.device
    return {
        "uid": hashlib.sha256(f"{run}\n{config.id}\n{device.uid}\n{body}".encode()).hexdigest()[:32],
        "run": run,
        "added": now_utc(),
        "config": config.id,
        "key": key,
        "problem": config.problem,
        "kernel": config.kernel,
        "status": row.status,
        "message": row.message,
        "device_kind": device.kind,
        "device_uid": device.uid,
        "device_label": device.label,
        "source": row.source,
        "body": body,
    }
