"""Timelines by CUPTI on a real GPU: what is recorded is what was enqueued, and streams overlap where they can."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import commandline
import pytest
from bundled import planned

from kbench.experiment.engine import Engine
from kbench.experiment.timelines import timelines
from kbench.intent.method import Method
from kbench.profiling.chrome import decoded
from kbench.profiling.profile import Profile
from kbench.profiling.timeline import timeline
from kbench.record.store import Store

pytestmark = pytest.mark.gpu

# Swapping 64 MiB takes about as long as 32 layers of 4 launches; inputs and results are an eighth of that.
STEP: dict[str, Any] = {"tokens": [1024], "layers": [32], "k": [256], "swapped": [32], "variant": ["staged"]}
LAUNCHES = 32 * (1 + 4) + 1  # KV write and stand-ins of each layer, and the gather
COPIES = 2 + 1 + 1


@pytest.fixture(scope="module")
def by_streams() -> dict[int, Profile]:
    pytest.importorskip("cupti", reason="a GPU's timeline needs cupti-python")
    configs = planned("pipeline", {**STEP, "streams": [1, 2, 3]})
    with Engine("cuda:0") as engine:
        found = list(timelines(engine, configs, Method(timeout_s=60.0)))
    assert [(p.status, p.message) for p in found if p.status != "ok"] == []
    return {int(p.config.axes["streams"]): p for p in found}


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_everything_that_was_enqueued_is_there_on_its_stream(by_streams: dict[int, Profile], streams: int) -> None:
    spans = by_streams[streams].spans
    kinds = Counter(span.kind for span in spans)
    assert (kinds["kernel"], kinds["copy"], kinds["fill"]) == (LAUNCHES, COPIES, 0)
    assert {s.lane for s in spans if s.kind in ("kernel", "copy")} == {f"stream {n}" for n in range(streams)}
    names = Counter(s.name for s in spans if s.kind == "kernel")
    assert names == {"fma_vector<float, 256>": 128, "reshape_and_cache_vector<__half>": 32, "move_pages<4>": 1}
    copies = Counter((s.memory, s.nbytes, s.name) for s in spans if s.kind == "copy")
    assert copies == {
        ("h2d", 8 * 1024, "copy h2d"): 1,
        ("h2d", 4 * 1024 * 1024, "copy h2d"): 1,
        ("d2h", 2 * 32 * 32 * 32768, "copy d2h"): 1,
        ("d2h", 4 * 1024 * 1024, "copy d2h"): 1,
    }
    calls = {s.correlation: s for s in spans if s.kind == "call"}
    for span in spans:
        if span.kind in ("kernel", "copy"):
            call = calls[span.correlation]
            assert call.start_s < span.start_s, f"{span.name} began before {call.name} asked for it"
    assert {s.lane for s in calls.values()} == {"host"}
    assert any("ynchronize" in s.name for s in calls.values())


def test_one_stream_hides_nothing_and_two_hide_most_of_the_swap(by_streams: dict[int, Profile]) -> None:
    found = {streams: timeline(profile.spans) for streams, profile in by_streams.items()}
    assert (found[1].copies_hidden or 0) < 0.01, "stamps of copies and of kernels come from different units"
    assert (found[1].kernels_hidden or 0) < 0.01
    for streams in (2, 3):
        assert (found[streams].copies_hidden or 0) > 0.5
        assert found[streams].time_s < 0.9 * found[1].time_s
        assert by_streams[streams].value("overlap_share") == found[streams].copies_hidden


def test_steps_wait_for_what_they_need(by_streams: dict[int, Profile]) -> None:
    """The edges of the Op, as the GPU kept them: slots before the first KV write, activations before the first
    stand-in, results after the last; the swap began without waiting for any of them to end."""
    spans = sorted((s for s in by_streams[3].spans if s.kind in ("kernel", "copy")), key=lambda s: s.start_s)
    slots, given = (s for s in spans if s.memory == "h2d")
    writes = [s for s in spans if s.name.startswith("reshape")]
    stands_in = [s for s in spans if s.name.startswith("fma")]
    result = next(s for s in spans if s.memory == "d2h" and s.nbytes == 4 * 1024 * 1024)
    gather = next(s for s in spans if s.name.startswith("move_pages"))
    assert slots.end_s <= writes[0].start_s
    assert given.end_s <= stands_in[0].start_s
    assert result.start_s >= stands_in[-1].end_s
    assert gather.start_s < stands_in[0].start_s


def test_the_traced_time_is_that_of_the_host_clock(by_streams: dict[int, Profile]) -> None:
    """From the first start to the last end on the GPU, and the host's clock around the same step, which adds what it
    takes to submit and to be told."""
    configs = planned("pipeline", {**STEP, "streams": [1]})
    with Engine("cuda:0") as engine:
        (result,) = engine.run(configs, Method(timeout_s=60.0))
    assert result.time_s is not None
    traced = timeline(by_streams[1].spans).time_s
    assert 0.7 * result.time_s < traced < 1.3 * result.time_s


def test_the_verb_and_profile_with_the_tool_cupti(tmp_path: Path) -> None:
    pytest.importorskip("cupti", reason="a GPU's timeline needs cupti-python")
    done = commandline.run("timeline", "--device", "cuda", "--streams", "1,3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [len(row["lanes"]) for row in rows] == [1, 3]
    assert rows[0]["metrics"]["overlap_share"] < 0.01
    assert rows[1]["metrics"]["overlap_share"] > 0.5
    for row in rows:
        assert decoded((tmp_path / row["trace"]).read_bytes())
        assert (tmp_path / row["picture"]).stat().st_size > 5000
    words = ("profile", "--tool", "cupti", "--device", "cuda", "--kernel", "copy", "--axis", "nbytes=64MiB")
    done = commandline.run(*words, "--variant", "naive", "--dtype", "float32", "--block-size", "256", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Store.open(tmp_path / "kbench.db", readonly=True) as store:
        copy = next(one.profile for one in store.profiles() if one.profile.config.kernel == "copy")
    assert copy.tool == "cupti"
    assert copy.launches == 1
    assert copy.value("overlap_share") is None
    seconds = copy.value("duration_s")
    assert seconds is not None
    assert 2 * 2**26 / seconds < 8e12
    assert (tmp_path / copy.raw).is_file()


def test_the_clock_cupti_still_measures_after_a_timeline(gpu: Any, bind: Any) -> None:
    """Both use the one subscriber that CUPTI has."""
    import cupy

    from kbench.intent.op import Launch

    if gpu.clocks.cupti.missing:
        pytest.skip(gpu.clocks.cupti.missing)
    n = 2**24
    x = cupy.zeros(n, cupy.int32)
    bound = bind(Launch(entry="increment", grid=n // 256, block=256, args=(x, n)), outputs={"x": x})
    before = bound.sample(5, clock="cupti", cache="warm").elapsed_s
    trace = bound.trace()
    after = bound.sample(5, clock="cupti", cache="warm").elapsed_s
    kernel = next(s for s in trace.spans if s.kind == "kernel")
    assert min(before) * 0.5 < kernel.end_s - kernel.start_s < max(before) * 3
    assert min(after) < 2 * max(before)
