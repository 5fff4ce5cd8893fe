"""A kernel as its author describes it: a .cu file, the axes it is swept over, and a function that makes one Op."""

from __future__ import annotations

import inspect
import itertools
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kbench.errors import SpecError, UsageError, did_you_mean
from kbench.intent.axes import override, parse_values
from kbench.intent.config import Config, Value
from kbench.intent.dtypes import DType
from kbench.intent.guest import FAULTS, guest
from kbench.intent.op import Op, Skip, as_op
from kbench.intent.promise import check_op
from kbench.intent.universal import UNIVERSAL, capped, padded, values_of

DEFAULT_TUNING = ("threads", "variant", "vec")
MEASURING = ("cache", "clock")
Texts = Sequence[str] | Callable[..., Sequence[str]]


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kernel under test. Made by the `kernel` decorator.

    axes: every axis with its default values, in declared order. tuning: those that are being chosen.
    baselines: values of the `variant` axis that are no kernels of the .cu file. only: tuning axes that some variants
    alone have, with those variants. also: names that an axis takes beside its default values.
    """

    name: str
    function: Callable[..., Any]
    source: Path
    spec_path: Path
    entry: str | Callable[..., str]
    axes: Mapping[str, tuple[Value, ...]]
    tuning: tuple[str, ...]
    baselines: tuple[str, ...]
    options: Texts
    defines: Texts
    summary: str
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def configs(
        self, overrides: Mapping[str, Any], cache: Sequence[str] = ("cold",), clock: Sequence[str] = ("auto",)
    ) -> list[Config]:
        """Every combination of axis values, problem by problem. Raises UsageError for an unknown axis or value."""
        for name in overrides:
            if not self.has(name):
                known = [*self.axes, *UNIVERSAL]
                raise UsageError(f"kernel {self.name} has no axis {name!r}{did_you_mean(name, known)}")
        values = {
            n: override(n, (*d, *self.also.get(n, ())), overrides[n]) if n in overrides else d
            for n, d in self.axes.items()
        }
        values |= {n: values_of(n, given) for n, given in overrides.items() if n not in self.axes}
        tuning = (*self.tuning, *(n for n in values if n not in self.axes))
        order = [n for n in values if n not in tuning] + [n for n in values if n in tuning]
        found: dict[str, Config] = {}
        for point in itertools.product(*(values[n] for n in order)):
            axes = {n: _plain(v) for n, v in self._applicable(dict(zip(order, point, strict=True))).items()}
            for how in itertools.product(cache, clock):
                config = Config(self.name, axes, tuple(n for n in tuning if n in axes), *how)
                found.setdefault(config.id, config)
        return list(found.values())

    def has(self, name: str) -> bool:
        """Whether it can be asked for values of this axis: its own, or one that every kernel has."""
        return name in self.axes or name in UNIVERSAL

    def _applicable(self, axes: dict[str, Value]) -> dict[str, Value]:
        """A baseline has no thread-block size or vector width: its other tuning axes go, and so do those of other
        variants."""
        variant = axes.get("variant")
        if variant in self.baselines:
            return {
                n: v
                for n, v in axes.items()
                if n == "variant" or (n in self.axes and n not in self.tuning) or variant in self.only.get(n, ())
            }
        return {n: v for n, v in axes.items() if n not in self.only or variant in self.only[n]}

    def op(self, xp: Any, rng: Any, config: Config) -> Op:
        """Call the spec. Raises Skip, MemoryError, or SpecError naming the file and line that raised."""
        axes = {n: _typed(n, config.axes[n]) if n in config.axes else None for n in self.axes}
        try:
            with guest():
                op = as_op(self.function(xp, rng, **axes))
            check_op(op)
            return padded(op, self._universal(config))
        except (Skip, MemoryError):
            raise
        except SpecError as error:
            raise SpecError(f"{self._where(error)}: {error}") from error
        except FAULTS as error:
            raise SpecError(f"{self._where(error)}: {type(error).__name__}: {error}") from error

    def _universal(self, config: Config) -> dict[str, Value]:
        """Those axes of a configuration that the spec knows nothing of."""
        return {n: v for n, v in config.axes.items() if n not in self.axes}

    def _where(self, error: BaseException) -> str:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == self.spec_path]
        line = frames[-1].lineno if frames else self.function.__code__.co_firstlineno
        return f"{self.spec_path}:{line}"

    def entry_of(self, config: Config, given: str | None = None) -> str:
        """The C++ name expression of a launch: `given` or the kernel's own, with axis values filled in. Raises
        SpecError."""
        template = given if given is not None else self.entry
        name = self._filled("entry", template, config)
        if not isinstance(name, str) or not name.strip():
            raise SpecError(f"{self.spec_path}: entry of {config.id}: a C++ name expression is a text, got {name!r}")
        return name

    def options_of(self, config: Config) -> tuple[str, ...]:
        return capped(self._texts("options", self.options, config), self._universal(config))

    def defines_of(self, config: Config) -> tuple[str, ...]:
        return self._texts("defines", self.defines, config)

    def _texts(self, what: str, given: Texts, config: Config) -> tuple[str, ...]:
        texts = self._filled(what, given, config) if callable(given) else given
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise SpecError(f"{self.spec_path}: {what} of {config.id}: a sequence of texts, got {texts!r}")
        if callable(given):
            return tuple(map(str, texts))
        return tuple(self._filled(what, str(text), config) for text in texts)

    def _filled(self, what: str, given: Any, config: Config) -> Any:
        """What a callable makes of the axes' values, or a text with them in its fields. Raises SpecError."""
        words = {n: _typed(n, v) for n, v in config.axes.items() if n in self.axes}
        try:
            with guest():
                if callable(given):
                    return given(**words)
                return given.format(**{n: _in_cpp(v) for n, v in words.items()})
        except FAULTS as error:
            raise SpecError(f"{self._where(error)}: {what} of {config.id}: {type(error).__name__}: {error}") from error


