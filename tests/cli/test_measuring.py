"""How the command line's measuring options become a Method, and what the progress bar shows."""

from __future__ import annotations

import re
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner

from kbench.cli import progress as progress_module
from kbench.cli.chosen import Chosen
from kbench.cli.options import measures, selects
from kbench.cli.progress import Progress
from kbench.intent.method import PRESETS, Method


def method_of(*args: str) -> Method:
    found: list[Method] = []

    @click.command()
    @selects
    @measures
    def command(chosen: Chosen, **rest: Any) -> None:
        found.append(chosen._method(Method()))

    result = CliRunner().invoke(command, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--precision", "0.5%"), {"precision": 0.005}),
        (("--precision", "0.02"), {"precision": 0.02}),
        (("--max-time", "20ms"), {"max_time_s": 0.02}),
        (("--max-time", "500us"), {"max_time_s": 0.0005}),
        (("--max-time", "1.5"), {"max_time_s": 1.5}),
        (("--samples", "7"), {"samples_min": 7, "samples_max": 7}),
        ((), {}),
    ],
)
def test_options_say_how_long_to_sample(given: tuple[str, ...], expected: dict[str, Any]) -> None:
    method = method_of(*given)
    plain = Method()
    for name in Method.__struct_fields__:
        assert getattr(method, name) == pytest.approx(expected.get(name, getattr(plain, name)))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_what_is_given_stands_above_a_preset(preset: str) -> None:
    method = method_of(f"--{preset}")
    assert method == Method().of_preset(preset)
    assert method.preset == preset
    assert method_of(f"--{preset}", "--precision", "3%").precision == 0.03
    assert method_of(f"--{preset}", "--precision", "3%").samples_max == PRESETS[preset]["samples_max"]


@pytest.mark.parametrize(("option", "value"), [("--precision", "fine"), ("--precision", "%"), ("--max-time", "1h")])
def test_what_is_no_precision_or_time_is_refused_with_an_example(option: str, value: str) -> None:
    @click.command()
    @selects
    @measures
    def command(chosen: Chosen, **rest: Any) -> None:
        raise AssertionError

    result = CliRunner().invoke(command, [option, value])
    assert result.exit_code == 2
    assert re.search(r"such as (0\.5%|20ms)", result.output)


def test_the_bar_shows_what_is_done_what_is_left_the_best_and_the_current_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    with Progress("sweep", 10) as bar:
        bar.show("early")
        assert capsys.readouterr().err == ""
        now += 5
        bar.show("first")
        assert "sweep 0/10 · first" in capsys.readouterr().err
        now += 4
        bar.best = "best so far 3 us"
        bar.advance("second")
        assert (
            "[##..................] sweep 1/10, about 81 s left · best so far 3 us · second" in capsys.readouterr().err
        )
        bar.show("too soon after that")
        assert capsys.readouterr().err == ""
