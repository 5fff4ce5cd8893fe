"""Moves pages of a KV cache between GPU and host memory, in either direction."""

from __future__ import annotations

from typing import Any

from kbench import Copy, CopyBatch, Launch, Op, Out, Skip, host, kernel, to_numpy


@kernel(
    "swap_blocks.cu",
    entry="move_pages<{loads}>",
    axes={
        "direction": ["h2d", "d2h"],
        "memory": ["pinned", "pageable"],
        "pages": [100],
        "page_bytes": ["16KiB", "128KiB"],
        "host_order": ["consecutive"],
        "variant": ["memcpy", "batch", "staged", "zero_copy"],
        "threads": [512],
        "loads": [4],
        "ctas": [8, 32],
    },
    tuning=("variant", "threads", "loads", "ctas"),
    baselines=("memcpy", "batch"),
    only={"ctas": ("zero_copy",)},
    also={"host_order": ["random"]},
)
def swap_blocks(
    xp: Any, rng: Any, *, direction: str, memory: str, pages: int, page_bytes: int, host_order: str,
    variant: str, threads: int, loads: int, ctas: int,
) -> Op:  # fmt: skip
    if variant == "zero_copy" and memory == "pageable":
        raise Skip("a kernel reaches page-locked host memory only")
    if variant == "staged" and host_order == "random":
        raise Skip("one copy needs consecutive host pages")
    if variant in ("staged", "zero_copy") and page_bytes % 16:
        raise Skip(f"a page of {page_bytes} bytes is no multiple of 16 bytes")
    cache = rng.bits((2 * pages, page_bytes), "uint8")  # half of its pages are not moved and must stay as they are
    saved = rng.bits((pages, page_bytes), "uint8")
    in_cache = rng.permutation(2 * pages)[:pages]
    in_order = xp.arange(pages, dtype=xp.int64)
    on_host = in_order if host_order == "consecutive" else rng.permutation(pages)
    swap_in = direction == "h2d"
    kept = host(saved, pinned=memory == "pinned")
    staging = xp.empty((pages, page_bytes), xp.uint8) if variant == "staged" else None

    def steps() -> list[Any]:
        if variant in ("memcpy", "batch"):
            moves = zip(to_numpy(in_cache).tolist(), to_numpy(on_host).tolist(), strict=True)
            pairs = [(cache[c], kept[h]) if swap_in else (kept[h], cache[c]) for c, h in moves]
            return [CopyBatch(pairs)] if variant == "batch" else [Copy(*pair) for pair in pairs]
        if variant == "zero_copy":
            return [launch(ctas, kept, on_host)]
        if swap_in:
            return [Copy(staging, kept), launch(pages, staging, in_order)]
        return [launch(pages, staging, in_order), Copy(kept, staging)]

    def launch(grid: int, other: Any, index: Any) -> Launch:
        """Between the cache and `other`, whose pages are named by `index`."""
        if swap_in:
            dst, src, mapping = cache, other, xp.stack([index, in_cache], axis=1)
        else:
            dst, src, mapping = other, cache, xp.stack([in_cache, index], axis=1)
        return Launch(grid=grid, block=threads, args=(dst, src, mapping, pages, page_bytes // 16))

    def swapped_in(before: Any) -> Any:
        after = before.copy()
        after[in_cache] = saved[on_host]
        return after

    def swapped_out() -> Any:
        after = xp.empty_like(saved)
        after[on_host] = cache[in_cache]
        return after

    out = Out(cache, swapped_in, exact=True, poison=False) if swap_in else Out(kept, swapped_out, exact=True)
    return Op(
        steps=steps(), outputs={"cache" if swap_in else "host": out}, formula="pages page_bytes",
        bytes_h2d=pages * page_bytes * swap_in, bytes_d2h=pages * page_bytes * (not swap_in), items={"pages": pages},
        scratch=() if staging is None else (staging,),
    )  # fmt: skip
