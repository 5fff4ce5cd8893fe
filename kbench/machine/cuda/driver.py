"""The few calls of the CUDA driver that CuPy does not offer, straight from libcuda.

Struct layouts and numbers are those of cuda.h. cuMemcpyBatchAsync is asked for at version 12.8: drivers keep an old
version's signature (with failIdx) under its number, so one declaration serves CUDA 12.8 and every later one.
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from kbench.errors import DeviceError

_SUCCESS, _INVALID_VALUE = 0, 1
_CLUSTER_DIMENSION = 4  # CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
_NON_PORTABLE_CLUSTER = 14  # CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
_SOURCE_ORDER_STREAM = 1  # CU_MEMCPY_SRC_ACCESS_ORDER_STREAM


class DriverCallError(RuntimeError):
    """A call of the driver that failed; str(error) is "NAME: description", `status` its CUresult."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{_text('cuGetErrorName', status)}: {_text('cuGetErrorString', status)}")
        self.status = status


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _CopyAttributes(ctypes.Structure):
    """CUmemcpyAttributes. The location hints stay zero: they mean something for managed memory only."""

    _fields_ = (
        ("source_order", ctypes.c_int),
        ("source_hint", _Location),
        ("destination_hint", _Location),
        ("flags", ctypes.c_uint),
    )


class _LaunchAttribute(ctypes.Structure):
    """CUlaunchAttribute with the cluster's dimensions in its 64-byte value."""

    _fields_ = (
        ("id", ctypes.c_int),
        ("_pad", ctypes.c_int),
        ("dimensions", ctypes.c_uint * 3),
        ("_value", ctypes.c_uint * 13),
    )


class _LaunchConfig(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_LaunchAttribute)),
        ("attribute_count", ctypes.c_uint),
    )


@cache
def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise DeviceError(f"the CUDA driver cannot be loaded: {error} (install the NVIDIA driver)") from error


def _text(function: str, status: int) -> str:
    found = ctypes.c_char_p()
    getattr(_library(), function)(status, ctypes.byref(found))
    return (found.value or str(status).encode()).decode()


def _check(status: int) -> None:
    if status != _SUCCESS:
        raise DriverCallError(status)


def reset_persisting_l2() -> None:
    """Give back to ordinary accesses what L2 keeps for persisting ones, so that a flush reaches every line."""
    _check(_library().cuCtxResetPersistingL2Cache())


def device_uuid(ordinal: int, *, mig: bool) -> str:
    """ "GPU-…" (or "MIG-…") of a CUDA device, written as NVML and nvidia-smi write it."""
    device, raw = ctypes.c_int(), (ctypes.c_uint8 * 16)()
    _check(_library().cuDeviceGet(ctypes.byref(device), ordinal))
    ask = getattr(_library(), "cuDeviceGetUuid_v2", None) or _library().cuDeviceGetUuid
    _check(ask(raw, device))
    return f"{'MIG' if mig else 'GPU'}-{uuid.UUID(bytes=bytes(raw))}"


def parameter_sizes(function: int) -> tuple[int, ...] | None:
    """Bytes of each parameter of a loaded kernel; None where the driver is older than CUDA 12.4."""
    ask = getattr(_library(), "cuFuncGetParamInfo", None)
    if ask is None:
        return None
    sizes: list[int] = []
    offset, size = ctypes.c_size_t(), ctypes.c_size_t()
    while True:
        status = ask(ctypes.c_void_p(function), ctypes.c_size_t(len(sizes)), ctypes.byref(offset), ctypes.byref(size))
        if status == _INVALID_VALUE:  # one past the last parameter
            return tuple(sizes)
        _check(status)
        sizes.append(size.value)


def has_clusters() -> bool:
    return hasattr(_library(), "cuLaunchKernelEx")


def allow_large_clusters(function: int) -> None:
    """More than the eight blocks that every GPU with clusters supports."""
    _check(_library().cuFuncSetAttribute(ctypes.c_void_p(function), _NON_PORTABLE_CLUSTER, 1))


def cluster_launch(
    function: int, grid: tuple[int, ...], block: tuple[int, ...], cluster: tuple[int, ...], shared_bytes: int,
    stream: int, params: int, keep: object,
) -> Callable[[], None]:  # fmt: skip
    """A call that launches with thread-block clusters; `params` is the address of the parameters' addresses, which live
    as long as `keep`."""
    attribute = _LaunchAttribute(id=_CLUSTER_DIMENSION, dimensions=cluster)
    config = _LaunchConfig(grid, block, shared_bytes, stream, ctypes.pointer(attribute), 1)
    call, where = _library().cuLaunchKernelEx, ctypes.byref(config)
    handle, arguments = ctypes.c_void_p(function), ctypes.c_void_p(params)

    def launch(_keep: object = (keep, config, attribute)) -> None:
        _check(call(where, handle, arguments, None))

    return launch


def batch_copy(dst: np.ndarray[Any, Any], src: np.ndarray[Any, Any], nbytes: np.ndarray[Any, Any], stream: int) -> Any:
    """A call that copies every row of (dst, src, nbytes; addresses and sizes as uint64) with one cuMemcpyBatchAsync, or
    None where the driver has none (before CUDA 12.8). `stream` must not be the legacy default stream."""
    function = _entry_point("cuMemcpyBatchAsync", 12080)
    if function is None:
        return None
    columns = [np.ascontiguousarray(column, np.uint64) for column in (dst, src, nbytes)]
    dsts, srcs, sizes = (ctypes.c_void_p(column.ctypes.data) for column in columns)
    attributes = _CopyAttributes(source_order=_SOURCE_ORDER_STREAM)
    first, failed = ctypes.c_size_t(0), ctypes.c_size_t(0)  # attributes[0] holds from copy 0 on
    signature = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3, ctypes.c_size_t, *[ctypes.c_void_p] * 2,
                                 ctypes.c_size_t, *[ctypes.c_void_p] * 2)  # fmt: skip
    call, count = signature(function), len(columns[0])
    by_reference = (ctypes.addressof(attributes), ctypes.addressof(first), ctypes.addressof(failed))

    def copy(_keep: object = (columns, attributes, first, failed)) -> None:
        _check(call(dsts, srcs, sizes, count, by_reference[0], by_reference[1], 1, by_reference[2], stream))

    return copy


@cache
def _entry_point(name: str, version: int) -> int | None:
    """The address of a driver function as CUDA `version` (1000 major + 10 minor) declared it."""
    ask = getattr(_library(), "cuGetProcAddress_v2", None)
    if ask is None:
        return None
    found, status = ctypes.c_void_p(), ctypes.c_int()
    failed = ask(name.encode(), ctypes.byref(found), version, ctypes.c_uint64(0), ctypes.byref(status))
    return None if failed else found.value
