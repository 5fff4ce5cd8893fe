"""CUDA C++ to cubins, with no GPU and no driver: real NVRTC, real headers."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from kbench.errors import BuildError, CannotBuild, UsageError
from kbench.machine.binary import Binary, Param, Target
from kbench.machine.build import BuildRequest, build, build_all
from kbench.machine.cuda import nvrtc

KERNELS = Path(__file__).with_name("kernels.cu")
INSTRUMENTS = Path(nvrtc.__file__).with_name("instruments.cu")


def compiled(entry: str, arch: str = "sm_90", source: Path = KERNELS, **more: tuple[str, ...]) -> Binary:
    return build(BuildRequest(str(source), entry, Target("cuda", arch), **more))


def machine_of(binary: Binary) -> bytes:
    """The ELF header's flags, which hold the architecture."""
    return Path(binary.path).read_bytes()[0x30:0x34]


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize("entry", ["scale<__half, 8>", "scale<__nv_bfloat16, 4>", "plain", "inner::convert<float>"])
def test_a_cubin_for_every_architecture(entry: str, arch: str) -> None:
    binary = compiled(entry, arch)
    image = Path(binary.path).read_bytes()
    assert image[:4] == b"\x7fELF"
    assert binary.size_bytes == len(image)
    assert binary.symbol.encode() in image
    assert binary.target == Target("cuda", arch)
    assert binary.registers is not None
    assert 4 < binary.registers <= 255
    assert binary.compiler.startswith("nvrtc 1")


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize(
    "entry",
    ["kbench_nothing", "kbench_mark", "kbench_hold", "kbench_flush", "kbench_store", "fill_bands", "check_bands"],
)
def test_the_instruments_compile_without_spills(entry: str, arch: str) -> None:
    binary = compiled(entry, arch, INSTRUMENTS)
    assert (binary.symbol, binary.spill_bytes, binary.log) == (entry, 0, "")


def test_parameters_of_a_template_are_its_arguments_filled_in() -> None:
    assert compiled("scale<__half, 8>").params == (
        Param("pointer", "__half", 8),
        Param("const", "__half", 8),
        Param("value", "float", 4),
        Param("value", "long long", 8),
        Param("value", "Shape", 16),
        Param("value", "unsigned int", 4),
    )


def test_parameters_in_a_namespace_of_one_byte_and_behind_two_pointers() -> None:
    assert compiled("inner::convert<__nv_bfloat16>").params == (
        Param("pointer", "unsigned char", 8),
        Param("const", "__nv_bfloat16", 8),
        Param("value", "__nv_bfloat16", 2),
        Param("value", "bool", 1),
        Param("value", "char", 1),
    )
    assert compiled("pointers").params == (
        Param("const", "long long", 8),
        Param("const", "float *", 8),
        Param("pointer", "void", 8),
    )


def test_an_extern_c_kernel_tells_only_the_sizes_of_its_parameters() -> None:
    binary = compiled("plain")
    assert binary.symbol == "plain"
    assert binary.params == (Param("", "", 8), Param("", "", 8), Param("", "", 4))
    assert compiled("nothing").params == ()


def test_resources_of_one_kernel_among_several_in_the_file() -> None:
    pointers, spills = compiled("pointers"), compiled("spills")
    assert (pointers.shared_bytes, pointers.spill_bytes, pointers.max_threads) == (96 * 4, 0, 128)
    assert (spills.shared_bytes, spills.max_threads) == (0, None)
    assert spills.spill_bytes == 64 * 4


def test_options_and_defines_reach_the_compiler(tmp_path: Path) -> None:
    source = tmp_path / "sized.cu"
    source.write_text("__global__ void sized(float* x) { __shared__ volatile float t[N]; t[0] = *x; *x = t[M]; }\n")
    binary = compiled("sized", source=source, defines=("N=256", "M=0"), options=("-maxrregcount=32",))
    assert binary.shared_bytes == 1024
    asked = compiled("sized", "sm_80", source, defines=("N=256", "M=0"), options=("-arch=sm_90",))
    assert machine_of(asked) == machine_of(binary) != machine_of(compiled("plain", "sm_80"))


