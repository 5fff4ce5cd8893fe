"""Writes new keys and values into the pages of a KV cache, each token into the slot that a mapping names."""

from __future__ import annotations

from typing import Any

from kbench import Launch, Op, Out, Skip, cdiv, kernel, sectors

STATIC_SHARED_BYTES = 48 * 1024
MOST_VECTORS = 8  # of keys and of values that a thread holds in registers


def entry(*, variant: str, dtype: Any, page_size: int, threads: int, span: int = 0, **_: Any) -> str:
    more = f", {page_size}, {threads}, {span}" if variant in ("shared", "gather") else ""
    return f"reshape_and_cache_{variant}<{dtype.cpp}{more}>"


def slot_mapping(xp: Any, rng: Any, kind: str, tokens: int, pages: int, page_size: int) -> Any:
    """int64[tokens], distinct. consecutive: one sequence from the second page on. ragged: sequences of 3 page_size + 5
    tokens, each in random pages of its own. random: anywhere."""
    if kind == "random":
        return rng.permutation(pages * page_size)[:tokens].copy()
    token = xp.arange(tokens, dtype=xp.int64)
    if kind == "consecutive":
        return token + page_size
    sequence, position = token // (3 * page_size + 5), token % (3 * page_size + 5)
    page = rng.permutation(pages)[sequence * cdiv(3 * page_size + 5, page_size) + position // page_size]
    return page * page_size + position % page_size


@kernel(
    "reshape_and_cache.cu",
    entry=entry,
    axes={
        "tokens": [256, 65536],
        "heads": [8],
        "dim": [128],
        "page_size": [16],
        "slots": ["consecutive", "random", "ragged"],
        "skipped": [0],
        "dtype": ["float16"],
        "variant": ["naive", "vector", "shared", "gather"],
        "threads": [128, 256, 512],
        "span": [128],
    },
    tuning=("variant", "threads", "span"),
    only={"span": ("shared", "gather")},
)
def reshape_and_cache(
    xp: Any, rng: Any, *, tokens: int, heads: int, dim: int, page_size: int, slots: str, skipped: int, dtype: Any,
    variant: str, threads: int, span: int,
) -> Op:  # fmt: skip
    x, n = 16 // dtype.itemsize, heads * dim
    if dim % x:
        raise Skip(f"dim is no multiple of x = 16 bytes = {x} {dtype}")
    if not 0 <= skipped <= tokens:
        raise Skip("skipped is a number of tokens")
    if variant in ("shared", "gather"):
        check_tile(page_size, span, threads, dtype.itemsize, x)
    # Four times the pages that the tokens need: random slots fill a quarter of a page, as in a cache in service.
    pages = 4 * (cdiv(tokens, page_size) + 2)
    storage = "uint16" if dtype == "bfloat16" else dtype  # only bits are moved
    key, value = (rng.bits((tokens, heads, dim), storage) for _ in range(2))
    key_cache = rng.bits((pages, heads, dim // x, page_size, x), storage)
    value_cache = rng.bits((pages, heads, dim, page_size), storage)
    mapping = slot_mapping(xp, rng, slots, tokens, pages, page_size)
    order = rng.permutation(tokens)
    stored, left_out = order[skipped:], order[:skipped]
    target = mapping[stored]
    if skipped:
        mapping[left_out] = -1 - left_out  # any negative slot, not only -1

    def written(before: Any, new: Any) -> Any:
        """Both caches have their positions on axis 3: brought next to the page, a row of the cache is a slot."""
        by_slot = xp.ascontiguousarray(xp.moveaxis(before, 3, 1))
        by_slot.reshape(pages * page_size, n)[target] = new[stored].reshape(-1, n)
        return xp.ascontiguousarray(xp.moveaxis(by_slot, 1, 3))

    args: tuple[Any, ...] = (key_cache, value_cache, key, value, mapping)
    steps = [Launch(grid=tokens, block=threads, args=(*args, n, page_size))]
    if variant == "shared":
        steps = [Launch(grid=cdiv(tokens, page_size) * cdiv(n, span), block=threads, args=(*args, n, tokens))]
    scratch: tuple[Any, ...] = ()
    if variant == "gather":
        signatures = rng.bits(pages * page_size, "int32")  # whatever it holds
        scratch = (signatures,)
        steps = [
            Launch(entry="sign_slots", grid=cdiv(tokens, 256), block=256, args=(signatures, mapping, tokens)),
            Launch(grid=tokens, block=threads, args=(*args, signatures, n, tokens)),
        ]
    moved = 2 * (tokens - skipped) * n * dtype.itemsize
    return Op(
        steps=steps,
        outputs={
            "key_cache": Out(key_cache, lambda before: written(before, key), exact=True, poison=False),
            "value_cache": Out(value_cache, lambda before: written(before, value), exact=True, poison=False),
        },
        scratch=scratch,
        bytes_read=moved + 8 * tokens,
        bytes_written=moved,
        sectors_written=sectors_written(target, n, x, page_size, dtype.itemsize) if slots == "random" else None,
        formula="4 (tokens - skipped) heads dim itemsize + 8 tokens",
        items={"tokens": tokens},
    )


def check_tile(page_size: int, span: int, threads: int, itemsize: int, x: int) -> None:
    if page_size % x or page_size > 64:
        raise Skip(f"page_size is no multiple of {x} up to 64: a value row is not whole 16-byte vectors")
    if span * itemsize % 128 or page_size * span * itemsize + 32 * page_size > STATIC_SHARED_BYTES:
        raise Skip(f"a tile of {page_size} x {span} is not rows of 128 bytes within 48 KiB of shared memory")
    if page_size * span // x > MOST_VECTORS * threads:
        raise Skip(f"{threads} threads would hold more than {MOST_VECTORS} vectors of keys and of values each")


def sectors_written(slots: Any, n: int, x: int, page_size: int, itemsize: int) -> int:
    """Keys: 16 bytes at each slot of n / x rows. Values: one element at each slot of n rows; rows shorter than a sector
    share theirs, so that one token touches every sector of its page."""
    keys = sectors(slots, 16) * (n // x)
    if page_size * itemsize % 32:
        return keys + sectors(slots // page_size, page_size * itemsize * n)
    return keys + sectors(slots, itemsize) * n
