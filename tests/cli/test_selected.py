"""Which stored results a profiler is to look at."""

from __future__ import annotations

import msgspec
import pytest
from synthetic import GPU, stored
from synthetic_profiles import one

from kbench.cli.selected import _here
from kbench.machine.choose import Choice
from kbench.machine.cuda import visible

OTHER = msgspec.structs.replace(GPU, uid="GPU-other")
ROWS = stored([one(), msgspec.structs.replace(one(), device=OTHER)])


def test_a_pick_is_of_this_gpu_where_the_store_has_several(monkeypatch: pytest.MonkeyPatch) -> None:
    def gpus() -> tuple[list[visible.Gpu], str]:
        return [visible.Gpu(uid, "", "sm_90", "", (13, 0)) for uid in (GPU.uid, OTHER.uid, "GPU-third")], ""

    monkeypatch.setattr(visible, "gpus", gpus)
    for name, expected in (("cuda:0", [GPU.uid]), ("cuda:1", [OTHER.uid]), ("cuda:2", [GPU.uid, OTHER.uid])):
        assert [row.result.device.uid for row in _here(ROWS, Choice(name, "a test"))] == expected
    assert _here(ROWS, Choice("cpu", "a test")) == []
