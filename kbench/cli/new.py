"""kbench new: a small working kernel to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

import kbench
from kbench.cli import console
from kbench.cli.chosen import catalog
from kbench.errors import UsageError

_TEMPLATES = Path(__file__).parent / "template"


@click.command("new")
@click.argument("name")
@click.option(
    "--path", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="this folder",
    metavar="DIR", help="The folder to write into; it is made where there is none.",
)  # fmt: skip
def command(name: str, folder: Path) -> None:
    """Write NAME.cu and NAME.py: a kernel that works, to be edited. An existing file is never overwritten.

    \b
    Example:
      kbench new scale --path my-kernels
      kbench sweep --path my-kernels
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"{name!r} cannot be a kernel's name: lower-case letters, digits and _, a letter first")
    if keyword.iskeyword(name) or name in kbench.__all__:
        raise UsageError(f"{name!r} cannot be a kernel's name: it is a word of Python or of kbench; choose another")
    files = {folder / f"{name}{suffix}": _template(name, suffix) for suffix in (".cu", ".py")}
    present = [path for path in files if path.exists()]
    if present:
        raise UsageError(f"{' and '.join(map(str, present))} already there; choose another name or remove it")
    taken = catalog([folder] if folder.is_dir() else []).kernels.get(name)
    if taken:
        raise UsageError(f"{taken.spec_path} defines a kernel {name!r} already; choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}") from error
    for path in files:
        console.out(str(path))
    where = f" --path {folder}"
    console.say(f"Try it: kbench sweep --kernel {name}{where}")


def _template(name: str, suffix: str) -> str:
    return (_TEMPLATES / f"kernel{suffix}.txt").read_text(encoding="utf-8").replace("NAME", name)
