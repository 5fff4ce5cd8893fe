"""kbench from Python: sweep(…) measures a kernel's configurations, measure(…) times any callable that uses the GPU.

Nothing is printed; progress goes to functions that the caller may give.
"""

from __future__ import annotations

from kbench.api.sweeping import sweep
from kbench.api.timing import Timing, measure
from kbench.reading.collected import Rows

__all__ = ["Rows", "Timing", "measure", "sweep"]
