"""An Op on a GPU: guarded memory, loaded kernels, packed arguments, and a clock to run it under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kbench.errors import ProfilerError, SpecError
from kbench.intent.op import Op, as_out
from kbench.machine.binary import Binary
from kbench.machine.cuda.blocks import bare
from kbench.machine.cuda.choice import Facts, choose
from kbench.machine.cuda.clocks import Subject
from kbench.machine.cuda.damage import describe
from kbench.machine.cuda.difference import first_difference
from kbench.machine.cuda.faults import faults
from kbench.machine.cuda.kernel import LoadedKernel
from kbench.machine.cuda.memory import CudaPool, GuardedMemory
from kbench.machine.cuda.program import Program, program, streams_of
from kbench.machine.cuda.recorded import Recorder, recorded
from kbench.machine.cuda.rotation import ArenaSets, Rotation, shape
from kbench.machine.cuda.steps import Prepared, Preparer
from kbench.machine.device import POISON, Batch
from kbench.machine.kept import changed
from kbench.machine.layout import layout
from kbench.machine.span import Trace

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice


class CudaBound:
    """See kbench.machine.device.Bound. Everything that can be refused is refused here, before anything has run."""

    def __init__(
        self, device: CudaDevice, op: Op, binaries: Sequence[Binary | None], shared: CudaPool | None = None
    ) -> None:
        self._device, self._op = device, op
        self._layout = layout(op)
        self._binaries = binaries
        self._memory = GuardedMemory(self._layout.bases, shared or device.pool(), shared=shared is not None)
        try:
            preparer = Preparer(device, self._memory)
            with faults("preparing the launch"):
                self._prepared = [step[0] for step in self._prepare(preparer)]
                self._program = self._program_of(self._prepared)
        except BaseException:
            self._memory.close()
            raise
        self._tables = preparer.tables
        poison = {name: as_out(out).poison for name, out in op.outputs.items()}
        self._memory.will_write(preparer.written, self._whole(poison).values())
        self._subject = Subject(self._program, self._rotate)
        self._rotation: Rotation | None = None
        self._restored = self._has_run = False

    def _prepare(self, preparer: Preparer) -> list[list[Prepared]]:
        """Each step, for each of the preparer's buffer sets."""
        each = zip(self._op.steps, self._layout.steps, self._binaries, self._streams, strict=True)
        return [preparer.prepare(*step) for step in each]

    @property
    def _streams(self) -> list[Any]:
        return streams_of(self._device, self._op.steps)

    def _program_of(self, prepared: Sequence[Prepared]) -> Program:
        written = max(self._op.bytes_written, self._op.sectors_written or 0)
        return program(self._device, self._op.steps, prepared, host=bool(self._link), bytes_written=written)

    def _rotate(self) -> Rotation:
        """The Op on as many buffer sets as it takes to drive each out of L2 before it comes round again."""
        if self._rotation is None or not self._rotation.usable:
            op, info, memory = self._op, self._device.info, self._memory
            sizes = {number: b.nbytes for number, b in enumerate(memory.buffers) if not b.host}
            traffic = max(op.bytes_read, op.sectors_read or 0) + max(op.bytes_written, op.sectors_written or 0)
            form = shape(sizes, traffic, self._device.l2_bytes, info.memory_bytes)
            programs, sets = [self._program], None
            if form.count > 1:
                sets = ArenaSets(memory, form, self._device.arena)
                steps = self._prepare(Preparer(self._device, memory, sets, self._tables))
                programs += map(self._program_of, zip(*steps, strict=True))
            self._rotation = Rotation(programs, form, sets, self._device.stream(0).ptr)
        return self._rotation

    def restore(self, poison: Mapping[str, Any]) -> None:
        with faults("restoring memory"):
            self._wait_for_sources()
            unwritten = self._whole(poison) if bare() else {}
            self._memory.restore(but=set(unwritten.values()))
            for output, where in poison.items():
                if output in unwritten:
                    continue
                self._poison(output, where)
                self._memory.wrote(self._layout.outputs[output].base)
            self._device.synchronize()

    def _whole(self, poison: Mapping[str, Any]) -> dict[str, int]:
        """Outputs that are poisoned as a whole and fill a device buffer of their own, and that buffer: what is in it
        before a run is of no consequence. Under a memory checker nothing is written to them before the kernel does, so
        that it sees who reads them too early."""
        outputs = self._layout.outputs
        buffers = [operand.base for operand in outputs.values()]
        return {
            name: outputs[name].base for name, where in poison.items()
            if where is True and not outputs[name].host and buffers.count(outputs[name].base) == 1
            and outputs[name].nbytes == self._memory.buffers[outputs[name].base].nbytes
        }  # fmt: skip

    def _wait_for_sources(self) -> None:
        if not self._restored:
            self._device.wait_for_all()  # a spec may have made its arrays on a stream of its own
        self._restored = True

    def run(self) -> None:
        if not self._restored:
            self.restore({})
        with faults(self._words):
            self._memory.regain()
            self._program.submit()
            self._device.synchronize()
        self._has_run = True

    def read(self, output: str) -> Any:
        with faults("reading an output"):
            operand = self._layout.outputs[output]
            view = self._memory.view(operand)
            return self._device.xp.asarray(view) if operand.host else view.copy()

    def damaged(self) -> str | None:
        with faults("checking guard bytes"):
            found = self._memory.damage()
        return (
            None if found is None else describe(found, self._op, self._layout, self._tables, self._nbytes(found.buffer))
        )

    def changed(self) -> str | None:
        with faults("comparing what must not change"):
            return changed(self._layout, self._first_changed)

    def _first_changed(self, base: int, start: int, stop: int) -> int | None:
        now, before = self._memory.buffers[base], self._layout.bases[base]
        at = first_difference(now.address + start, before.address + start, stop - start, on_host=now.host)
        return None if at is None else start + at

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        """If nothing has run yet, one run comes first: loading code behind a hold would wait for ever."""
        name, _ = self.clock(clock, cache)
        if not self._has_run:
            self.run()
        with faults(self._words):
            self._memory.regain()
            return self._device.clocks.sample(self._subject, count, name, cache)

    def trace(self) -> Trace:
        cupti = self._device.clocks.cupti
        if cupti.missing:
            raise ProfilerError(f"no timeline of a GPU without CUPTI: {cupti.missing}")
        if not self._has_run:
            self.run()
        with faults(self._words):
            self._memory.regain()
            streams = {step.stream: stream.ptr for step, stream in zip(self._op.steps, self._streams, strict=True)}
            names = {b.symbol: b.entry for b in self._binaries if b is not None and b.symbol}
            submit, wait = self._program.submit, self._device.synchronize
            return recorded(Recorder(cupti), submit, wait, self._op.steps, streams, names)

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        found = self._program
        wants_cupti = asked in ("auto", "cupti")  # looking for it takes time, and makes it trace for a moment
        missing = self._device.clocks.cupti.missing if wants_cupti else ""
        nbytes = self._op.bytes_read + self._op.bytes_written
        facts = Facts(
            self._link, found.entries, found.uncapturable, self._unrotatable, missing, nbytes, found.unholdable
        )
        return choose(asked, cache, facts)

    @property
    def _unrotatable(self) -> str:
        return self._link or ("" if self._layout.bases else "it has no arrays that kbench knows of")

    @property
    def _link(self) -> str:
        if self._op.bytes_h2d or self._op.bytes_d2h:
            return "it moves bytes over the host link"
        return "it uses host memory" if any(base.host for base in self._layout.bases) else ""

    def energy_j(self, least_s: float) -> float | None:
        begin_j = self._device.energy_j()
        if begin_j is None:
            return None
        with faults(self._words):
            self._memory.regain()
            runs = self._device.clocks.keep_busy(self._subject, least_s, rotating=not self._unrotatable)
        end_j = self._device.energy_j()
        return None if end_j is None else (end_j - begin_j) / runs

    def memory_bytes(self) -> int | None:
        return sum(base.nbytes for base in self._layout.bases if not base.host)

    @property
    def program(self) -> Program:
        return self._program

    @property
    def subject(self) -> Subject:
        """What the clocks time."""
        return self._subject

    def occupancy(self) -> float | None:
        launch, limit = self._first_launch(), self._device.info.max_threads_per_sm
        if launch is None or not limit:
            return None
        kernel, threads, shared_bytes = launch
        with faults("asking for occupancy"):
            return kernel.blocks_per_multiprocessor(threads, shared_bytes) * threads / limit

    def registers(self) -> int | None:
        launch = self._first_launch()
        return launch[0].registers if launch else None

    def close(self) -> None:
        self._rotation = None
        self._subject.pairs.clear()
        self._memory.close()

    def _nbytes(self, buffer: int) -> int:
        return self._memory.buffers[buffer].nbytes

    def _first_launch(self) -> tuple[LoadedKernel, int, int] | None:
        return next((p.launch for p in self._prepared if p.launch), None)

    @property
    def _words(self) -> str:
        launch = self._first_launch()
        return launch[0].entry if launch else "copying"

    def _poison(self, output: str, where: Any) -> None:
        operand = self._layout.outputs[output]
        view = self._memory.view(operand)
        if where is True and not operand.host and view.flags.c_contiguous:
            from cupy.cuda import runtime

            runtime.memsetAsync(self._memory.address(operand), POISON, operand.nbytes, self._device.stream(0).ptr)
            return
        if operand.dtype.itemsize not in (1, 2, 4, 8):
            raise SpecError(f"output {output!r}: {operand.dtype} in pieces cannot be poisoned")
        xp = np if operand.host else self._device.xp
        words = view.view(f"u{operand.dtype.itemsize}")
        word = words.dtype.type(int.from_bytes(bytes([POISON]) * operand.dtype.itemsize, "little"))
        if where is True:
            words[...] = word
            return
        indices = where.get() if xp is np and not isinstance(where, np.ndarray) else xp.asarray(where)
        if words.flags.c_contiguous:
            words.reshape(-1)[indices] = word
        else:
            words[xp.unravel_index(indices, words.shape)] = word