def test_a_header_beside_the_kernel_is_found(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "width.cuh").write_text("#define WIDTH 4\n")
    (tmp_path / "wide.cu").write_text('#include "width.cuh"\n__global__ void wide(int* x) { *x = WIDTH; }\n')
    assert compiled("wide", source=tmp_path / "wide.cu").symbol == "_Z4widePi"


def test_a_source_that_does_not_compile_shows_its_own_lines_and_how_to_repeat_it(tmp_path: Path) -> None:
    source = tmp_path / "broken.cu"
    source.write_text("template <typename T>\n__global__ void broken(T* x) {\n    *x = missing;\n}\n")
    with pytest.raises(BuildError) as caught:
        compiled("broken<float>", source=source)
    assert f'{source}(3): error: identifier "missing" is undefined' in caught.value.log
    assert "broken.cu does not compile for sm_90 as broken<float>" in str(caught.value)
    assert "nvcc" in caught.value.command
    if shutil.which("nvcc"):
        repeated = subprocess.run(caught.value.command, shell=True, capture_output=True, text=True)
        assert repeated.returncode != 0
        assert 'broken.cu(3): error: identifier "missing" is undefined' in repeated.stdout + repeated.stderr


def test_the_command_of_a_build_error_compiles_what_is_right(tmp_path: Path) -> None:
    if not shutil.which("nvcc"):
        pytest.skip("nvcc is not on PATH")
    line = nvrtc._nvcc(BuildRequest(str(KERNELS), "scale<__half, 8>", Target("cuda", "sm_90")))
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_entry_that_is_no_kernel_of_the_file() -> None:
    with pytest.raises(BuildError, match=r"scal<float, 4> is not an instantiation .* \(did you mean scale\?\)"):
        compiled("scal<float, 4>")
    with pytest.raises(BuildError, match=r"scale<float> is not an instantiation of a kernel in kernels\.cu"):
        compiled("scale<float>")


def test_many_threads_compile_at_once(tmp_path: Path) -> None:
    source = tmp_path / "many.cu"
    source.write_text("template <int N> __global__ void many(int* x) { x[N] = N; }\n")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: compiled(f"many<{n}>", source=source), range(8)))
    assert [binary.symbol for binary in found] == [f"_Z4manyILi{n}EEvPi" for n in range(8)]


def test_identity_names_compiler_and_headers() -> None:
    identity = nvrtc.identity(Target("cuda", "sm_90"))
    assert identity.startswith("nvrtc 1")
    assert identity.endswith("headers " + nvrtc._header_version())
    assert nvrtc._header_version().isdigit()


def test_without_a_compiler_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings", None)
    monkeypatch.setattr(nvrtc.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CannotBuild, match=r"kbench's extra compile: pip install '\.\[compile\]' in "):
        nvrtc._nvrtc.__wrapped__()


def test_where_only_cupy_is_there_the_source_is_left_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nvrtc, "_nvrtc", lambda: None)
    request = BuildRequest(str(KERNELS), "scale<float, 4>", Target("cuda", "sm_90"), ("-maxrregcount=64",), ("N=3",))
    binary = nvrtc.compile(request, tmp_path, "0123")
    assert (binary.compiler, binary.symbol) == ("cupy", "")
    text = Path(binary.path).read_text()
    assert text.startswith(f'// 0123\n#line 1 "{KERNELS}"\n')
    recipe = msgspec.json.decode(Path(binary.path).with_suffix(".json").read_bytes(), type=nvrtc.Recipe)
    assert recipe.entry == "scale<float, 4>"
    assert {"-DN=3", "-maxrregcount=64", f"-I{KERNELS.parent}"} <= set(recipe.options)
    assert not any(option.startswith("-arch") for option in recipe.options)


def test_an_architecture_that_the_compiler_does_not_know_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "k.cu").write_text("__global__ void k() {}")
    requests = [BuildRequest(str(tmp_path / "k.cu"), name, Target("cuda", "sm_999")) for name in ("k", "l")]
    with pytest.raises(UsageError, match=r"NVRTC .* does not compile for sm_999 \(known: .*sm_90, "):
        list(build_all(requests))
    nvrtc.identity(Target("cuda", "sm_90a"))