def _plain(value: Value) -> Value:
    """As it comes back from a pipe or the store, so that a Config is the same on both sides."""
    return str(value) if isinstance(value, DType) else value


def _typed(name: str, value: Value) -> Value:
    """Configs that came through JSON hold plain strings: dtype axes become DType again."""
    return DType(value) if name.endswith("dtype") and isinstance(value, str) else value


def _in_cpp(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.cpp if isinstance(value, DType) else str(value)


def kernel(
    source: str,
    *,
    entry: str | Callable[..., str],
    axes: Mapping[str, Any],
    tuning: Sequence[str] | None = None,
    baselines: Sequence[str] = (),
    only: Mapping[str, Sequence[str]] | None = None,
    also: Mapping[str, Sequence[str]] | None = None,
    options: Texts = (),
    defines: Texts = (),
) -> Callable[[Callable[..., Any]], Kernel]:
    """Turn a function `spec(xp, rng, *, axis, …) -> Launch | Op` into a Kernel.

    source: the .cu file, beside the spec. entry: a C++ name expression with {axis} fields (dtype axes become C++
    types), or a callable of the axes. axes: default values, see kbench.intent.axes. tuning: the axes that are being
    chosen (default: those of threads, variant, vec that exist); all others state the problem. baselines: variants that
    are no kernels. only: {tuning axis: the variants that have it}; in all others, baselines included, the configuration
    has no such axis and the spec gets None. also: {axis of names: further names that may be asked for}, which a sweep
    leaves out unless told. options, defines: compiler options and NAME=VALUE defines, with {axis} fields, or callables.
    Raises SpecError where these do not fit together.
    """

    def decorate(function: Callable[..., Any]) -> Kernel:
        path = Path(function.__code__.co_filename).resolve()
        where = f"{path}:{function.__code__.co_firstlineno}: kernel {function.__name__}"
        try:
            parsed = {name: parse_values(name, values) for name, values in axes.items()}
            more = {name: parse_values(name, [*parsed.get(name, ()), *values]) for name, values in (also or {}).items()}
        except UsageError as error:
            raise SpecError(f"{where}: {error}") from error
        chosen = tuple(tuning) if tuning is not None else tuple(n for n in DEFAULT_TUNING if n in parsed)
        _validate(where, function, parsed, chosen, baselines)
        _validate_only(where, {**parsed, **more}, chosen, only or {})
        for name in more:
            if name not in parsed:
                raise SpecError(
                    f"{where}: also names an axis that does not exist: {name!r}{did_you_mean(name, parsed)}"
                )
        summary = (inspect.getdoc(function) or function.__globals__.get("__doc__") or "").split("\n")[0]
        return Kernel(
            name=function.__name__, function=function, source=path.parent / source, spec_path=path, entry=entry,
            axes=parsed, tuning=chosen, baselines=tuple(baselines), options=options, defines=defines, summary=summary,
            only={name: tuple(variants) for name, variants in (only or {}).items()},
            also={name: values[len(parsed[name]) :] for name, values in more.items()},
        )  # fmt: skip

    return decorate


def _validate(
    where: str, function: Callable[..., Any], axes: Mapping[str, Any], tuning: Sequence[str], baselines: Sequence[str]
) -> None:
    for name in axes:
        if name in MEASURING or not name.isidentifier():
            raise SpecError(f"{where}: {name!r} cannot be an axis: it is a measuring axis or no identifier")
    for name in tuning:
        if name not in axes:
            raise SpecError(f"{where}: tuning names an axis that does not exist: {name!r}{did_you_mean(name, axes)}")
    for name in baselines:
        if name not in axes.get("variant", ()):
            raise SpecError(f"{where}: baseline {name!r} is no value of the variant axis")
    wanted = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if sorted(wanted) != sorted(axes):
        odd = sorted(set(wanted) ^ set(axes))[0]
        side = "is an axis but no parameter" if odd in axes else "is a parameter but no axis"
        raise SpecError(f"{where}: {odd!r} {side} of the function (they come after `*`)")


def _validate_only(
    where: str, axes: Mapping[str, Any], tuning: Sequence[str], only: Mapping[str, Sequence[str]]
) -> None:
    for name, variants in only.items():
        if name not in tuning or name == "variant":
            raise SpecError(
                f"{where}: only is for tuning axes other than variant, not {name!r}{did_you_mean(name, tuning)}"
            )
        for variant in variants:
            if variant not in axes.get("variant", ()):
                raise SpecError(f"{where}: only[{name!r}] names {variant!r}, which is no value of the variant axis")
