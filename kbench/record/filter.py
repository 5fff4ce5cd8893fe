"""Which rows a reader asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kbench.experiment.result import Result
from kbench.intent.config import Config, Value, format_value
from kbench.machine.device import DeviceInfo


@dataclass(frozen=True)
class Filter:
    """Every part that is given must hold; an empty part lets everything through.

    kernels, statuses: names. configs: configuration ids, the beginnings of their keys, or KERNEL.KEY as profilers are
    shown it. runs: run ids.
    devices: kinds ("cuda", "cpu"), uids or labels. axes: {axis: the values wanted}, compared as they are printed.
    """

    kernels: Sequence[str] = ()
    statuses: Sequence[str] = ()
    configs: Sequence[str] = ()
    devices: Sequence[str] = ()
    runs: Sequence[int] = ()
    axes: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def sql(self) -> tuple[str, list[Any]]:
        """The part that SQL decides: text that begins with " AND " (or nothing), and the values of its marks."""
        parts: list[str] = []
        values: list[Any] = []
        for column, wanted in (("kernel", self.kernels), ("status", self.statuses), ("run", self.runs)):
            if wanted:
                parts.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        if self.devices:
            one = "? IN (device_kind, device_uid, device_label)"
            parts.append(f"({' OR '.join([one] * len(self.devices))})")
            values += self.devices
        if self.configs:
            one = "config = ?1 OR substr(key, 1, length(?1)) = ?1 OR substr(kernel || '.' || key, 1, length(?1)) = ?1"
            parts.append(f"({' OR '.join([one.replace('?1', '?')] * len(self.configs))})")
            values += [word for config in self.configs for word in [config] * 5]
        return "".join(f" AND {part}" for part in parts), values

    def takes(self, result: Result) -> bool:
        """The part that is decided on the values themselves."""
        return self._has_axes(result.config)

    def takes_unmeasured(self, config: Config, device: DeviceInfo, key: str) -> bool:
        """Whether a configuration without a result passes; none does where a status or a run is asked for."""
        return (
            not (self.statuses or self.runs)
            and config.kernel in (self.kernels or (config.kernel,))
            and (not self.devices or any(one in self.devices for one in (device.kind, device.uid, device.label)))
            and (not self.configs or any(names(word, config, key) for word in self.configs))
            and self._has_axes(config)
        )

    def _has_axes(self, config: Config) -> bool:
        return all(
            name in config.axes and format_value(config.axes[name]) in {format_value(v) for v in wanted}
            for name, wanted in self.axes.items()
        )


def names(word: str, config: Config, key: str) -> bool:
    """Whether a word is the configuration's id, or the beginning of its key or of KERNEL.KEY."""
    return word == config.id or key.startswith(word) or f"{config.kernel}.{key}".startswith(word)
