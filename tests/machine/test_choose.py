"""Which device "auto" takes, and why, without a GPU: what NVML says is played."""

from __future__ import annotations

import pytest

from kbench.errors import UsageError
from kbench.machine.choose import choose
from kbench.machine.cuda import visible
from kbench.machine.cuda.visible import Gpu

H200 = Gpu("GPU-1", "NVIDIA H200", "sm_90", "580.1", (13, 0))


def play(monkeypatch: pytest.MonkeyPatch, gpus: tuple[Gpu, ...], why: str = "", *, cupy: bool = True) -> None:
    monkeypatch.setattr(visible, "gpus", lambda: (gpus, why))
    monkeypatch.setattr(visible, "find_spec", lambda name: object() if cupy else None)
    monkeypatch.setattr(visible, "_installed", lambda name: False)


def test_auto_takes_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, (H200, H200))
    choice = choose("auto")
    assert (choice.name, choice.kind) == ("cuda:0", "cuda")
    assert choice.why == "NVIDIA H200, the first of 2 GPUs"


def test_auto_says_why_it_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, (), "no NVIDIA driver answers")
    assert choose("auto").name == "cpu"
    assert choose("auto").why == "no NVIDIA driver answers"


@pytest.mark.parametrize(("cuda", "extra"), [((12, 9), "cuda12"), ((13, 2), "cuda13")])
def test_a_gpu_without_cupy(monkeypatch: pytest.MonkeyPatch, cuda: tuple[int, int], extra: str) -> None:
    play(monkeypatch, (Gpu("GPU-1", "NVIDIA H200", "sm_90", "580.1", cuda),), cupy=False)
    choice = choose("auto")
    assert choice.name == "cpu"
    assert f"extra {extra}: pip install '.[{extra}]'" in choice.why


@pytest.mark.parametrize(("asked", "name"), [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:3", "cuda:3")])
def test_a_device_by_name_is_not_looked_for(monkeypatch: pytest.MonkeyPatch, asked: str, name: str) -> None:
    play(monkeypatch, (), "nothing here")
    assert choose(asked).name == name


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "", "CPU"])
def test_any_other_word_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        choose(asked)
