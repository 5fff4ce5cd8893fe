"""What a spec declares that cannot be is a row with the spec's line, and never the end of a sweep."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench import Copy, Launch, Op, Out, Pointers, host
from kbench.errors import SpecError
from kbench.intent.discover import discover
from kbench.intent.method import Method
from kbench.intent.op import as_op
from kbench.intent.plan import Plan, make_plan, select
from kbench.intent.promise import check_op
from kbench.intent.traffic import traffic_of

X, Y = np.zeros(100, np.float32), np.zeros(100, np.float32)
GOOD: dict[str, Any] = {
    "grid": 1, "block": 128, "args": (Y, X, 100), "outputs": {"y": (Y, X)}, "bytes_read": 400, "bytes_written": 400,
}  # fmt: skip


def out(**changes: Any) -> dict[str, Any]:
    return {"outputs": {"y": Out(Y, X, **changes)}}


WRONG = [
    ({"grid": 0}, "grid and block are one to three positive integers, got 0"),
    ({"block": "x"}, "positive integers, got 'x'"),
    ({"block": 12.8}, "positive integers, got 12.8"),
    ({"cluster": (1, 1, 1, 1)}, "positive integers"),
    ({"shared_bytes": -1}, "shared_bytes is -1: a count goes from 0"),
    ({"bytes_read": -4}, "bytes_read is -4"),
    ({"bytes_read": 1.5}, "bytes_read is a whole number, got 1.5"),
    ({"bytes_read": "many"}, "whole number, got 'many'"),
    ({"bytes_read": float("nan")}, "whole number, got nan"),
    ({"bytes_written": float("inf")}, "whole number, got inf"),
    ({"bytes_read": 2**70}, "a count goes from 0 to"),
    ({"flops": float("inf")}, "flops is a whole number, got inf"),
    ({"flops": -1}, "flops is -1"),
    ({"sectors_read": -32}, "sectors_read is -32"),
    ({"items": 5}, "items is a mapping"),
    ({"items": {1: 5}}, "items is a mapping"),
    ({"items": {"a": "b"}}, r"items\['a'\] is a whole number, got 'b'"),
    ({"formula": 5}, "formula is a text, got 5"),
    ({"bytes_read": 0, "bytes_written": 0}, "needs bytes_read"),
    ({"bytes_read": 801}, "bytes_read is 801, but all arrays together have 800 bytes"),
    ({"bytes_written": 401}, "bytes_written is 401, but outputs and scratch have 400 bytes"),
    ({"bytes_written": 0}, "bytes_written is 0, but 400 bytes of outputs are written"),
    ({"bytes_h2d": 4}, "bytes_h2d is 4, but the host arrays have 0"),
    (out(rtol=-1), "rtol is a finite number from 0 on, got -1"),
    (out(atol=float("nan")), "atol is a finite number from 0 on, got nan"),
    (out(poison=np.array([3, 100])), "poison has index 100, the array has 100 elements"),
    (out(poison=np.array([-1])), "poison has index -1"),
    (out(poison=[3]), "array of flat indices"),
    ({"outputs": {"y": (X[:0], X)}}, "output 'y' has no elements"),
    ({"outputs": {"y": (100, X)}}, "output 'y' is no array, got int"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check_op(as_op(Launch(**(GOOD | change))))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"bytes_read": np.int64(400), "flops": 1e6, "items": {"rows": np.int32(4)}, "sectors_read": 416},
        {"bytes_written": 0, **out(poison=False)},
        {"bytes_written": 8, **out(poison=np.array([3, 99]))},
        {"bytes_written": 397},  # a little may be left out: block sums beside a gigabyte of input
        {"args": (Y, Pointers([X[:50], X[50:]]), 100), "bytes_read": 400 + 16, "grid": (1, np.int64(1)), "cluster": 1},
    ],
)
def test_what_may_be_is_not(change: dict[str, Any]) -> None:
    op = as_op(Launch(**(GOOD | change)))
    check_op(op)
    assert traffic_of(op).bytes_read == int(op.bytes_read)


def test_views_count_as_the_whole_and_scratch_may_be_written() -> None:
    whole = np.zeros(200, np.float32)
    op = as_op(Launch(**(GOOD | {"args": (whole[:100], whole[100:], Y), "scratch": (Y,), "bytes_written": 800,
                                 "outputs": {"y": (whole[:100], X)}})))  # fmt: skip
    check_op(op)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_transfer_knows_whether_its_host_memory_is_pageable(pinned: bool) -> None:
    far = host(X, pinned=pinned)
    op = Op(steps=[Copy(Y, far)], outputs={"y": (Y, X)}, bytes_h2d=400)
    check_op(op)
    assert traffic_of(op).pageable is not pinned
    with pytest.raises(SpecError, match="bytes_h2d is 401, but the host arrays have 400"):
        check_op(Op(steps=[Copy(Y, far)], outputs={"y": (Y, X)}, bytes_h2d=401))


SPEC = """
from kbench import Launch, kernel
import os, sys
{top}

