"""Programs that behave like NVIDIA's tools, planted on PATH, and what the tools would have written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kbench.intent.config import Config
from kbench.machine.device import DeviceInfo
from kbench.profiling.promised import Promised

GPU = DeviceInfo("cuda", "NVIDIA H200", "NVIDIA H200", "GPU-1", "sm_90")
NVTX = "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"


def promised(kernel: str, *, runs: int = 2, launches: int | None = None) -> Promised:
    config = Config(kernel, {"n": 4})
    return Promised(
        f"{kernel}.0a1b2c3d", "0a1b2c3d", config, GPU, True, runs=runs, launches=runs if launches is None else launches,
        source="feed",
    )  # fmt: skip


def stack(*ranges: str, domain: str = "kbench") -> str:
    """As ncu prints ranges: a thread, then what is open on it."""
    return "1  " + "  ".join(f'"{domain}:{name}:none:none:none:none:none:none"' for name in ranges) + " "


def table(metrics: Mapping[str, tuple[str, Sequence[str]]], ranges: Sequence[str], kernel: str = "k(float *)") -> str:
    """`ncu --csv --page raw`: metrics by name, each with its unit and its value for each launch."""
    head = ["ID", "Process ID", "Process Name", "Host Name", NVTX, "Kernel Name", "Context", "Stream", "Block Size",
            "Grid Size", "Device", "CC", *metrics]  # fmt: skip
    rows = [head, [""] * 12 + [unit for unit, _ in metrics.values()]]
    for number, said in enumerate(ranges):
        values = [of_each[number] for _, of_each in metrics.values()]
        rows.append([str(number), "7", "python3.12", "127.0.0.1", said, kernel, "1", "7", "(256, 1, 1)", "(64, 2, 1)",
                     "0", "9.0", *values])  # fmt: skip
    return "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows) + "\n"


def program(folder: Path, name: str, body: str, version: str = "2025.3.1.0") -> Path:
    """A Python program `name` in `folder`; `body` sees its words as `words`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\nwords = sys.argv[1:]\n"
        f"if words == ['--version']:\n    print('Version {version}')\n    sys.exit(0)\n{body}\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def module(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ncu_report that processes of this test find: none, so that CSV is what remains, until a test writes it."""
    path = tmp_path_factory.mktemp("module") / "ncu_report.py"
    path.write_text("raise ImportError('none is installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(path.parent))
    return path
