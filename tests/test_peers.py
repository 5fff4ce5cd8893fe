"""What tests/gpu/peers.py reads and computes, held without a GPU."""

from __future__ import annotations

import array
import json
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import ROOT, environment

sys.path.append(str(ROOT / "tests" / "gpu"))

from peer import harnesses, tables
from peer.configs import Asked, Key, Run, key_of, run_of


def test_block_and_grid_tell_configurations_apart() -> None:
    keys = list(Asked())
    assert len(keys) == 48
    assert len({(key.threads, key.grid) for key in keys}) == 48
    assert all(key_of(str(key)) == key for key in keys)
    assert Key(2**16, 128, 4).grid * 128 * 4 == 2**14


def test_ncu_s_csv() -> None:
    asked = Asked(sizes=(2**16, 2**20), threads=(128,), vecs=(4,))
    text = """==PROF== Connected to process 7
"ID","Process ID","Kernel Name","Block Size","Grid Size","gpu__time_duration.sum"
"","","","","","ns"
"0","7","copy48","(128, 1, 1)","(32, 1, 1)","2,304"
"1","7","copy48","(128, 1, 1)","(32, 1, 1)","2,368"
"2","7","copy48","(128, 1, 1)","(32, 1, 1)","9,000"
"3","7","copy48","(128, 1, 1)","(512, 1, 1)","2,800"
"""
    run = harnesses.of_ncu(text, asked)
    assert run.times == pytest.approx({"65536/128/4": 2.368e-6, "1048576/128/4": 2.8e-6})
    assert run.extra["launches"] == {"65536/128/4": 3, "1048576/128/4": 1}


def test_ncu_cannot_tell_configurations_of_one_grid_apart() -> None:
    """1 MiB by 2 floats a thread and 2 MiB by 4 are 1,024 blocks of 128 threads both."""
    same = Asked(sizes=(2**20, 2**21), threads=(128,), vecs=(2, 4))
    assert len({(key.threads, key.grid) for key in same}) < len(list(same))
    with pytest.raises(harnesses.Missing, match="have the same"):
        harnesses.of_ncu("", same)


def state(name: str, mean: float, **more: object) -> dict[str, object]:
    found = {"nv/cold/time/gpu/mean": mean, "nv/cold/walltime": 0.09}
    summaries = [{"tag": t, "data": [{"name": "value", "type": "float64", "value": str(v)}]} for t, v in found.items()]
    axis = {"name": "config", "type": "string", "value": name}
    return {"name": name, "axis_values": [axis], "summaries": [*summaries, *more.pop("summaries", ())], **more}


def test_nvbench_s_json_and_its_samples(tmp_path: Path) -> None:
    (tmp_path / "out.json-bin").mkdir()
    (tmp_path / "out.json-bin" / "0.bin").write_bytes(array.array("f", [1e-6, 2e-6, 9e-6]).tobytes())
    kept = {"tag": "nv/json/bin:nv/cold/sample_times",
            "data": [{"name": "filename", "type": "string", "value": "out.json-bin/0.bin"}]}  # fmt: skip
    states = [state("nothing", 3e-6), state("65536/128/1", 4e-6, summaries=[kept]), state("65536/128/2", 5e-6),
              state("65536/128/4", 0.0, is_skipped=True, skip_reason="time")]  # fmt: skip
    (tmp_path / "out.json").write_text(json.dumps({"benchmarks": [{"states": states}]}))
    run = harnesses.of_nvbench(tmp_path / "out.json")
    assert run.times == pytest.approx({"65536/128/1": 2e-6, "65536/128/2": 5e-6})
    assert run.extra["nothing_s"] == 3e-6
    assert run.extra["skipped"] == {"65536/128/4": "time"}
    assert run.extra["walltime_s"]["65536/128/2"] == 0.09