def entry(*, variant, **axes):
    {entry}

@kernel("k.cu", entry=entry, axes={{"n": 64, "variant": ["a", "b"]}}, {more})
def k(xp, rng, *, n, variant):
    {body}
    x = rng.bits(n, "uint32")
    y = xp.empty_like(x)
    return Launch(grid=1, block=n, args=(y, x), outputs={{"y": (y, x)}}, bytes_read={read}, bytes_written=y.nbytes)
"""


def plan_of(folder: Path, *, top: str = "", entry: str = 'return "k"', more: str = "", body: str = "",
            read: str = "x.nbytes", **axes: Any) -> Plan:  # fmt: skip
    (folder / "k.py").write_text(SPEC.format(top=top, entry=entry, more=more, body=body, read=read))
    catalog = discover([folder])
    return make_plan(select(catalog.pick(["k"]), axes), Method(max_bytes=2**62), device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entry": "return axes.nosuch"}, "k.py:7: entry of k.*AttributeError"),
        ({"entry": "return 5"}, "a C.* name expression is a text, got 5"),
        ({"entry": "sys.exit(0)"}, "k.py:7: .*SystemExit"),
        ({"more": "options=lambda **axes: 1 / 0,"}, "options of k.*ZeroDivisionError"),
        ({"more": 'defines="N=1",'}, "defines of k.*a sequence of texts"),
        ({"body": "sys.exit(0)"}, "k.py:11: SystemExit: 0"),
        ({"read": "2**70"}, "k.py:9: bytes_read is"),
        ({"n": 2**62}, "k.py:"),
    ],
)
def test_one_configurations_fault_is_its_row(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rows = plan_of(tmp_path, **change).configs
    assert [row.status for row in rows] == ["spec_failed"] * 2
    assert all(row.message and re.search(words, row.message) for row in rows), rows[0].message


def test_useful_bytes_belong_to_the_problem(tmp_path: Path) -> None:
    first, second = plan_of(tmp_path, read='x.nbytes * (2 if variant == "b" else 1)').configs
    assert (first.status, second.status) == ("ok", "spec_failed")
    assert "it declares 768 useful bytes, but k[n=64,variant=a] 512" in second.message


def test_what_a_spec_prints_is_no_result_and_the_working_directory_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    moves = 'print("noise"); os.chdir("/")'
    plan = plan_of(tmp_path, top=moves, body=moves, entry=f'{moves}; return "k"')
    assert {p.status for p in plan.configs} == {"ok"}
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("noise") == 1 + 2 + 2


def test_a_spec_file_that_exits_is_broken_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text("import sys\nsys.exit(0)\n")
    assert "k.py:2: SystemExit: 0" in str(discover([tmp_path]).broken["k"])
