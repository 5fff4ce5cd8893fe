"""NVTX ranges of the domain kbench: one for each configuration, its phases inside it. Profilers show them and filter by
them; without a profiler a range costs well under a microsecond.

    kbench | copy.3f2a91c0 ..................................... |
           | build | | check | | warm-up | | samples ........... |
"""

from __future__ import annotations

import re
from typing import Any

DOMAIN = "kbench"
PHASES = ("build", "check", "warm-up", "samples")


def range_name(kernel: str, key: str) -> str:
    """KERNEL.KEY, of letters, digits and `_.-` alone: nothing that a profiler's filter reads as its own syntax."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{kernel}.{key}")


class Marks:
    """Ranges on this thread's stack. Attributes are built once each, so that a range is two calls and no more."""

    def __init__(self) -> None:
        self._domain = _domain()
        self._phases = {name: self._domain.get_event_attributes(message=name) for name in PHASES}
        self._configs: dict[str, Any] = {}
        self._open: list[str] = []  # a configuration, and perhaps a phase

    def prepare(self, name: str, kernel: str, ordinal: int) -> None:
        """The range of a configuration that is to come: category = its kernel, payload = its number in the plan."""
        if name not in self._configs:
            self._configs[name] = self._domain.get_event_attributes(message=name, category=kernel, payload=ordinal)

    def enter(self, name: str, phase: str = "") -> None:
        """Open a phase of a prepared configuration: inside its range if that is open, else in a new one. Whatever else
        is open is closed."""
        if self._open[:1] == [name]:
            self._close_to(1)
        else:
            self.leave()
            self._push(name, self._configs[name])
        if phase:
            self._push(phase, self._phases[phase])

    def leave(self) -> None:
        """Close all that is open."""
        self._close_to(0)

    def _push(self, name: str, attributes: Any) -> None:
        self._domain.push_range(attributes)
        self._open.append(name)

    def _close_to(self, depth: int) -> None:
        while len(self._open) > depth:
            self._open.pop()
            self._domain.pop_range()


def _domain() -> Any:
    """The package leaves ranges out where the tool does not say that it wants the domain, as Nsight Systems 2023 does
    not, which then lacks them. So the domain is made without asking; a tool that wants none drops them itself."""
    import nvtx

    try:
        from nvtx._lib.lib import Domain, DomainHandle
    except ImportError:  # a later version with another inside: it decides by itself
        return nvtx.get_domain(DOMAIN)
    made = object.__new__(Domain)
    made.handle = DomainHandle(DOMAIN)
    made.__init__(DOMAIN)
    return made
