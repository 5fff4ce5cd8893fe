"""The specs' references against loops over single elements, written from the layouts alone; and 128 heads x 128."""

from __future__ import annotations

from itertools import product
from typing import Any

import ml_dtypes  # noqa: F401
import numpy as np
import pytest
from bundled import planned, suite

from kbench.experiment.sweep import verify
from kbench.intent.numbers import Rng
from kbench.intent.op import Copy, CopyBatch, HostArray, Launch, Op, as_out
from kbench.intent.plan import Planned


def op_of(name: str, axes: dict[str, Any]) -> Op:
    (one, *_) = planned(name, axes)
    return one.kernel.op(np, Rng(np, one.config.problem), one.config)


def expected(op: Op, output: str) -> Any:
    """The reference of an output, given its initial contents."""
    out = as_out(op.outputs[output])
    initial = out.array.array if isinstance(out.array, HostArray) else out.array
    if not callable(out.reference):
        return out.reference
    return out.reference(initial.copy()) if out.reference.__code__.co_argcount else out.reference()


def same(got: Any, want: Any) -> bool:
    return got.shape == want.shape and got.dtype == want.dtype and got.tobytes() == want.tobytes()


def test_copy() -> None:
    op = op_of("copy", {"nbytes": [44], "variant": "naive"})
    assert same(expected(op, "dst"), op.steps[0].args[1])


def test_copy_blocks() -> None:
    op = op_of("copy_blocks", {"layers": [2], "pairs": [3], "heads": [1], "dim": [8], "variant": "naive"})
    keys, values, pairs, page = op.steps[0].args
    cache = as_out(op.outputs["cache"]).array
    want = cache.copy()
    for layer, (src, dst) in product(range(2), pairs.tolist()):
        for i, one in enumerate((keys.arrays[layer], values.arrays[layer])):
            for e in range(page):
                want[i, layer, dst, e] = one[src, e]
    assert page == 16 * 8
    assert len({*pairs.ravel().tolist()}) == 6, "sources and destinations are disjoint"
    assert same(expected(op, "cache"), want)


@pytest.mark.parametrize("layout", ["heads_first", "tokens_first"])
def test_transposes(layout: str) -> None:
    matrix = op_of("transpose", {"rows": [3], "cols": [5], "variant": "naive"})
    out, x = matrix.steps[0].args[:2]
    assert all(expected(matrix, "out")[c, r].tobytes() == x[r, c].tobytes() for r in range(3) for c in range(5))
    assert out.shape == (5, 3)
    op = op_of("transpose_heads", {"layout": layout, "heads": [2], "tokens": [3], "dim": [8], "variant": "naive"})
    x, got = op.steps[0].args[1], expected(op, "out")
    assert x.shape == ((2, 3, 8) if layout == "heads_first" else (3, 2, 8))
    assert all(got[b, a].tobytes() == x[a, b].tobytes() for a in range(x.shape[0]) for b in range(x.shape[1]))


