"""Shared-memory declarations become macros; everything else, and every line number, stays."""

from __future__ import annotations

import pytest

from kbench.machine.cpu.translate import translate


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("__shared__ float tile[32][33];", "KB_SHARED(tile, (1), [32][33], float);"),
        ("__shared__ T inv;", "KB_SHARED(inv, (1),  , T);"),
        (
            "__shared__ float a[2], *b, c;",
            "KB_SHARED(a, (1), [2], float); KB_SHARED(b, (1),  , float*); KB_SHARED(c, (1),  , float);",
        ),
        ("static __shared__ volatile int n;", "KB_SHARED(n, (1),  , volatile int);"),
        ("volatile __shared__ int n;", "KB_SHARED(n, (1),  , volatile int);"),
        ("__shared__ __align__(16) uint4 v[N * 2];", "KB_SHARED(v, (16), [N * 2], uint4);"),
        ("__shared__ alignas(sizeof(T)) T v[4];", "KB_SHARED(v, (sizeof(T)), [4], T);"),
        ("__shared__ std::pair<int, float> p[8];", "KB_SHARED(p, (1), [8], std::pair<int, float>);"),
        ("extern __shared__ float s[];", "KB_DYNAMIC_SHARED(float, s);"),
        ("extern __shared__ __align__(16) unsigned char raw[];", "KB_DYNAMIC_SHARED(unsigned char, raw);"),
        ("__shared__ float\n    tile[4];", "KB_SHARED(tile, (1), [4], float)\n;"),
    ],
)
def test_declarations(declaration: str, expected: str) -> None:
    assert translate(declaration) == expected


@pytest.mark.parametrize(
    "text",
    [
        "// __shared__ float x[4];\n",
        "/* __shared__\n float x[4]; */ int y;\n",
        'const char* s = "__shared__ float x[4];";\n',
        "#define TILE __shared__ float t[4]\n",
        "__shared__ float f(int);\n",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert translate(text) == text


def test_lines_stay_where_they_are() -> None:
    source = "int a;\n__shared__ float /* why\n not */ x[4],\n y;\nint b;\n"
    lines = translate(source).split("\n")
    assert len(lines) == len(source.split("\n"))
    assert lines[4] == "int b;"


def test_noinline() -> None:
    assert translate("__noinline__ int f();") == "KB_NOINLINE int f();"
    assert translate("__attribute__((__noinline__)) int f();") == "__attribute__((__noinline__)) int f();"
