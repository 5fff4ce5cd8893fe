"""Results as a sweep would give them, drawn from a seeded model of a device: nothing here was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product

import msgspec
import numpy as np

from kbench.experiment.result import Check, Compiled, Measurement, Result, Roof, Summary, Traffic
from kbench.intent.config import Config, Value
from kbench.machine.device import DeviceInfo
from kbench.record.store import KernelNote, Stored

GPU = DeviceInfo(
    kind="cuda",
    name="Model GPU",
    label="Model GPU",
    uid="GPU-00000000-0000-0000-0000-000000000001",
    arch="sm_90",
    driver="580.0",
    runtime="13.0",
    multiprocessors=132,
    l2_bytes=60 << 20,
    memory_bytes=140 << 30,
    peak_bytes_per_s=4.8e12,
    clock_hz=1.98e9,
    memory_clock_hz=3.2e9,
    bus_bits=6016,
    power_limit_w=700.0,
    ecc=True,
    mig=False,
)
CPU = DeviceInfo(kind="cpu", name="Model CPU", label="cpu (emulated)", uid="cpu-0123456789ab", arch="fast")

NOTES = {
    "copy": KernelNote(
        "Copies n elements, device to device.", ("naive", "uint2", "uint4", "stream", "memcpy"), ("memcpy",)
    ),
    "copy_blocks": KernelNote(
        "Copies pages of the KV cache, (source, destination) pairs over all layers.", ("naive", "uint4", "split")
    ),
    "transpose": KernelNote(
        "Transposes a row-major matrix: y[j, i] = x[i, j].", ("naive", "tiled", "padded", "cupy"), ("cupy",)
    ),
    "swap_blocks": KernelNote(
        "Moves pages between GPU and host memory.", ("per_page", "batched", "staged", "zero_copy")
    ),
    "fma": KernelNote("k multiply-adds for each element read.", ("naive", "vectorised")),
}

_EFFICIENCY = {
    "naive": 0.38,
    "uint2": 0.9,
    "uint4": 0.99,
    "stream": 1.0,
    "memcpy": 1.0,
    "split": 0.995,
    "tiled": 0.72,
    "padded": 0.94,
    "cupy": 0.81,
    "per_page": 0.42,
    "batched": 0.86,
    "staged": 0.93,
    "zero_copy": 0.71,
    "vectorised": 0.98,
}


class Model:
    """Draws results: time = latency + bytes / (roof * efficiency), with noise."""

    def __init__(self, device: DeviceInfo = GPU, seed: int = 1) -> None:
        self.device = device
        self.rng = np.random.default_rng(seed)
        self.scale = 1.0 if device.kind == "cuda" else 0.004

    def roof(self, kind: str, nbytes: int) -> Roof:
        top = 55.5e9 if kind in ("h2d", "d2h") else 4.3e12
        value = self.scale * top * nbytes / (nbytes + 2e6)
        return Roof(kind, value, "B/s", nbytes, self.clock, "cold", "seeded model")

    @property
    def clock(self) -> str:
        return "events" if self.device.kind == "cuda" else "host"

    def measurement(self, seconds: float, submit_s: float = 0.0) -> Measurement:
        samples = seconds * (1 + 0.004 * self.rng.standard_normal(40))
        low, mid, high = (float(v) for v in np.quantile(samples, [0.35, 0.5, 0.65]))
        summary = Summary(float(samples.mean()), mid, low, high, float(samples.min()), float(samples.max()), 40)
        submits = tuple(float(submit_s) for _ in samples) if submit_s else ()
        floor = 3.5e-6 if self.device.kind == "cuda" else 9e-8
        return Measurement(self.clock, "cold", tuple(samples.tolist()), submits, floor, summary)

    def ok(self, config: Config, traffic: Traffic, *, efficiency: float = 1.0, submit_s: float = 0.0) -> Result:
        variant = str(config.axes.get("variant", "vectorised"))
        kind = "h2d" if traffic.bytes_h2d else "d2h" if traffic.bytes_d2h else "copy"
        roof = self.roof(kind, traffic.useful_bytes)
        speed = roof.value * _EFFICIENCY.get(variant, 0.5) * efficiency
        seconds = max(3.6e-6 + traffic.useful_bytes / speed, traffic.flops / (self.scale * 6e13))
        baseline = variant in {name for note in NOTES.values() for name in note.baselines}
        compiled = (
            None if baseline else Compiled(f"{config.kernel}_{variant}<float>", "nvrtc 13.0", 0.06, 9000, 32, 0, 0)
        )
        return Result(
            config=config,
            status="ok",
            device=self.device,
            traffic=traffic,
            checks=(Check("y", True, "bits"),),
            measurement=self.measurement(seconds, submit_s),
            compiled=compiled,
            occupancy=None if baseline else 0.75,
            roof=roof,
            source=source(config),
            wall_s=0.02,
        )

    def bad(self, config: Config, status: str, message: str) -> Result:
        return Result(config=config, status=status, device=self.device, message=message, source=source(config))  # type: ignore[arg-type]


def source(config: Config) -> str:
    return hashlib.sha256(config.kernel.encode()).hexdigest()[:16]


def config(kernel: str, tuning: tuple[str, ...] = ("threads", "variant"), **axes: Value) -> Config:
    return Config(kernel, dict(sorted(axes.items())), tuning)


def copy(model: Model, sizes: range = range(20, 31, 2)) -> Iterator[Result]:
    for exponent, dtype in product(sizes, ("float32", "float16")):
        n = 2**exponent // (4 if dtype == "float32" else 2)
        traffic = Traffic(2**exponent, 2**exponent, 2**exponent, 2**exponent, formula="2 n itemsize")
        for variant, threads in product(("naive", "uint2", "uint4", "stream"), (128, 256, 512)):
            point = config("copy", n=n, dtype=dtype, variant=variant, threads=threads)
            yield model.ok(point, traffic, efficiency=1 - 0.02 * (threads == 512))
        yield model.ok(config("copy", ("variant",), n=n, dtype=dtype, variant="memcpy"), traffic)


def transpose(model: Model) -> Iterator[Result]:
    for rows, variant, threads in product((1000, 4096, 8192), ("naive", "tiled", "padded"), (256, 1024)):
        traffic = Traffic(rows * rows * 4, rows * rows * 4, formula="2 rows cols itemsize")
        point = config("transpose", rows=rows, cols=rows, dtype="float32", variant=variant, threads=threads)
        if rows == 1000 and variant == "padded":
            yield model.bad(point, "skipped", "rows must be a multiple of the tile (32)")
        elif rows == 8192 and variant == "tiled" and threads == 1024:
            message = 'y: 3 of 67108864 wrong, first at [0, 33]: expected 0.25, got <poison> & "0xffff"'
            yield msgspec.structs.replace(
                model.bad(point, "incorrect", message), checks=(Check("y", False, "bits", message),)
            )
        else:
            yield model.ok(point, traffic)
    for rows in (1000, 4096, 8192):
        point = config("transpose", ("variant",), rows=rows, cols=rows, dtype="float32", variant="cupy")
        yield model.ok(point, Traffic(rows * rows * 4, rows * rows * 4, formula="2 rows cols itemsize"))


def swap_blocks(model: Model) -> Iterator[Result]:
    for pages, direction, variant in product(
        (10, 100, 1000), ("h2d", "d2h"), ("per_page", "batched", "staged", "zero_copy")
    ):
        nbytes = pages * 131072
        traffic = Traffic(formula="pages page_bytes", **{f"bytes_{direction}": nbytes})
        point = config("swap_blocks", ("variant",), pages=pages, direction=direction, variant=variant)
        yield model.ok(point, traffic, submit_s=1.5e-6 * (pages if variant == "per_page" else 1))


def fma(model: Model) -> Iterator[Result]:
    for k, variant in product((0, 1, 4, 16, 64, 256), ("naive", "vectorised")):
        n = 2**26
        traffic = Traffic(4 * n, 4 * n, flops=2 * k * n, formula="8 n")
        point = config("fma", k=k, n=n, variant=variant, threads=256)
        yield (
            model.ok(point, traffic)
            if k < 256 or variant == "naive"
            else model.bad(
                point, "build_failed", 'fma.cu(12): error: identifier "kk" is undefined\nreproduce with: nvrtc …'
            )
        )


def sweep(device: DeviceInfo = GPU, seed: int = 1) -> list[Result]:
    """About 200 rows over four kernels, with failures and skips among them."""
    model = Model(device, seed)
    rows = [*copy(model), *transpose(model), *fma(model)]
    return rows + list(swap_blocks(model)) if device.kind == "cuda" else rows


def roofs(device: DeviceInfo = GPU) -> list[Roof]:
    scale = 1.0 if device.kind == "cuda" else 0.004
    found = [
        Roof("copy", scale * 4.25e12, "B/s", 1 << 30, "events", "cold", "cudaMemcpyAsync"),
        Roof("read", scale * 4.5e12, "B/s", 1 << 30, "events", "cold", "grid-stride uint4 sum"),
        Roof("write", scale * 4.55e12, "B/s", 1 << 30, "events", "cold", "cudaMemsetAsync"),
    ]
    if device.kind == "cuda":
        found += [
            Roof("L2 copy", 9.1e12, "B/s", 16 << 20, "events", "warm", "uint4 copy"),
            Roof("fp32", 5.9e13, "flop/s", 0, "events", "warm", "FMA chain"),
            Roof("fp16", 1.18e14, "flop/s", 0, "events", "warm", "half2 FMA chain"),
            Roof("h2d", 5.55e10, "B/s", 256 << 20, "events", "cold", "cudaMemcpyAsync"),
            Roof("launch", 2.1e-6, "s", 0, "host", "warm", "empty kernel"),
        ]
    return found


def stored(results: list[Result], run: int = 1) -> list[Stored]:
    return [Stored(i, run, r.config.digest[:8], "2026-01-01T00:00:00.000Z", r) for i, r in enumerate(results, 1)]
