from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from kbench.errors import SpecError, UsageError
from kbench.intent.config import Config, keys
from kbench.intent.discover import discover, load
from kbench.intent.method import Method
from kbench.intent.plan import Plan, make_plan, select, select_suite
from kbench.intent.suite import find_suite, load_suite

GOOD = '''
"""y = a * x, vec elements per load."""
from kbench import Call, Launch, Op, Skip, cdiv, kernel

@kernel("scale.cu", entry="scale<{dtype}, {vec}>", baselines=("library",),
        axes={"n": [1024, 6],
              "variant": ["plain", "library"], "threads": [128, 256], "vec": [1, 4], "dtype": ["float16"]})
def scale(xp, rng, *, n, variant, threads, vec, dtype):
    x = rng.random(n, dtype=dtype)
    y = xp.empty_like(x)
    promise = dict(outputs={"y": (y, lambda: x * 3)}, bytes_read=x.nbytes, bytes_written=y.nbytes)
    if variant == "library":
        assert threads is None and vec is None
        return Op(steps=[Call(xp.multiply, (x, 3, y))], **promise)
    if n % vec:
        raise Skip(f"{vec} does not divide {n}")
    return Launch(grid=cdiv(n, threads), block=threads, args=(y, x, xp.float32(3), n), **promise)
'''


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def planned(folder: Path, text: str = GOOD, device: str = "cpu", **axes: Any) -> Plan:
    write(folder, "scale.py", text)
    catalog = discover([folder])
    return make_plan(select(catalog.pick(catalog.kernels), axes), Method(), device=device)


def test_every_combination_is_planned_once_and_baselines_have_no_tuning_axes(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    ids = [p.config.id for p in plan.configs]
    assert len(ids) == len(set(ids)) == 2 * (1 * 2 * 2 + 1)
    assert "scale[dtype=float16,n=1024,variant=library]" in ids
    assert "scale[dtype=float16,n=1024,threads=128,variant=plain,vec=4]" in ids
    assert {p.config.problem for p in plan.configs} == {"scale[dtype=float16,n=1024]", "scale[dtype=float16,n=6]"}
    skipped = [p for p in plan.configs if p.status == "skipped"]
    assert {p.message for p in skipped} == {"4 does not divide 6"}
    assert len(skipped) == 2


def test_a_plan_knows_bytes_and_what_to_compile(tmp_path: Path) -> None:
    by_id = {p.config.id: p for p in planned(tmp_path).configs}
    launch = by_id["scale[dtype=float16,n=1024,threads=128,variant=plain,vec=4]"]
    assert (launch.traffic.useful_bytes, launch.footprint) == (4096, 4096)
    (needed,) = launch.instantiations
    assert needed is not None
    assert needed.entry == "scale<__half, 4>"
    assert Path(needed.source) == tmp_path / "scale.cu"
    assert by_id["scale[dtype=float16,n=1024,variant=library]"].instantiations == (None,)


def test_planning_a_terabyte_allocates_nothing(tmp_path: Path) -> None:
    plan = planned(tmp_path, device="cuda", n=2**39)
    assert {p.traffic.useful_bytes for p in plan.configs} == {2 * 2 * 2**39}
    assert all(p.status == "ok" for p in plan.configs)


def test_the_cpu_skips_what_is_too_large_for_it(tmp_path: Path) -> None:
    assert {p.message for p in planned(tmp_path, n=2**28).configs} == {
        "too large for the cpu: 1 GiB (--max-bytes 64 MiB)"
    }


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"scale<{dtype}, {vec}>"', '"scale<{dtyp}>"', "KeyError: 'dtyp'"),
        ("    y = xp.empty_like(x)", "    y = xp.empty_like(z)", r"scale.py:10: NameError: name 'z'"),
        ("bytes_read=x.nbytes, bytes_written=y.nbytes", "", r"needs bytes_read"),
        ('outputs={"y": (y, lambda: x * 3)}, ', "", r"needs outputs"),
        ("    return Launch(", "    return (", r"a spec returns Launch"),
    ],
)
def test_a_spec_that_fails_becomes_a_row_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    if new == "    return (":
        text = text.replace(
            "return (grid=cdiv(n, threads), block=threads, args=(y, x, xp.float32(3), n), **promise)", "return 1"
        )
    plan = planned(tmp_path, text, n=1024, variant="plain")
    assert {p.status for p in plan.configs} == {"spec_failed"}
    import re

    assert all(re.search(complaint, p.message) for p in plan.configs), plan.configs[0].message


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"n": [1024, 6]', '"m": [1024, 6]', r"scale.py:5: kernel scale: '[mn]'"),
        ('"dtype": ["float16"]', '"dtype": ["half"]', "say float16"),
        ('baselines=("library",)', 'baselines=("cublas",)', "baseline 'cublas' is no value"),
        ('entry="', 'tuning=("thread",), entry="', "did you mean threads"),
        ("def scale(", "def scale(:", r"scale.py:8: "),
        ("from kbench import Call", "from kbench import Cal", r"scale.py:3: ImportError"),
    ],
)
def test_a_spec_file_that_does_not_load_is_kept_as_an_error(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    write(tmp_path, "scale.py", GOOD.replace(old, new))
    catalog = discover([tmp_path])
    assert not catalog.kernels
    with pytest.raises(SpecError, match=complaint):
        catalog.pick(["scale"])


def test_unknown_names_suggest_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "scale.py", GOOD)
    catalog = discover([tmp_path])
    with pytest.raises(UsageError, match=r"did you mean scale\?"):
        catalog.pick(["scal"])
    with pytest.raises(UsageError, match=r"no axis 'thread'.*did you mean threads"):
        select(catalog.pick(["scale"]), {"thread": "1"})
    with pytest.raises(UsageError, match="no such folder"):
        discover([tmp_path / "nowhere"])
    write(tmp_path, "again.py", GOOD)
    with pytest.raises(UsageError, match="defined twice"):
        discover([tmp_path])


