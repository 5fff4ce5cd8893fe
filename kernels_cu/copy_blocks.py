"""Copies pages of a KV cache over other pages, (source, destination) pairs, in every layer, keys and values."""

from __future__ import annotations

from typing import Any

from kbench import Copy, Launch, Op, Out, Pointers, Skip, cdiv, kernel, to_numpy

MOST_COPIES = 4096


def entry(*, variant: str, dtype: Any, loads: int = 0, hint: str = "", chunk: int = 0, **_: Any) -> str:
    more = {"split": f", {loads}, {hint}", "bulk": f", {chunk}"}.get(variant, "")
    return f"copy_blocks_{variant}<{dtype.cpp}{more}>"


@kernel(
    "copy_blocks.cu",
    entry=entry,
    axes={
        "layers": [32],
        "pairs": [1, 256],
        "page_size": [16],
        "heads": [8],
        "dim": [128],
        "dtype": ["float16", "float8_e4m3fn"],
        "variant": ["naive", "uint4", "split", "bulk", "memcpy"],
        "threads": [128, 256, 512],
        "loads": [1, 2, 4],
        "hint": ["streaming"],
        "chunk": [8192, 16384],
    },
    tuning=("variant", "threads", "loads", "hint", "chunk"),
    baselines=("memcpy",),
    only={"threads": ("naive", "uint4", "split"), "loads": ("split",), "hint": ("split",), "chunk": ("bulk",)},
    also={"hint": ["plain", "bypass", "evict_first"]},
)
def copy_blocks(
    xp: Any, rng: Any, *, layers: int, pairs: int, page_size: int, heads: int, dim: int, dtype: Any,
    variant: str, threads: int, loads: int, hint: str, chunk: int,
) -> Op | Launch:  # fmt: skip
    page = page_size * heads * dim
    page_bytes = page * dtype.itemsize
    pages = 2 * pairs + 2  # two more than the pairs name: those must stay as they are
    if variant not in ("naive", "memcpy") and page_bytes % 16:
        raise Skip(f"a page of {page_bytes} bytes is no multiple of 16 bytes")
    if pairs > 65535 or 2 * layers > 65535:
        raise Skip("a grid has at most 65535 pairs and 32767 layers")
    cache = rng.bits((2, layers, pages, page), dtype)
    order = rng.permutation(pages)
    src, dst = order[:pairs], order[pairs : 2 * pairs]

    def copied(before: Any) -> Any:
        after = before.copy()
        after[:, :, dst] = before[:, :, src]
        return after

    about: dict[str, Any] = {
        "outputs": {"cache": Out(cache, copied, exact=True, poison=False)},
        "bytes_read": 2 * layers * pairs * page_bytes,
        "bytes_written": 2 * layers * pairs * page_bytes,
        "formula": "4 layers pairs page_size heads dim itemsize",
        "items": {"pages": 2 * layers * pairs},
    }
    if variant == "memcpy":
        if 2 * layers * pairs > MOST_COPIES:
            raise Skip(f"{2 * layers * pairs} calls of one page each; at most {MOST_COPIES} are worth the wait")
        moves = list(zip(to_numpy(dst).tolist(), to_numpy(src).tolist(), strict=True))
        rows = [cache[i, layer] for layer in range(layers) for i in (0, 1)]
        return Op(steps=[Copy(row[d], row[s]) for row in rows for d, s in moves], **about)
    grid: tuple[int, ...] = (layers, pairs)
    if variant in ("split", "bulk"):
        grid = (cdiv(page_bytes, chunk or 16 * threads * loads), pairs, 2 * layers)
    keys, values = (Pointers([cache[i, layer] for layer in range(layers)]) for i in (0, 1))
    return Launch(grid=grid, block=threads or 32, args=(keys, values, xp.stack([src, dst], axis=1), page), **about)
