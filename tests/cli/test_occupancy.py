"""kbench occupancy on bundled kernels, compiled for architectures that are not here."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from commandline import FAULTS, run
from msgspec.structs import replace
from patients import profile, result
from synthetic import GPU

from kbench.intent.config import Config
from kbench.machine.occupancy import Footprint, limits_of, occupancy
from kbench.record.environment import collect
from kbench.record.store import Store

pytestmark = pytest.mark.skipif(not find_spec("cuda.bindings"), reason="NVRTC's bindings are not installed")
FMA = ("occupancy", "--kernel", "fma", "--axis", "n=65536", "--axis", "k=4", "--dtype", "float32", "--variant", "naive")


def test_a_row_a_block_size_and_architecture(tmp_path: Path) -> None:
    done = run(*FMA, "--block-size", "32,256,768", "--arch", "sm_86,sm_90", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["arch"], row["threads"]) for row in rows] == [
        (arch, threads) for arch in ("sm_86", "sm_90") for threads in (32, 256, 768)
    ]
    for row in rows:
        footprint = Footprint(row["threads"], row["registers"], row["shared_bytes"])
        expected = occupancy(limits_of(row["arch"]), footprint)
        assert (row["blocks"], row["occupancy"]) == (expected.blocks, expected.share)
        assert row["configs"] == [f"fma[dtype=float32,k=4,n=65536,threads={row['threads']},variant=naive]"]
    small, full, large = rows[3:]
    assert (small["limiter"], small["occupancy"]) == ("block size", 0.5)
    assert (full["limiter"], full["occupancy"], full["lifts"]) == ("", 1.0, [])
    assert (large["limiter"], large["blocks"]) == ("block size", 2)
    assert large["lifts"] == ["blocks of 512 threads would allow 4 blocks (100.0 %)"]


def test_achieved_stands_beside_theoretical(tmp_path: Path) -> None:
    row = result(1e-3)
    mine = Config("fma", {"dtype": "float32", "k": 4, "n": 65536, "threads": 256, "variant": "naive"}, ("threads",))
    counted = replace(profile(row, {"achieved_occupancy": 0.43}), config=mine)
    with Store.open(tmp_path / "kbench.db") as store:
        store.add_profile(store.begin(collect(argv=("kbench",))), counted)
    assert GPU.arch == "sm_90"
    done = run(*FMA, "--block-size", "256", "--arch", "sm_80,sm_90", cwd=tmp_path)
    head, *lines = (line.split("\t") for line in done.stdout.splitlines())
    achieved = {row[1]: row[head.index("achieved_occupancy")] for row in lines}
    assert achieved == {"sm_80": "", "sm_90": "0.43"}


def test_a_cap_on_registers_and_room_taken_by_shared_memory(tmp_path: Path) -> None:
    kernel = ("occupancy", "--kernel", "transpose", "--dtype", "float32", "--variant", "vector", "--block-size", "128")
    axes = ("--axis", "group=1", "--axis", "max_registers=0,32", "--axis", "shared_bytes=0,96KiB", "--arch", "sm_90")
    done = run(*kernel, *axes, "--axis", "rows=8192", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    free, roomy, capped, both = json.loads(done.stdout)
    assert free["registers"] == roomy["registers"] > 32 >= capped["registers"] == both["registers"]
    assert (free["limiter"], roomy["limiter"]) == ("registers", "shared memory")
    assert [row["dynamic_shared_bytes"] for row in (free, roomy)] == [0, 96 * 1024]
    assert (free["blocks"], roomy["blocks"], both["blocks"]) == (9, 2, 2)
    assert capped["blocks"] > free["blocks"]


def test_it_is_drawn(tmp_path: Path) -> None:
    from PIL import Image

    done = run(*FMA, "--block-size", "128,1024", "--arch", "sm_90", "-o", "drawn.png", cwd=tmp_path)
    assert "drawn in drawn.png" in done.stderr
    picture = Image.open(io.BytesIO((tmp_path / "drawn.png").read_bytes()))
    assert picture.width > 600
    assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 30
    nowhere = run(*FMA, "--block-size", "128", "-o", "nowhere/drawn.png", cwd=tmp_path)
    assert nowhere.returncode == 2
    assert "cannot write" in nowhere.stderr


def test_of_many_those_are_drawn_that_differ_most() -> None:
    from kbench.machine.fits import Fit
    from kbench.reading.charts.occupancy import MOST_SERIES, series, spread

    fits = [Fit("sm_90", "f", Footprint(256, 32, n * 4096), 0, n * 4096, 0, None, ()) for n in range(50)]
    drawn = spread(series(fits))
    shares = [fit.occupancy.share for _, fit in drawn]
    assert len(drawn) == len({fit.footprint for _, fit in drawn}) == MOST_SERIES
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (min(f.occupancy.share for f in fits), 1.0)
    assert drawn[0][0] == "f · 256 threads · 32 registers · 116 KiB shared"
    assert spread(series(fits[:3])) == series(fits[:3])


def test_what_cannot_be_told(tmp_path: Path) -> None:
    unknown = run(*FMA, "--arch", "sm_99", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "nothing is known of the occupancy of sm_99" in unknown.stderr
    copies = run("occupancy", "--kernel", "copy", "--variant", "memcpy", cwd=tmp_path)
    assert copies.returncode == 2
    assert "launches a kernel" in copies.stderr
    broken = run("occupancy", "--path", FAULTS, "--kernel", "does_not_compile", cwd=tmp_path)
    assert broken.returncode == 3
    assert "does_not_compile.cu" in broken.stderr
