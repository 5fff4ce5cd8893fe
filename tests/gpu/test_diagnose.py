"""The answer in words on a real GPU: each rule fires on the kernel that is planted for it, and only the roof's on the
best copy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commandline import run
from plants import PROFILED, RULES

from kbench.errors import ProfilerError
from kbench.profiling.find import tool

pytestmark = pytest.mark.gpu
WARM = ("cache_resident",)


def said(folder: Path, *words: str, timeout: float = 900) -> str:
    done = run(*words, cwd=folder, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def size(diagnosis: dict[str, Any]) -> int:
    return int(re.findall(r"\bn=(\d+)", diagnosis["config"])[0])


@pytest.fixture(scope="module")
def diagnoses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of each plant's largest configuration, measured and profiled."""
    try:
        tool("ncu")
    except ProfilerError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("diagnosed")
    for cache, kernels in (("cold", [k for k in RULES if k not in WARM]), ("warm", list(WARM))):
        chosen = [word for name in kernels for word in ("--kernel", name)]
        words = ["--path", str(PROFILED), *chosen, "--cache", cache, "--device", "cuda"]
        said(folder, "sweep", *words)
        said(folder, "profile", *words, "--tool", "ncu", "--launches", "1")
    found: dict[str, dict[str, Any]] = {}
    for diagnosis in json.loads(said(folder, "diagnose", "--json")):
        kernel = diagnosis["config"].partition("[")[0]
        if kernel not in found or size(diagnosis) > size(found[kernel]):
            found[kernel] = diagnosis
    return found


@pytest.mark.parametrize("kernel", RULES)
def test_each_rule_fires_on_what_is_planted_for_it(diagnoses: dict[str, dict[str, Any]], kernel: str) -> None:
    diagnosis = diagnoses[kernel]
    causes = {cause["rule"]: cause for cause in diagnosis["causes"]}
    assert RULES[kernel] in causes, diagnosis
    cause = causes[RULES[kernel]]
    assert cause["gain"]["high"] >= cause["gain"]["low"] >= 1
    for evidence in cause["evidence"]:
        held = {">=": evidence["value"] >= (evidence["threshold"] or 0),
                "<=": evidence["value"] <= (evidence["threshold"] or 0), "": True}  # fmt: skip
        assert held[evidence["relation"]], evidence


def test_nothing_is_wrong_with_a_copy_at_its_roof(diagnoses: dict[str, dict[str, Any]]) -> None:
    assert [cause["rule"] for cause in diagnoses["streaming_copy"]["causes"]] == ["bandwidth-bound"]
