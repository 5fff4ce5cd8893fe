"""Latency roofs: what the smallest things cost on this GPU and host."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from kbench.machine.cuda.device import CudaDevice
from kbench.machine.cuda.faults import faults
from kbench.machine.cuda.graph import Graph, Pair

_ROUNDS = 200
_BURST = 50  # launches at once: far fewer than the launch queue takes
_NODES = 200

Latency = tuple[str, float, str]


def latencies(device: CudaDevice) -> list[Latency]:
    """(kind, seconds, how it was measured) of each. Medians, on the host's clock unless `how` says else."""
    from cupy.cuda import runtime

    device.clocks.quiet()
    launch, main = device.nothing.submit, device.stream(0).ptr
    event = device.xp.cuda.Event()

    def launch_and(sync: Callable[[], Any]) -> Callable[[], None]:
        def both() -> None:
            launch()
            sync()

        return both

    def to_event() -> None:
        runtime.eventRecord(event.ptr, main)
        runtime.eventSynchronize(event.ptr)

    stream_sync = launch_and(lambda: runtime.streamSynchronize(main))
    with faults("measuring latencies"):
        device.synchronize()
        return [
            ("launch", _burst(launch, device.synchronize), f"host time to submit an empty kernel, {_BURST} in a row"),
            ("event record", _burst(lambda: runtime.eventRecord(event.ptr, main), device.synchronize),
             f"host time to record an event, {_BURST} in a row"),
            ("launch + stream sync", _median(stream_sync), "an empty kernel until cudaStreamSynchronize returns"),
            ("launch + event sync", _median(launch_and(to_event)),
             "an empty kernel and an event until cudaEventSynchronize returns"),
            ("launch + device sync", _median(launch_and(runtime.deviceSynchronize)),
             "an empty kernel until cudaDeviceSynchronize returns"),
            ("graph launch", _graph_launch(device), "a graph of one empty kernel until cudaStreamSynchronize returns"),
            ("graph node", _graph_node(device),
             f"GPU time of one more empty kernel in a graph: ({2 * _NODES} - {_NODES} nodes) / {_NODES}, by events"),
        ]  # fmt: skip


def _median(call: Callable[[], Any]) -> float:
    samples = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        call()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)


def _burst(call: Callable[[], Any], wait: Callable[[], None]) -> float:
    """Seconds of one call, many in a row, with the queue empty before each burst."""
    samples = []
    for _ in range(_ROUNDS // 10):
        begin = time.perf_counter()
        for _ in range(_BURST):
            call()
        samples.append((time.perf_counter() - begin) / _BURST)
        wait()
    return statistics.median(samples)


def _graph_launch(device: CudaDevice) -> float:
    graph = Graph(device, [device.nothing.submit])

    def both() -> None:
        graph.launch()
        device.synchronize()

    both()
    return _median(both)


def _graph_node(device: CudaDevice) -> float:
    return statistics.median(Pair(device, [device.nothing.submit], _NODES, 2 * _NODES).sample(_ROUNDS // 10))
