"""Compiling for the host: parameters, headers, options, messages, compilers; and machines where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from kbench.errors import BuildError, CannotBuild, DeviceError, KernelFault, UsageError
from kbench.experiment.engine import status_of_build
from kbench.machine.binary import Target
from kbench.machine.build import BuildRequest, build, build_all
from kbench.machine.cpu import compiler
from tests.machine.cpu.conftest import KERNELS, Runner


def request(path: Path, entry: str, mode: str = "check", **more: tuple[str, ...]) -> BuildRequest:
    return BuildRequest(str(path), entry, Target("cpu", mode), **more)


def test_a_binary_tells_its_parameters(cpu: Runner) -> None:
    expected = [
        ("pointer", "__half", 2),
        ("const", "__half", 2),
        ("const", "__half", 2),
        ("value", "int", 4),
        ("value", "float", 4),
    ]
    for mode in ("fast", "check", "tsan"):
        binary = cpu.compile("rms_norm.cu", "rms_norm<__half>", mode)
        assert [(p.kind, p.ctype, p.size) for p in binary.params] == expected
        assert binary.size_bytes == Path(binary.path).stat().st_size
        assert binary.entry == "rms_norm<__half>"
    by_value = cpu.compile("features.cu", "byval").params
    assert [(p.kind, p.ctype, p.size) for p in by_value][2] == ("value", "Affine", 12)
    assert cpu.compile("steps.cu", "gather_rows").params[1].ctype == "float *"


def test_messages_carry_the_users_own_lines(tmp_path: Path) -> None:
    (tmp_path / "helper.cuh").write_text("#pragma once\n__device__ int wrong() { return nonsense; }\n")
    source = tmp_path / "broken.cu"
    source.write_text('#include "helper.cuh"\n\n__global__ void k(int* o) { *o = undeclared; }\n')
    with pytest.raises(BuildError) as error:
        build(request(source, "k"))
    assert f"{source}:3:" in error.value.log
    assert f"{tmp_path / 'helper.cuh'}:2:" in error.value.log
    again = subprocess.run(error.value.command, shell=True, capture_output=True, text=True)
    assert again.returncode != 0
    assert "undeclared" in again.stderr
    with pytest.raises(BuildError, match="'missing'"):
        build(request(KERNELS / "steps.cu", "missing"))
    with pytest.raises(BuildError, match="cannot read"):
        build(request(tmp_path / "absent.cu", "k"))


def test_shared_memory_declared_in_a_header_has_guards_too(cpu: Runner, tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "deep.cuh").write_text(
        "#pragma once\n__device__ float first() {\n"
        "    extern __shared__ float s[]; s[threadIdx.x] = 2; __syncthreads(); return s[0];\n}\n"
        "__device__ float fixed() { __shared__ float t[4]; return t[3]; }\n"
    )
    (tmp_path / "outer.cuh").write_text('#pragma once\n#include "deep.cuh"\n#include "include/deep.cuh"\n')
    source = tmp_path / "headers.cu"
    source.write_text(
        '#include "outer.cuh"\nextern "C" __global__ void k(float* o) { o[0] = first(); o[1] = fixed(); }\n'
    )
    out = cpu.run(source, "k", 1, 32, [np.zeros(2, np.float32)], shared_bytes=128)
    assert out[0][0] == 2
    assert np.isnan(out[0][1])  # never written, so poisoned before the block


def test_options_and_defines(cpu: Runner, tmp_path: Path) -> None:
    source = tmp_path / "options.cu"
    source.write_text('extern "C" __global__ void k(int* o) { o[0] = A; o[1] = B; o[2] = __cplusplus > 201703L; }\n')
    options = ("-DB=7", "--std=c++20", "--use_fast_math", "-lineinfo")
    # Short names, such as the shim's own templates use: defines are for the kernel alone.
    binary = build(request(source, "k", options=options, defines=("A=5", "T", "K=4", "w=1")))
    assert "ignored: --use_fast_math -lineinfo" in binary.log
    from tests.machine.cpu.conftest import op_of

    bound = cpu.device.bind(op_of(1, 1, [np.zeros(3, np.int32)]), [binary])
    bound.run()
    assert bound.read("0").tolist() == [5, 7, 1]
    bound.close()


def test_device_code_the_host_cannot_run_is_left_out(cpu: Runner, tmp_path: Path) -> None:
    source = tmp_path / "ptx.cu"
    source.write_text(
        "#ifdef __CUDA_ARCH__\n#error device only\n#endif\n#ifndef KBENCH_CPU\n#error not the cpu device\n#endif\n"
        'extern "C" __global__ void __launch_bounds__(256) k(int* o) {\n#pragma unroll\n'
        "    for (int i = 0; i < 2; ++i) o[i] = warpSize;\n}\n"
    )
    assert cpu.run(source, "k", 1, 1, [np.zeros(2, np.int32)])[0].tolist() == [32, 32]


def test_the_identity_sees_compiler_mode_and_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, check = compiler.identity(Target("cpu", "fast")), compiler.identity(Target("cpu", "check"))
    assert fast != check
    assert compiler.host_compiler().version in fast
    monkeypatch.setattr(compiler, "_shim_hash", lambda: "another shim")
    assert compiler.identity(Target("cpu", "fast")) != fast
    with pytest.raises(UsageError, match="no build mode 'quick'"):
        compiler.identity(Target("cpu", "quick"))


def test_the_order_in_which_compilers_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def tool(name: str, version: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)
        return path

    for name in ("KBENCH_CXX", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler, "_has_ziglang", lambda: False)
    with pytest.raises(BuildError, match=r"no C\+\+ compiler found: install .* `pip install ziglang`"):
        compiler.host_compiler()
    for name in ("c++", "clang++", "g++"):  # each one is preferred to those before it
        path = tool(name, f"{name} 1.0")
        assert compiler.host_compiler().command == (str(path),)
    monkeypatch.setenv("CXX", f"{tool('mine', 'mine 2')} -m64")
    assert compiler.host_compiler().command == (str(tmp_path / "mine"), "-m64")
    monkeypatch.setenv("KBENCH_CXX", str(tool("clang-19", "clang version 19")))
    assert compiler.host_compiler().clang
    monkeypatch.setenv("KBENCH_CXX", "/does/not/exist")
    with pytest.raises(BuildError, match="does not run: /does/not/exist"):
        compiler.host_compiler()


@pytest.mark.parametrize(
    "does", ["echo 'fatal error: writing: No space left on device' >&2; exit 1", "kill -9 $$"], ids=["full", "killed"]
)
def test_a_compiler_that_the_machine_stops_says_nothing_of_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str
) -> None:
    tool = tmp_path / "g++"
    tool.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo g++ 1.0 && exit\n{does}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("KBENCH_CXX", str(tool))
    wanted = [request(KERNELS / "steps.cu", "scale<float>"), request(KERNELS / "steps.cu", "scale<double>")]
    with pytest.raises(CannotBuild, match="could not compile scale<float> on this machine"):
        build(wanted[0])
    with pytest.raises(CannotBuild):
        list(build_all(wanted))


def test_a_cache_that_cannot_be_written_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    wanted = request(KERNELS / "steps.cu", "scale<float>")
    with pytest.raises(CannotBuild, match=r"cannot write the compile cache in .*XDG_CACHE_HOME"):
        build(wanted)
    with pytest.raises(CannotBuild) as error:
        list(build_all([wanted]))
    assert status_of_build(error.value) == "crashed"
    assert status_of_build(BuildError("error: expected ';'")) == "build_failed"


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DeviceError, match="needs Linux"):
        compiler.host_compiler()


ZIG_ONLY = """
import numpy as np
from kbench.errors import DeviceError
from tests.machine.cpu.conftest import Runner
from kbench.machine.cpu.compiler import host_compiler
assert host_compiler().zig
x = np.arange(64, dtype=np.float32)
for mode in ("fast", "check"):
    out = Runner().run("steps.cu", "scale<float>", 1, 64, [np.zeros_like(x), x, 2.0, 64], mode=mode)[0]
    assert (out == 2 * x).all()
