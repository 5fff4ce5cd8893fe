"""Find kernels: the bundled folder and the user's own. No central list; a kernel is there when its file is."""

from __future__ import annotations

import hashlib
import importlib.util
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbench.errors import KbenchError, SpecError, UsageError, did_you_mean
from kbench.intent.guest import FAULTS, guest
from kbench.intent.spec import Kernel

LOADING = "kbench_spec_"
"""The names of modules that are spec files being loaded begin with this."""


@dataclass(frozen=True)
class Catalog:
    """kernels by name, and the spec files that could not be loaded, by file stem."""

    kernels: Mapping[str, Kernel]
    broken: Mapping[str, SpecError]

    def pick(self, names: Iterable[str]) -> list[Kernel]:
        """The named kernels; UsageError for an unknown name, the file's own SpecError for one that did not load."""
        found = []
        for name in names:
            if name in self.broken:
                raise self.broken[name]
            if name not in self.kernels:
                raise UsageError(f"unknown kernel {name!r}{did_you_mean(name, self.kernels)}")
            found.append(self.kernels[name])
        return found


def discover(folders: Sequence[Path]) -> Catalog:
    """Load every NAME.py in the folders that is not private (_NAME.py). A file that fails to load is kept as an error.

    Raises UsageError for a folder that does not exist and for a kernel name that is defined twice.
    """
    kernels: dict[str, Kernel] = {}
    broken: dict[str, SpecError] = {}
    for folder in dict.fromkeys(f.resolve() for f in folders):
        if not folder.is_dir():
            raise UsageError(f"no such folder of kernels: {folder}")
        for path in sorted(folder.glob("[!_]*.py")):
            try:
                loaded = load(path)
            except SpecError as error:
                broken[path.stem] = error
                continue
            for found in loaded:
                if found.name in kernels:
                    both = f"{kernels[found.name].spec_path} and {found.spec_path}"
                    raise UsageError(f"kernel {found.name!r} is defined twice: in {both}; rename one")
                kernels[found.name] = found
    return Catalog(kernels, broken)


def load(path: Path) -> list[Kernel]:
    """The kernels of one spec file. Raises SpecError with the line that failed."""
    path = path.resolve()
    name = f"{LOADING}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        with guest():
            spec.loader.exec_module(module)
    except KbenchError as error:
        raise SpecError(str(error)) from error
    except SyntaxError as error:
        raise SpecError(f"{error.filename}:{error.lineno}: {error.msg}") from error
    except FAULTS as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
        line = frames[-1].lineno if frames else 1
        raise SpecError(f"{path}:{line}: {type(error).__name__}: {error}") from error
    return [v for v in vars(module).values() if isinstance(v, Kernel) and v.spec_path == path]
