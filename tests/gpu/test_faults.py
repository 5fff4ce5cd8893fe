"""The planted faults of tests/faults on a GPU: canaries name what was overwritten, and lost contexts do no harm."""

from __future__ import annotations

import json

import pytest
from commandline import FAULTS, run

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("faults")
    done = run("sweep", "--path", FAULTS, "--device", "cuda", "--json", cwd=folder, timeout=300)
    return done, {row["kernel"]: row for row in json.loads(done.stdout)}


def test_the_sweep_finishes_with_exit_code_3(swept) -> None:
    done, rows = swept
    assert done.returncode == 3
    assert set(rows) == {path.stem for path in FAULTS.glob("*.py")}


@pytest.mark.parametrize(
    ("kernel", "status", "words"),
    [
        ("does_not_compile", "build_failed", ("undeclared_offset", "does_not_compile.cu", "reproduce with:")),
        ("wrong_result", "incorrect", ("137",)),
        ("past_the_end", "incorrect", ("argument 0", "byte")),
        ("wild_address", "crashed", ("address",)),
        ("endless", "timed_out", ("10 s",)),
        ("raises", "spec_failed", ("raises.py:10", "KeyError")),
    ],
)
def test_each_fault_has_its_label_and_its_reason(swept, kernel: str, status: str, words: tuple[str, ...]) -> None:
    _, rows = swept
    assert rows[kernel]["status"] == status
    for word in words:
        assert word in rows[kernel]["message"]


def test_the_good_kernel_is_unharmed(swept) -> None:
    _, rows = swept
    assert rows["good"]["status"] == "ok"
    assert rows["good"]["time_s"] > 0
    assert all(check["ok"] for check in rows["good"]["result"]["checks"])