@pytest.mark.parametrize(
    ("dtype", "slots", "skipped"),
    [("float16", "random", 0), ("float32", "ragged", 3), ("bfloat16", "consecutive", 1)],
)
def test_reshape_and_cache(dtype: str, slots: str, skipped: int) -> None:
    axes = {"tokens": [67], "heads": [2], "dim": [16], "slots": slots, "skipped": [skipped], "dtype": dtype}
    op = op_of("reshape_and_cache", {**axes, "variant": "naive"})
    key_cache, value_cache, key, value, mapping, n, page_size = op.steps[0].args
    x = 4 if dtype == "float32" else 8
    keys, values = key_cache.copy(), value_cache.copy()
    for token, slot in enumerate(mapping.tolist()):
        if slot >= 0:
            for h, d in product(range(2), range(16)):
                keys[slot // page_size, h, d // x, slot % page_size, d % x] = key[token, h, d]
                values[slot // page_size, h, d, slot % page_size] = value[token, h, d]
    assert n == 32
    assert int((mapping < 0).sum()) == skipped
    stored = mapping[mapping >= 0].tolist()
    assert len(set(stored)) == len(stored) == 67 - skipped, "slots are distinct"
    assert same(expected(op, "key_cache"), keys)
    assert same(expected(op, "value_cache"), values)


def test_sectors_of_random_slots_are_those_that_are_touched() -> None:
    for page_size, dtype, itemsize in ((16, "float16", 2), (8, "float16", 2), (32, "float32", 4)):
        axes = {"tokens": [40], "heads": [1], "dim": [16], "slots": "random", "dtype": dtype, "page_size": [page_size]}
        op = op_of("reshape_and_cache", {**axes, "variant": "naive"})
        x = 16 // itemsize
        keys, values = set(), set()
        for slot in op.steps[0].args[4].tolist():
            page, position = divmod(slot, page_size)
            keys |= {((page * 16 // x + c) * page_size + position) * 16 // 32 for c in range(16 // x)}
            values |= {((page * 16 + d) * page_size + position) * itemsize // 32 for d in range(16)}
        assert op.sectors_written == 32 * (len(keys) + len(values))


@pytest.mark.parametrize("host_order", ["consecutive", "random"])
@pytest.mark.parametrize("direction", ["h2d", "d2h"])
@pytest.mark.parametrize("variant", ["memcpy", "batch", "zero_copy"])
def test_swap_blocks(direction: str, host_order: str, variant: str) -> None:
    axes = {"direction": direction, "memory": "pinned", "pages": [5], "page_bytes": [64], "host_order": host_order}
    op = op_of("swap_blocks", {**axes, "variant": variant, "ctas": [1]})
    name = "cache" if direction == "h2d" else "host"
    array = as_out(op.outputs[name]).array
    memory = (array.array if isinstance(array, HostArray) else array).copy()
    for dst, src in moved(op):  # pairs of (index or view of the destination, bytes)
        memory[dst] = src
    assert same(expected(op, name), memory)
    assert (op.bytes_h2d, op.bytes_d2h) == ((320, 0) if direction == "h2d" else (0, 320))


def moved(op: Op) -> list[tuple[int, Any]]:
    """What each step says it does: the index of a destination page and the bytes that go there."""
    found = []
    for step in op.steps:
        if isinstance(step, Launch):
            dst, src, mapping, _, _ = step.args
            source = src.array if isinstance(src, HostArray) else src
            found += [(d, source[s].copy()) for s, d in mapping.tolist()]
        elif isinstance(step, Copy | CopyBatch):
            pairs = [(step.dst, step.src)] if isinstance(step, Copy) else step.pairs
            for pair in pairs:
                dst, src = (p.array if isinstance(p, HostArray) else p for p in pair)
                base = dst.base
                index = (dst.ctypes.data - base.ctypes.data) // dst.nbytes
                found.append((index, src.copy()))
    return found


@pytest.mark.parametrize(("variant", "streams"), [("memcpy", 1), ("batch", 2), ("staged", 3)])
def test_pipeline(variant: str, streams: int) -> None:
    """Step by step, as the Op lists them, each on its arrays in NumPy."""
    axes = {"tokens": [21], "layers": [2], "heads": [2], "dim": [8], "hidden": [5], "rounds": [3], "k": [7]}
    op = op_of("pipeline", {**axes, "swapped": [3], "variant": variant, "streams": [streams], "threads": [32]})
    want = {name: expected(op, name) for name in op.outputs}
    for step in op.steps:
        if isinstance(step, Copy | CopyBatch):
            for pair in [(step.dst, step.src)] if isinstance(step, Copy) else step.pairs:
                dst, src = (p.array if isinstance(p, HostArray) else p for p in pair)
                dst[...] = src.reshape(dst.shape)
        elif step.entry is None:
            keys, values, key, value, slots, n, page_size = step.args
            for token, slot in enumerate(slots.tolist()):
                page, position = divmod(slot, page_size)
                for e in range(n):
                    keys[page, (e // 8 * page_size + position) * 8 + e % 8] = key[token, e]
                    values[page, e * page_size + position] = value[token, e]
        elif step.entry.startswith("fma"):
            out, x, a, b, count = step.args
            assert count == x.size
            out[...] = x
            for _ in range(7):
                out[...] = a * out + b
        else:
            out, x, pairs, count, vectors = step.args
            assert count == len(pairs) == 2 * 2 * 3
            rows = x.reshape(-1, vectors * 8)
            out[pairs[:, 1]] = rows[pairs[:, 0]]
    for name, value in want.items():
        array = as_out(op.outputs[name]).array
        got = array.array if isinstance(array, HostArray) else array
        assert same(got, value), name


def test_steps_of_a_pipeline_wait_for_what_they_need_and_for_nothing_else() -> None:
    def edges(streams: int) -> list[tuple[str, int, tuple[int, ...]]]:
        axes = {"tokens": [16], "layers": [1], "rounds": [2], "variant": "staged", "streams": [streams]}
        steps = op_of("pipeline", axes).steps
        names = [(s.entry or "kv write") if isinstance(s, Launch) else "copy" for s in steps]
        return [(name.split("<")[0], s.stream, tuple(s.after)) for name, s in zip(names, steps, strict=True)]

    assert edges(3) == [
        ("copy", 2, ()), ("copy", 2, ()),  # slots, activations
        ("move_pages", 1, ()), ("copy", 1, ()),  # pages that nothing in this step writes
        ("kv write", 0, (0,)), ("fma_vector", 0, (1,)), ("fma_vector", 0, ()),
        ("copy", 2, (6,)),
    ]  # fmt: skip
    assert {stream for _, stream, _ in edges(1)} == {0}
    assert [stream for _, stream, _ in edges(2)] == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("k", [0, 1, 2, 255, 256])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_fma(dtype: str, k: int) -> None:
    """Stepwise, a rounding a step, in the type itself."""
    op = op_of("fma", {"n": [1000], "k": [k], "dtype": dtype, "variant": "naive"})
    _, x, a, b, _ = op.steps[0].args
    y = x.copy()
    for _ in range(k):
        y = (y.astype(np.longdouble) * a + b).astype(dtype)
    out = as_out(op.outputs["y"])
    got = expected(op, "y")
    assert got.dtype == y.dtype
    error = np.abs(got.astype(np.float64) - y.astype(np.float64))
    assert error.max() <= out.atol
    assert float(a) == -255 / 256
    assert float(b) == 1 / 8
    if k:  # one step more or less is far outside the tolerance for most elements
        other = (y.astype(np.float64) * float(a) + float(b)).astype(dtype)
        assert (np.abs(got.astype(np.float64) - other.astype(np.float64)) > 2 * out.atol).mean() > 0.95


def one_plan(configs: tuple[Planned, ...]) -> Any:
    return type(suite("verify"))(configs, suite("verify").method)


def test_128_heads_of_128_are_written_whole() -> None:
    """Twice the elements that one pass of the widest block covers with 16-byte accesses, and twice that again."""
    axes = {"tokens": [5], "heads": [128], "dim": [128], "slots": ["random", "consecutive"], "dtype": "float16"}
    configs = planned("reshape_and_cache", {**axes, "threads": [128, 512]}, "cpu")
    results = list(verify(one_plan(configs), "cpu"))
    assert not [(r.config.id, r.message) for r in results if r.status != "ok"]
    assert len(results) == 2 * 4 * 2
    assert {len(r.checks) for r in results} == {2}
