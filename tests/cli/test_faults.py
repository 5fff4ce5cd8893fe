"""A folder of planted faults on the cpu: one sweep finishes, labels each, and leaves the good kernel unharmed."""

from __future__ import annotations

import json

import pytest
from commandline import FAULTS, run


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("faults")
    done = run("sweep", "--path", FAULTS, "--device", "cpu", "--timeout", 4, "--json", cwd=folder, timeout=300)
    return done, {row["kernel"]: row for row in json.loads(done.stdout)}


def test_the_sweep_finishes_with_exit_code_3(swept) -> None:
    done, rows = swept
    assert done.returncode == 3
    assert set(rows) == {path.stem for path in FAULTS.glob("*.py")}


@pytest.mark.parametrize(
    ("kernel", "status", "words"),
    [
        ("does_not_compile", "build_failed", ("undeclared_offset", "does_not_compile.cu:4", "reproduce with:")),
        ("wrong_result", "incorrect", ("137",)),
        ("past_the_end", "crashed", ("past_the_end.cu:4", "argument 0", "past the end")),
        ("wild_address", "crashed", ("wild_address.cu:4",)),
        ("endless", "timed_out", ("endless.cu:6", "time limit")),
        ("raises", "spec_failed", ("raises.py:10", "KeyError", "'n'")),
    ],
)
def test_each_fault_has_its_label_and_its_reason(swept, kernel: str, status: str, words: tuple[str, ...]) -> None:
    done, rows = swept
    assert rows[kernel]["status"] == status
    for word in words:
        assert word in rows[kernel]["message"]
    assert f"{status} {kernel}[" in done.stderr


def test_the_good_kernel_is_unharmed(swept) -> None:
    _, rows = swept
    good = rows["good"]
    assert good["status"] == "ok"
    assert good["time_s"] > 0
    assert good["samples"] >= 20
    assert all(check["ok"] for check in good["result"]["checks"])
