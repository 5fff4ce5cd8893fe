"""Which profiler is taken, and what is said where there is none; with programs that only tell their version."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kbench.errors import ProfilerError
from kbench.profiling import find, permission

SAYS = {
    "ncu": "NVIDIA (R) Nsight Compute Command Line Profiler\n(c) 2018-2025 NVIDIA\nVersion {} (build 36398880)",
    "nsys": "NVIDIA Nsight Systems version {}-254034709260v0",
    "compute-sanitizer": "NVIDIA (R) Compute Sanitizer\nCopyright (c) 2020-2025 NVIDIA\nVersion {}",
}


def planted(path: Path, version: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{SAYS[path.name].format(version)}\nEND\n")
    path.chmod(0o755)
    return str(path)


def broken(path: Path) -> str:
    """What a toolkit without Nsight Compute has: a script that finds nothing to start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho 'ERROR : unable to find Nsight Compute' >&2\nexit 1\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing is installed, but for what a test plants under tmp_path."""
    places = {
        name: msgspec.structs.replace(tool, places=tuple(str(tmp_path) + place for place in tool.places))
        for name, tool in find.TOOLS.items()
    }
    monkeypatch.setattr(find, "TOOLS", places)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    for name in ("CUDA_HOME", "CUDA_PATH", "KBENCH_NCU", "KBENCH_NSYS", "KBENCH_SANITIZER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "program"), [("ncu", "ncu"), ("nsys", "nsys"), ("sanitizer", "compute-sanitizer")])
def test_on_path(tmp_path: Path, name: str, program: str) -> None:
    path = planted(tmp_path / "bin" / program, "2025.3.1.0")
    found = find.tool(name)
    assert found.path == path
    assert found.version.startswith("2025.3.1.0")
    assert found.number[:3] == (2025, 3, 1)


def test_the_variable_stands_above_path_and_path_above_the_usual_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = planted(tmp_path / "opt/nvidia/nsight-compute/2026.1.0/ncu", "2026.1.0.0")
    assert find.tool("ncu").path == usual
    home = planted(tmp_path / "cuda/bin/ncu", "2025.1.0.0")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert find.tool("ncu").path == home
    on_path = planted(tmp_path / "bin/ncu", "2024.1.0.0")
    assert find.tool("ncu").path == on_path
    mine = planted(tmp_path / "mine/ncu", "2023.1.0.0")
    monkeypatch.setenv("KBENCH_NCU", mine)
    assert find.tool("ncu") == find.Found(mine, "2023.1.0.0")


def test_the_newest_of_the_usual_places_by_number_not_by_letter(tmp_path: Path) -> None:
    for version in ("2025.9.1", "2025.10.0", "2024.11.1"):
        planted(tmp_path / "opt/nvidia/nsight-systems" / version / "bin/nsys", version)
    assert find.tool("nsys").version.startswith("2025.10.0")


def test_what_does_not_run_is_passed_over_and_named_where_nothing_else_is_there(tmp_path: Path) -> None:
    path = broken(tmp_path / "usr/local/cuda/bin/ncu")
    with pytest.raises(ProfilerError) as error:
        find.tool("ncu")
    assert path in str(error.value)
    assert error.value.exit_code == 5
    planted(tmp_path / "opt/nvidia/nsight-compute/2025.3.1/ncu", "2025.3.1.0")
    assert find.tool("ncu").version == "2025.3.1.0"


def test_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(ProfilerError, match="no compute-sanitizer") as error:
        find.tool("sanitizer")
    words = str(error.value)
    assert f"{tmp_path}/usr/local/cuda*/bin/compute-sanitizer" in words
    assert "cuda-sanitizer" in words
    assert "KBENCH_SANITIZER" in words


def test_a_variable_that_names_nothing_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planted(tmp_path / "bin/ncu", "2025.3.1.0")
    monkeypatch.setenv("KBENCH_NCU", str(tmp_path / "nothing"))
    with pytest.raises(ProfilerError, match=r"KBENCH_NCU names .*nothing, which does not run"):
        find.tool("ncu")


@pytest.mark.parametrize(
    ("params", "admin", "may"),
    [("RmProfilingAdminOnly: 0", False, True), ("RmProfilingAdminOnly: 1", True, True),
     ("RmProfilingAdminOnly: 1", False, False), ("ResmanDebugLevel: 4", True, None)],
)  # fmt: skip
def test_who_may_read_the_counters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: str, admin: bool, may: bool | None
) -> None:
    (tmp_path / "params").write_text(f"{params}\n")
    monkeypatch.setattr(permission, "PARAMS", tmp_path / "params")
    monkeypatch.setattr(permission, "_admin", lambda: admin)
    found, _, remedy = permission.counters()
    assert found is may
    assert bool(remedy) == (may is not True)
    if may is False:
        for word in ("NVreg_RestrictProfilingToAdminUsers=0", "CAP_SYS_ADMIN", "--cap-add"):
            assert word in remedy


def test_without_a_driver_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(permission, "PARAMS", tmp_path / "params")
    assert permission.counters()[0] is None


def test_a_refusal_says_what_to_do() -> None:
    error = permission.refused("ncu")
    assert error.exit_code == 5
    for word in ("ERR_NVGPUCTRPERM", "NVreg_RestrictProfilingToAdminUsers=0", "CAP_SYS_ADMIN", "--cap-add=SYS_ADMIN"):
        assert word in str(error)
