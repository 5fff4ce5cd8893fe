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
        self._depth = 0

    def prepare(self, name: str, kernel: str, ordinal: int) -> None:
        """The range of a configuration that is to come: category = its kernel, payload = its number in the plan."""
        if name not in self._configs:
            self._configs[name] = self._domain.get_event_attributes(message=name, category=kernel, payload=ordinal)

    def enter(self, name: str, phase: str = "") -> None:
        """Leave whatever is open; then open a prepared configuration's range, and a phase inside it."""
        self.leave()
        self._domain.push_range(self._configs[name])
        self._depth = 1
        if phase:
            self._domain.push_range(self._phases[phase])
            self._depth = 2

    def leave(self) -> None:
        """Close all that is open."""
        while self._depth:
            self._domain.pop_range()
            self._depth -= 1


def _domain() -> Any:
    """The package leaves ranges out where the tool does not say that it wants the domain, as Nsight Systems 2023 does
    not, which then lacks them. So the domain is made without asking; a tool that wants none drops them itself."""
    import nvtx

    domain = nvtx.get_domain(DOMAIN)
    try:
        from nvtx._lib.lib import Domain, DomainHandle
    except ImportError:  # a later version with another inside: it decides by itself
        return domain
    if isinstance(domain, Domain):
        return domain
    made = object.__new__(Domain)
    made.handle = DomainHandle(DOMAIN)
    made.__init__(DOMAIN)
    return made