e = np.exp(x[None] / 64)
out = Runner().run("features.cu", "softmax", 1, 32, [np.zeros_like(x), x / 64, 64], shared_bytes=4 * 96)[0]
np.testing.assert_allclose(out, (e / e.sum())[0], rtol=1e-5)
try:
    Runner().compile("steps.cu", "scale<float>", "asan")
except DeviceError as error:
    assert "AddressSanitizer" in str(error)
else:
    raise SystemExit("asan should be refused")
"""


@pytest.mark.skipif(find_spec("ziglang") is None, reason="ziglang is not installed")
def test_ziglang_alone_is_enough(tmp_path: Path) -> None:
    """No compiler on PATH, no home directory: only the cache folder is writable."""
    root = Path(__file__).parents[3]
    env = {
        "PATH": str(tmp_path), "HOME": "", "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", ZIG_ONLY], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_assert_stays_ours_behind_the_standard_headers(cpu: Runner, tmp_path: Path) -> None:
    source = tmp_path / "asserts.cu"
    source.write_text(
        '#include <assert.h>\n#include <cassert>\nextern "C" __global__ void k(int* o) { assert(o[0] == 7); }\n'
    )
    cpu.run(source, "k", 1, 1, [np.full(1, 7, np.int32)])
    with pytest.raises(KernelFault, match=r"assertion failed: o\[0\] == 7 at asserts.cu:3"):
        cpu.run(source, "k", 1, 1, [np.full(1, 8, np.int32)])


def test_all_shim_files_are_shipped() -> None:
    """The wheel takes headers by their ending."""
    assert {path.suffix for path in compiler.SHIM.rglob("*") if path.is_file()} == {".h"}