def runs(*times: dict[str, float], winners: tuple[dict[int, list[str]], ...] = ()) -> list[Run]:
    return [Run("x", times=t, winners=winners[i] if winners else {}) for i, t in enumerate(times)]


def test_bias_variation_and_winners() -> None:
    found = runs({"65536/128/1": 1.0, "65536/128/2": 2.0}, {"65536/128/1": 3.0, "65536/128/2": 2.0})
    assert tables.centers(found) == {"65536/128/1": 2.0, "65536/128/2": 2.0}
    assert tables.bias(found, {"65536/128/1": 1.5}) == {"65536/128/1": 0.5}
    assert tables.variation(found) == pytest.approx({"65536/128/1": 2**0.5 / 2, "65536/128/2": 0.0})
    assert tables.variation(found[:1]) == {}
    assert tables.winners(found, 65536) == (2, 1, 2)
    tied = runs(found[0].times, found[1].times, winners=({}, {65536: ["65536/128/1"]}))
    assert tables.winners(tied, 65536) == (2, 2, 2), "the second process does not tell them apart"


def test_all_tables_hold_every_harness() -> None:
    name = "65536/128/1"
    everybody = {"ncu": runs({name: 2.4e-6}), "kbench cupti, cold": runs({name: 1.4e-6}, {name: 1.5e-6}),
                 "cupyx": runs({name: 6e-6})}  # fmt: skip
    texts = tables.compared(everybody, "kbench cupti, cold")
    assert len(texts) == 6
    assert all("64 KiB" in text and "cupyx" in text for text in texts)
    assert sum("bias" in text for text in texts) == 2
    against_ncu = next(text for text in texts if "against ncu" in text)
    assert "+3.60 (+3.60 … +3.60)" in against_ncu
    assert "-0.95" in against_ncu


def test_sustained_is_held_against_sustained() -> None:
    name = "65536/128/1"
    everybody = {"kbench cupti, cold": runs({name: 1.4e-6}), "kbench cupti, sustained": runs({name: 1.2e-6}),
                 "kbench graph, sustained": runs({name: 1.3e-6})}  # fmt: skip
    (text,) = [text for text in tables.compared(everybody, "kbench cupti, cold") if "bias" in text]
    assert "against kbench cupti, sustained" in text
    assert "+0.10 (+0.10 … +0.10)" in text


def test_nvbench_beside_kbench() -> None:
    theirs = Run("nvbench", times={"1073741824/256/4": 510e-6}, extra={"nothing_s": 4e-6})
    events = Run("events", times={"1073741824/256/4": 500e-6},
                 extra={"raw_median_s": {"1073741824/256/4": 505e-6}, "floor_s": 3.5e-6})  # fmt: skip
    text = tables.beside_nvbench(theirs, events, None)
    assert "1 GiB" in text
    assert "+0.99" in text
    assert "+2.00" in text
    assert "empty kernel 4.00 µs; kbench's events floor 3.50 µs" in text


def test_the_script_runs_kbench_and_tells_what_is_missing(tmp_path: Path) -> None:
    """On the cpu device, at sizes of no meaning: everything but the GPU is as it will be."""
    words = ["--only", "kbench-auto,cupyx", "--extra", "kbench-auto", "--processes", "1", "--peer-processes", "1",
             "--device", "cpu", "--sizes", "4096", "--threads", "128", "--json", tmp_path / "out.json"]  # fmt: skip
    done = subprocess.run([sys.executable, str(ROOT / "tests/gpu/peers.py"), *map(str, words)], capture_output=True,
                          text=True, check=False, env=environment(), cwd=tmp_path, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "kbench auto, cold" in done.stdout
    kept = json.loads((tmp_path / "out.json").read_text())["runs"]["kbench auto, cold"]
    run = run_of(kept[0])
    assert set(run.times) == {"4096/128/1", "4096/128/2", "4096/128/4"}
    assert all(0 < run.extra["raw_median_s"][name] < 1 for name in run.times)
    assert run.winners[4096]
