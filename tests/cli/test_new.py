"""A kernel of one's own, as docs/your-own-kernel.md tells it: made, swept, changed, wrong, right, in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

QUICK = ("--device", "cpu", "--axis", "n=2^12", "--dtype", "float32", "--block-size", "128")


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def test_the_tutorial(kbench, tmp_path: Path) -> None:
    made = kbench("new", "scale", "--path", "my-kernels")
    assert made.stdout.split() == ["my-kernels/scale.cu", "my-kernels/scale.py"]
    sweep = ("sweep", "--kernel", "scale", "--path", "my-kernels", *QUICK)
    first = kbench(*sweep)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\tok\t") == 3

    kernel, spec = tmp_path / "my-kernels" / "scale.cu", tmp_path / "my-kernels" / "scale.py"
    edit(
        kernel,
        ("scaled(T x, float a)", "scaled(T x, float a, float b)"),
        ("T(float(x) * a)", "T(float(x) * a + b)"),
        ("float a, long long n", "float a, float b, long long n"),
        ("scaled(x[i], a)", "scaled(x[i], a, b)"),
        ("scaled(p.at[k], a)", "scaled(p.at[k], a, b)"),
    )
    forgotten = kbench(*sweep)
    assert forgotten.returncode == 3
    assert "takes 5 arguments, got 4" in forgotten.stderr

    edit(spec, ("xp.float32(3), n)", "xp.float32(3), xp.float32(0.5), n)"))
    wrong = kbench(*sweep)
    assert wrong.returncode == 3
    assert "y: first wrong at [0]" in wrong.stderr

    edit(spec, ("* xp.float32(3))", "* xp.float32(3) + xp.float32(0.5))"))
    right = kbench(*sweep)
    assert right.returncode == 0
    assert kbench("report", "--output", "out").returncode == 0
    assert "scale" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize("arch", ["sm_80", "sm_120"])
def test_the_template_compiles_for_gpus(kbench, arch: str) -> None:
    assert kbench("new", "mine").returncode == 0
    done = kbench("compile", "--kernel", "mine", "--path", ".", "--arch", arch)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(arch) == 6