def test_a_suite_replaces_defaults_and_names_wrong_keys(tmp_path: Path) -> None:
    write(tmp_path, "scale.py", GOOD)
    suite_path = write(
        tmp_path,
        "mine.toml",
        """
        title = "mine"
        [[run]]
        kernel = "scale"
        axes = { n = "2^10..2^12:x2", variant = ["plain"], vec = 1 }
        cache = ["cold", "warm"]
        [method]
        samples_min = 30
        """,
    )
    suite = load_suite(find_suite("mine", [tmp_path]))
    plan = make_plan(select_suite(suite, discover([tmp_path]).pick, {"threads": "64"}), suite.method, device="cpu")
    assert len(plan.configs) == 3 * 2
    assert plan.method.samples_min == 30
    assert plan.configs[1].config.id == "scale[cache=warm,dtype=float16,n=1024,threads=64,variant=plain,vec=1]"
    suite_path.write_text(suite_path.read_text().replace("samples_min", "sample_min"))
    with pytest.raises(Exception, match=r"mine.toml: .*sample_min.*method"):
        load_suite(suite_path)
    with pytest.raises(UsageError, match=r"did you mean mine\?"):
        find_suite("mien", [tmp_path])


def test_config_ids_are_sorted_and_keys_lengthen_on_collision(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config("k", {"threads": 128, "dtype": "float16", "flag": True}, ("threads",))
    assert config.id == "k[dtype=float16,flag=true,threads=128]"
    assert config.problem == "k[dtype=float16,flag=true]"
    assert len(keys([config])[config.id]) == 8
    monkeypatch.setattr(Config, "digest", property(lambda self: "0" * 9 + self.kernel))
    assert set(keys([Config("a", {}), Config("b", {})]).values()) == {"0" * 9 + "a", "0" * 9 + "b"}


def test_the_bundled_style_of_spec_takes_its_summary_from_the_module(tmp_path: Path) -> None:
    (found,) = load(write(tmp_path, "scale.py", GOOD))
    assert found.summary == "y = a * x, vec elements per load."
