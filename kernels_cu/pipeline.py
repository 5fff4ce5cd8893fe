"""A step of a serving engine: inputs in, KV write and compute layer by layer, pages swapped out, results out."""

from __future__ import annotations

from typing import Any

from kbench import Copy, CopyBatch, Launch, Op, Out, Skip, cdiv, host, kernel, to_numpy

STEP = 1 / 4096  # what a multiply-add of the stand-in adds: sums of it and of multiples of it are exact in fp32
MOST_STEPS = 2**23


@kernel(
    "pipeline.cu",
    entry="reshape_and_cache_vector<{dtype}>",
    axes={
        "tokens": [64, 1024],
        "layers": [4, 32],
        "heads": [8],
        "dim": [128],
        "page_size": [16],
        "hidden": [1024],
        "rounds": [4],
        "k": [64],
        "swapped": [32],
        "dtype": ["float16"],
        "variant": ["memcpy", "batch", "staged"],
        "streams": [1, 2, 3],
        "threads": [256],
    },
    tuning=("variant", "streams", "threads"),
)
def pipeline(
    xp: Any, rng: Any, *, tokens: int, layers: int, heads: int, dim: int, page_size: int, hidden: int, rounds: int,
    k: int, swapped: int, dtype: Any, variant: str, streams: int, threads: int,
) -> Op:  # fmt: skip
    n, x, steps_taken = heads * dim, 16 // dtype.itemsize, layers * rounds * k
    page_bytes = page_size * n * dtype.itemsize
    if dim % x:
        raise Skip(f"dim is no multiple of 16 bytes = {x} {dtype}")
    if not 1 <= streams <= 3:
        raise Skip("a step has work for one to three streams")
    if steps_taken > MOST_STEPS:
        raise Skip("more multiply-adds in a row than stay exact in fp32")
    swap, link = min(1, streams - 1), 2 if streams == 3 else 0  # kernels of the layers are on stream 0

    pages = (
        swapped + cdiv(tokens, page_size) + 2
    )  # those swapped out, those written, and two that must stay as they are
    cache = rng.bits((2, layers, pages, page_size * n), dtype)
    key, value = (rng.bits((tokens, n), dtype) for _ in range(2))
    order = rng.permutation(pages)
    out, taken = order[:swapped], order[swapped:]
    token = xp.arange(tokens, dtype=xp.int64)
    slots = taken[token // page_size] * page_size + token % page_size
    given = xp.floor(rng.random((tokens, hidden)) / STEP) * STEP

    given_on_host, slots_on_host = host(given), host(slots)
    kept, result = host((2, layers, swapped, page_size * n), dtype), host((tokens, hidden), "float32")
    here, there = xp.empty_like(given), xp.empty_like(given)
    mapping = xp.empty_like(slots)
    scratch = [here, there, mapping]

    def swap_out() -> list[Any]:
        if variant == "staged":
            staging = xp.empty((2 * layers * swapped, page_size * n), cache.dtype)
            scratch.append(staging)
            row = xp.arange(2 * layers * swapped, dtype=xp.int64)
            pairs = xp.stack([row // swapped * pages + out[row % swapped], row], axis=1)
            args = (staging, cache, pairs, 2 * layers * swapped, page_bytes // 16)
            return [
                Launch(entry="move_pages<4>", grid=2 * layers * swapped, block=threads, args=args, stream=swap),
                Copy(kept, staging, stream=swap),
            ]
        rows = [(kept[i, layer], cache[i, layer]) for i in (0, 1) for layer in range(layers)]
        pairs = [(h[at], c[page]) for h, c in rows for at, page in enumerate(to_numpy(out).tolist())]
        return [CopyBatch(pairs, stream=swap)] if variant == "batch" else [Copy(a, b, stream=swap) for a, b in pairs]

    steps: list[Any] = [Copy(mapping, slots_on_host, stream=link), Copy(here, given_on_host, stream=link)]
    if swapped:
        steps += swap_out()  # waits for nothing: this step writes none of those pages
    for layer in range(layers):
        args: tuple[Any, ...] = (cache[0, layer], cache[1, layer], key, value, mapping, n, page_size)
        steps.append(Launch(grid=tokens, block=threads, args=args, after=() if layer else (0,)))
        for one in range(rounds):
            args = (there, here, xp.float32(1), xp.float32(STEP), tokens * hidden)
            after = () if layer or one else (1,)
            grid = cdiv(tokens * hidden, 4 * threads)
            steps.append(Launch(entry=f"fma_vector<float, {k}>", grid=grid, block=threads, args=args, after=after))
            here, there = there, here
    steps.append(Copy(result, here, stream=link, after=(len(steps) - 1,)))

    def written(before: Any) -> Any:
        """Both kinds have their positions on axis 3: brought next to the page, a row is a slot."""
        after = before.copy()
        for i, (new, inner) in enumerate(((key, x), (value, 1))):
            by_slot = xp.moveaxis(after[i].reshape(layers, pages, n // inner, page_size, inner), 3, 2)
            by_slot = xp.ascontiguousarray(by_slot).reshape(layers, pages * page_size, n)
            by_slot[:, slots] = new
            by_page = xp.moveaxis(by_slot.reshape(layers, pages, page_size, n // inner, inner), 2, 3)
            after[i] = by_page.reshape(layers, pages, page_size * n)
        return after

    outputs = {
        "cache": Out(cache, written, exact=True, poison=False),
        "result": Out(result, lambda: given + xp.float32(steps_taken * STEP), exact=True),
    }
    if swapped:
        outputs["swapped"] = Out(kept, lambda: cache[:, :, out], exact=True)
    return Op(
        steps=steps, outputs=outputs, scratch=scratch,
        bytes_h2d=tokens * (hidden * 4 + 8), bytes_d2h=tokens * hidden * 4 + 2 * layers * swapped * page_bytes,
        formula="8 tokens hidden + 8 tokens + 2 layers swapped page_size heads dim itemsize",
        items={"tokens": tokens},
    )  # fmt: skip
