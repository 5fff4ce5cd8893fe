"""The declarations of driver.py against cuda.h, by a C++ compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from kbench.machine.cuda import driver
from kbench.machine.cuda.nvrtc import header_dir

SOURCE = """
#include <cstddef>
#include <cstdio>
#include <cuda.h>
#include <cudaTypedefs.h>
typedef CUresult (*batch)(CUdeviceptr*, CUdeviceptr*, size_t*, size_t, CUmemcpyAttributes*, size_t*, size_t, size_t*,
                          CUstream);
static_assert(CU_MEMCPY_SRC_ACCESS_ORDER_STREAM == 1 && CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION == 4, "");
static_assert(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED == 14, "");
batch declared = PFN_cuMemcpyBatchAsync_v12080(nullptr);
int main() {
    printf("%zu %zu %zu %zu ", sizeof(CUmemcpyAttributes), offsetof(CUmemcpyAttributes, srcLocHint),
           offsetof(CUmemcpyAttributes, dstLocHint), offsetof(CUmemcpyAttributes, flags));
    printf("%zu %zu ", sizeof(CUlaunchAttribute), offsetof(CUlaunchAttribute, value.clusterDim));
    printf("%zu %zu %zu %zu %zu %zu", sizeof(CUlaunchConfig), offsetof(CUlaunchConfig, blockDimX),
           offsetof(CUlaunchConfig, sharedMemBytes), offsetof(CUlaunchConfig, hStream),
           offsetof(CUlaunchConfig, attrs), offsetof(CUlaunchConfig, numAttrs));
}
"""


def test_structs_are_laid_out_as_cuda_h_lays_them_out(tmp_path: Path) -> None:
    if not shutil.which("g++") or header_dir() is None or not (header_dir() / "cudaTypedefs.h").is_file():
        pytest.skip("needs g++ and cuda.h")
    (tmp_path / "layout.cpp").write_text(SOURCE)
    command = ["g++", "-I", str(header_dir()), "layout.cpp", "-o", "layout"]
    subprocess.run(command, cwd=tmp_path, check=True)
    told = subprocess.run(["./layout"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    copy, attribute, config = driver._CopyAttributes, driver._LaunchAttribute, driver._LaunchConfig
    ours = [
        ctypes.sizeof(copy), copy.source_hint.offset, copy.destination_hint.offset, copy.flags.offset,
        ctypes.sizeof(attribute), attribute.dimensions.offset,
        ctypes.sizeof(config), config.block.offset, config.shared_bytes.offset, config.stream.offset,
        config.attributes.offset, config.attribute_count.offset,
    ]  # fmt: skip
    assert [int(word) for word in told.split()] == ours
