"""The table of rules in the documentation has every rule, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from kbench.reading.diagnosis.rules import RULES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "profiling.md"


def test_every_rule_is_documented() -> None:
    table = PAGE.read_text().split("| rule | fires where | gain, at most |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)`", " ".join(cells))) == {rule.name for rule in RULES}
