"""CUDA_VISIBLE_DEVICES as CUDA reads it, mapped to what NVML lists; devices are chosen without a CUDA context."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kbench.errors import DeviceError, UsageError
from kbench.machine import choose
from kbench.machine.cuda import probes as asked
from kbench.machine.cuda import visible
from kbench.machine.cuda.visible import Gpu

UUIDS = ("GPU-aaaa0000-1", "GPU-aabb0000-2", "GPU-cccc0000-3")


class ThreeGpus:
    """Answers of NVML on a machine with three GPUs; a handle is the GPU's number."""

    missing = ""

    def __enter__(self) -> ThreeGpus:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def ask(self, function: str, *args: Any) -> Any:
        answers = {
            "nvmlDeviceGetCount": lambda: 3,
            "nvmlDeviceGetHandleByIndex": lambda i: i,
            "nvmlDeviceGetHandleByUUID": lambda uid: "slice" if uid == "MIG-1" else None,
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": lambda h: 2 if h == "slice" else None,
            "nvmlDeviceGetUUID": lambda h: "MIG-1" if h == "slice" else UUIDS[h],
            "nvmlDeviceGetName": lambda h: f"NVIDIA H200 {h}",
            "nvmlDeviceGetCudaComputeCapability": lambda h: (9, 0),
            "nvmlSystemGetDriverVersion": lambda: "580.159.03",
            "nvmlSystemGetCudaDriverVersion": lambda: 13000,
        }
        return answers[function](*args)


@pytest.fixture(autouse=True)
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "Nvml", ThreeGpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        ("1,7,0", [1]),
        ("1,-1,0", [1]),
        ("", []),
        ("-1", []),
        ("GPU-cccc", [2]),
        ("GPU-aabb0000-2,GPU-aaaa", [1, 0]),
        ("GPU-aa", []),
    ],
)
def test_visible_devices(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: list[int]) -> None:
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    found, missing = visible.gpus()
    assert [gpu.uid for gpu in found] == [UUIDS[i] for i in expected]
    assert bool(missing) != bool(found)


def test_a_gpu_is_described_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible.gpus()[0][1] == visible.Gpu(UUIDS[1], "NVIDIA H200 1", "sm_90", "580.159.03", (13, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    assert visible.gpus()[0] == (visible.Gpu("MIG-1", "NVIDIA H200 2", "sm_90", "580.159.03", (13, 0)),)


def test_a_device_s_name_finds_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [visible.gpu_of(name) for name in ("cuda", "cuda:0", "cuda:2", "cuda:3", "cpu", "fake_device:gpu")]
    assert [gpu and gpu.uid for gpu in found] == [UUIDS[0], UUIDS[0], UUIDS[2], None, None, None]
    monkeypatch.setattr(visible, "gpus", lambda: ((), "none"))
    assert visible.gpu_of("cuda") is None
    assert visible.arch_here() == "sm_90"


def test_auto_takes_the_gpu_where_cupy_fits_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "find_spec", lambda name: object())
    monkeypatch.setattr(visible, "_installed", lambda name: name == "cupy-cuda13x")
    assert choose.choose("auto").name == "cuda:0"
    assert "first of 3" in choose.choose("auto").why


def test_auto_falls_back_to_the_cpu_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "find_spec", lambda name: None)
    found = choose.choose("auto")
    assert found.name == "cpu"
    assert "CuPy is not installed" in found.why
    assert "kbench's extra cuda13: pip install" in found.why


def test_a_cupy_that_is_newer_than_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    old = visible.Gpu(UUIDS[0], "NVIDIA A100", "sm_80", "550.54", (12, 4))
    monkeypatch.setattr(visible, "find_spec", lambda name: object())
    monkeypatch.setattr(visible, "_installed", lambda name: name == "cupy-cuda13x")
    problem, remedy = visible.cupy_problem((old,))
    assert "cupy-cuda13x needs a newer driver" in problem
    assert "kbench's extra cuda12: pip install" in remedy
    monkeypatch.setattr(visible, "_installed", lambda name: name == "cupy-cuda12x")
    assert visible.cupy_problem((old,)) == ("", "")


def test_a_device_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        choose.choose("cuda0")


def test_doctor_never_raises_and_gives_a_remedy_for_whatever_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise OSError("the disk is on fire")

    monkeypatch.setattr(asked, "_cupti_libraries", broken)
    found = {name: (state, words, remedy) for name, state, words, remedy in asked.probes()}
    assert found["driver"] == ("ok", "580.159.03, CUDA 13.0", "")
    assert found["CUPTI"] == ("fail", "OSError: the disk is on fire", "report this")
    assert found["CUDA headers"][0] == "ok"
    assert all(remedy for state, _, remedy in found.values() if state != "ok")


def test_the_gpu_modules_import_without_a_gpu_and_without_cupy() -> None:
    code = (
        "import sys; sys.modules['cupy'] = None; sys.modules['pynvml'] = None\n"
        "import kbench.machine.cuda.device, kbench.machine.cuda.latency, kbench.machine.cuda.probes\n"
        "from kbench.machine.cuda.visible import gpus; print(gpus()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nvidia-ml-py" in done.stdout


def test_asking_for_a_gpu_where_there_is_none_says_that_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from kbench.machine.cuda.device import CudaDevice

    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(visible, "gpus", lambda: ((), "the driver sees no GPU"))
    with pytest.raises(DeviceError, match=r"^no NVIDIA GPU here: the driver sees no GPU$"):
        CudaDevice()
    gpu = Gpu("GPU-1", "NVIDIA H200", "sm_90", "580.1", (13, 0))
    monkeypatch.setattr(visible, "gpus", lambda: ((gpu,), ""))
    with pytest.raises(DeviceError, match=r"^CuPy cannot be imported: .*\n.*kbench's extra cuda13"):
        CudaDevice()


def test_an_extra_is_named_as_what_kbench_came_from_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kbench.machine import install

    monkeypatch.setattr(install, "_BESIDE", tmp_path)
    assert install.install("cuda13").endswith(": pip install 'kbench[cuda13]'")
    (tmp_path / "pyproject.toml").write_text("")
    assert install.install("cuda13").endswith(f": pip install '.[cuda13]' in {tmp_path}")
