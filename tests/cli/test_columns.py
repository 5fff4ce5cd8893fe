"""--columns on sweep and show."""

from __future__ import annotations

from pathlib import Path

from commandline import FAULTS, run

SWEEP = ("sweep", "--kernel", "good", "--path", FAULTS, "--device", "cpu", "--samples", "6", "--axis", "n=1000,2000")


def test_columns_of_a_sweep_and_of_what_it_kept(tmp_path: Path) -> None:
    done = run(*SWEEP, "--columns", "compile_s,binary_bytes,memory_bytes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, run("show", "--columns", "compile_s,binary_bytes,memory_bytes", cwd=tmp_path).stdout):
        head, *rows = (line.split("\t") for line in text.splitlines())
        assert head[-3:] == ["compile_s", "binary_bytes", "memory_bytes"]
        assert len(rows) == 2
        for row in rows:
            assert float(row[-3]) > 0
            assert int(row[-2]) > 1000
            assert int(row[-1]) == 2 * 4 * int(row[head.index("n")])


def test_a_wrong_name_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    done = run(*SWEEP, "--columns", "compile", cwd=tmp_path)
    assert done.returncode == 2
    assert "no column 'compile' (did you mean" in done.stderr
    assert "compile_s" in done.stderr
    assert not (tmp_path / "kbench.db").exists()
