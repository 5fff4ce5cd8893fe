"""What the user asked for on the command line, and the plan that comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbench.cli import console
from kbench.errors import SpecError, UsageError, did_you_mean

if TYPE_CHECKING:
    from kbench.intent.discover import Catalog
    from kbench.intent.method import Method
    from kbench.intent.plan import Plan, Selection
    from kbench.intent.spec import Kernel
    from kbench.intent.suite import Suite
    from kbench.machine.choose import Choice


@dataclass(frozen=True)
class Chosen:
    """What the user asked for, as typed. whole_paths: only folders were named, in this command and not in the
    environment: all their kernels are meant."""

    kernels: tuple[str, ...]
    paths: tuple[Path, ...]
    whole_paths: bool
    suite: str | None
    axes: dict[str, str]
    cache: tuple[str, ...]
    clock: tuple[str, ...]
    method: dict[str, Any]

    def plan(self, device_kind: str) -> tuple[Plan, Catalog]:
        """Every configuration asked for, planned. Raises UsageError, SuiteError or a named kernel's SpecError."""
        from kbench.intent.method import Method
        from kbench.intent.plan import make_plan, select

        found = catalog(self.paths)
        if self.suite:
            suite = suite_of(self.suite, self.paths)
            return make_plan(
                self._of_suite(suite, found), self._method(suite.method), device=device_kind, title=suite.title
            ), found
        picked = self.kernels_of(found)
        selections = select(picked, self.axes, self.cache or ("cold",), self.clock or ("auto",))
        self._tell_axes(picked)
        return make_plan(selections, self._method(Method()), device=device_kind), found

    def start(self, device: str) -> tuple[Choice, Plan, bool]:
        """The device to use, said aloud, what to run on it, and whether a file of a whole folder could not be loaded.

        Raises as `plan` does, and BuildError where the cpu device has no compiler at all.
        """
        choice = self.on(device)
        plan, found = self.plan(choice.kind)
        broken = found.broken.values() if self.whole_paths else ()
        for error in broken:
            console.say(f"kbench: {error}")
        return choice, plan, bool(broken)

    def on(self, device: str) -> Choice:
        """The device to use, said aloud. Raises UsageError, and BuildError where the cpu device has no compiler."""
        from kbench.machine.choose import choose

        choice = choose(device)
        console.say(f"device {choice.name}: {choice.why}")
        if choice.kind == "cpu":
            from kbench.machine.cpu.compiler import host_compiler

            host_compiler()
        return choice

    def _of_suite(self, suite: Suite, found: Catalog) -> list[Selection]:
        from kbench.intent.plan import select_suite

        named = [k.name for k in found.pick(self.kernels)]
        selections = [s for s in select_suite(suite, found.pick, self.axes) if s.kernel.name in named or not named]
        if not selections:
            raise UsageError(f"suite {self.suite} has none of the kernels {', '.join(named)}")
        known = {axis for s in selections for axis in s.kernel.axes}
        for axis in self.axes:
            if not any(s.kernel.has(axis) for s in selections):
                raise UsageError(f"no kernel of suite {self.suite} has an axis {axis!r}{did_you_mean(axis, known)}")
        self._tell_axes([s.kernel for s in selections])
        return [replace(s, cache=self.cache or s.cache, clock=self.clock or s.clock) for s in selections]

    def _tell_axes(self, kernels: Sequence[Kernel]) -> None:
        """Which of several kernels an axis option does not reach."""
        for axis in self.axes:
            lacking = list(dict.fromkeys(k.name for k in kernels if not k.has(axis)))
            if lacking:
                console.say(f"no axis {axis} in {', '.join(lacking)}: the option does not narrow them")

    def kernels_of(self, found: Catalog) -> list[Kernel]:
        """Those that are named, or all of the folders that are. Raises UsageError, or a named kernel's SpecError."""
        return found.pick(self.kernels) if self.kernels else self._of_folders(found)

    def _of_folders(self, found: Catalog) -> list[Kernel]:
        if not self.whole_paths:
            raise UsageError(
                "nothing is selected: name a --kernel, a --suite or a --path; `kbench list` shows what there is"
            )
        mine = {path.resolve() for path in self.paths}
        picked = [k for k in found.kernels.values() if k.spec_path.parent in mine]
        if not picked and found.broken:
            raise SpecError("\n".join(map(str, found.broken.values())))
        if not picked:
            raise UsageError(f"no kernels in {', '.join(str(p) for p in self.paths)}: `kbench new NAME` writes one")
        return picked

    def measured_by(self) -> Method:
        """How to measure what no suite says otherwise for. Raises UsageError."""
        from kbench.intent.method import Method

        return self._method(Method())

    def _method(self, base: Method) -> Method:
        import msgspec

        given = dict(self.method)
        preset = given.pop("preset", "")
        try:
            method = msgspec.structs.replace(base.of_preset(preset) if preset else base, **given)
        except ValueError as error:
            raise UsageError(str(error)) from error
        for name in ("precision", "max_time_s", "timeout_s"):
            if not math.isfinite(getattr(method, name)):
                raise UsageError(f"{name} must be a number, not {getattr(method, name)}")
        return method


def folders(paths: Sequence[Path]) -> list[Path]:
    from kbench.machine.source import bundled

    return [bundled("kernels_cu"), *paths]


def catalog(paths: Sequence[Path]) -> Catalog:
    from kbench.intent.discover import discover

    return discover(folders(paths))


def suite_of(name: str, paths: Sequence[Path]) -> Suite:
    """A suite by name from kbench's own folder or the user's, or by its file."""
    from kbench.intent.suite import find_suite, load_suite
    from kbench.machine.source import bundled

    return load_suite(find_suite(name, [*paths, bundled("suites")]))
