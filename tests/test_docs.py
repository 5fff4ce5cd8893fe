"""The documents say what is: links lead somewhere, commands exist with their options, the map shows the real tree."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kbench.cli.main import VERBS, cli
from kbench.intent.axes import parse_values

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every kbench command line in a shell block or in `backticks`."""
    found = []
    for page in PAGES:
        text = page.read_text()
        blocks = [body for language, body in FENCE.findall(text) if language == "sh"]
        lines = [line for block in blocks for line in block.splitlines() if line.startswith("kbench ")]
        prose = FENCE.sub("", text)
        lines += re.findall(r"`(kbench [a-z][^`]*)`", prose)
        lines += [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ kbench ")]
        found += [line.split(" #")[0].strip() for line in lines]
    return sorted(set(found))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """A path with a folder in it, in backticks, that begins at the root of the project."""
    roots = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for path in re.findall(r"`([\w.-]+/[\w./-]+)`", page.read_text()):
        if path.split("/")[0] in roots - {"reports"}:
            assert (ROOT / path).exists(), path


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 20
    assert {line.split()[1] for line in commands()} >= set(VERBS)


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    """Verb, options and values are taken by the real parser; nothing is run."""
    _, verb, *words = shlex.split(line)
    group = cli.get_command(click.Context(cli), verb)
    assert group is not None, verb
    context = group.make_context(verb, words)
    for name, values in (context.params.get("axes") or {}).items():
        parse_values(name, values)


@pytest.mark.parametrize(
    "line", [line for line in commands() if line.split()[1] in ("sweep", "plan", "verify", "compile")]
)
def test_selections_are_not_empty(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kbench plan` with the same selection finds configurations (the user's own kernel is made by `kbench new`)."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["new", "scale", "--path", "my-kernels"]).exit_code == 0
    words = shlex.split(line)[2:]
    kept = [w for w in words if w not in ("--races", "--asan", "--fresh")]
    for option in ("--arch", "--device"):
        if option in kept:
            at = kept.index(option)
            del kept[at : at + 2]
    if not {"--kernel", "--suite", "--path"} & set(kept):
        pytest.skip("no selection in this line")
    done = CliRunner().invoke(cli, ["plan", *kept, "--device", "cuda"])
    assert done.exit_code == 0, done.output
    assert "\tok\t" in done.output


def test_the_map_shows_the_real_tree() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (tree,) = [body for _, body in FENCE.findall(text) if body.startswith("kbench/errors.py")]
    shown = {line.split()[0] for line in tree.splitlines()}
    for path in shown:
        assert (ROOT / path).exists(), path
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    floors = {
        f"kbench/{path.name}/" for path in (ROOT / "kbench").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    made = {"kbench/", "build/", "dist/", "shared/"}
    assert (folders | floors) - made - {f for f in folders if f.endswith(".egg-info/")} <= shown


def test_architecture_is_one_page() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) < 80


def test_exit_codes_are_those_of_the_errors() -> None:
    from kbench import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KbenchError)]
    codes = {kind.exit_code for kind in kinds} | {0, 130}
    for page in ("README.md", "docs/architecture.md"):
        (line,) = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("Exit codes:")]
        assert {int(code) for code in re.findall(r"\b(\d+) ", line)} == codes


def test_the_method_s_defaults_and_presets_are_as_written() -> None:
    from kbench.intent.method import PRESETS, Method

    method, text = Method(), (ROOT / "docs" / "measuring.md").read_text()
    columns = [method, *(method.of_preset(name) for name in PRESETS)]
    for words in (
        [f"{m.precision * 100:g} %, {m.samples_min}" for m in columns],
        [f"{m.samples_max}" for m in columns],
        [f"{m.max_time_s * 1000:g} ms" for m in columns],
        ["yes" if m.duel else "no" for m in columns],
        [f"{m.processes}" for m in columns],
        [f"{m.timeout_s / 5:g} s" for m in columns],
    ):
        assert f" | {' | '.join(words)} | " in text
    assert f"time-out ({method.timeout_s:g} s)" in " ".join(text.split())
    helps = " ".join(CliRunner().invoke(cli, ["sweep", "--help"]).output.split())
    for words in (
        f"[default: {method.precision * 100:g}%]",
        f"[default: {method.max_time_s * 1000:g}ms]",
        f"[default: {method.timeout_s:g}]",
        f"[default: {method.max_bytes // 2**20}MiB]",
    ):
        assert words in helps
    assert list(PRESETS) == ["fast", "rigorous"]
