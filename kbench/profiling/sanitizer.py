"""Compute Sanitizer: started around `kbench profile` of one configuration, once for each of its checks.

It knows no NVTX ranges and looks at every launch of a process, so that what it finds belongs to the one configuration
that ran in it. Its text is read rather than its XML: that of all four checks is documented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from kbench.errors import ProfilerError
from kbench.profiling.driver import PLAIN, How
from kbench.profiling.find import Found
from kbench.profiling.profile import Finding, Profile
from kbench.profiling.promised import Promised

CHECKS: tuple[str, ...] = ("memcheck", "racecheck", "initcheck", "synccheck")
ALONE = FAULTS = True
ENDING = ".txt"
PRINTED = 1000
"""Findings that it prints before it only counts."""
_EXCLUDES_SINCE = (2024, 1)
_CUPY = "cupy_"
_CUPY_AND_CUB = rf"{_CUPY}|(?:void )?cub::CUB_"
"""Of CuPy's own kernels nothing is told; initcheck counts the padding of the key-value pairs of CUB, which CuPy calls,
as not initialised."""
_SPECIFIC = {"memcheck": ("--report-api-errors", "no", "--leak-check", "no", "--padding", "4096")}
"""Without padding the arrays of a configuration lie side by side, and the end of one is the beginning of another."""

_LINE = re.compile(r"^=+ ?(.*)$")
_PLACES = (
    re.compile(r"^at (?P<kernel>.+)\+0x[0-9a-f]+(?: in (?P<file>.+):(?P<line>\d+))?$"),
    re.compile(r"^at 0x[0-9a-f]+ in (?P<file>.+?):(?P<line>\d+):(?P<kernel>.+)$"),  # before 2022
    re.compile(r"^at 0x[0-9a-f]+ in (?P<kernel>.+)$"),
)
_ACCESS = re.compile(
    r"(?P<what>Write|Read) access at (?P<kernel>.+?)\+0x[0-9a-f]+(?: in (?P<file>.+?):(?P<line>\d+))?"
    r"(?: \[(?P<count>[\d,]+) hazards?\])?(?= and |$)"
)
_DETAILS = (" ", "at ", "by thread ", "and ", "Access ", "Address ")
"""How the lines below a heading begin."""
_UNPRINTED = re.compile(r"were not printed|were skipped")
_TROUBLE = re.compile(r"^(?:Internal Sanitizer Error|Error: (?!Race)|.*not supported)")


def command(found: Found, inner: Sequence[str], raw: Path, how: How = PLAIN) -> list[str]:
    """See driver.Driver. initcheck must see all that is written, by whatever kernel; the others leave CuPy's out."""
    skips = found.number[:2] >= _EXCLUDES_SINCE and how.check != "initcheck"
    return [
        found.path, "--tool", how.check or CHECKS[0], "--target-processes", "all", "--show-backtrace", "no",
        "--print-limit", str(PRINTED), *_SPECIFIC.get(how.check, ()),
        *(("--kernel-name-exclude", f"regex=^{_CUPY}") if skips else ()), "--log-file",
        str(_file(raw)).replace("%", "%%"),
        *inner,
    ]  # fmt: skip


def read(raw: Path, wanted: Mapping[str, Promised], log: str, how: How = PLAIN) -> list[Profile]:
    """See driver.Driver: one profile, since there is one configuration."""
    file = _file(raw)
    text = file.read_text(errors="replace") if file.is_file() else log
    told = list(_blocks(text))
    trouble = [head for head, _ in told if _TROUBLE.match(head)]
    if not any("SUMMARY" in head for head, _ in told):
        raise ProfilerError(f"compute-sanitizer ended without a summary: {'; '.join(trouble) or 'it was stopped'}")
    found = tuple(findings(text, how.check))
    unprinted = [head for head, _ in told if _UNPRINTED.search(head)]
    said = [*(() if found else trouble), *unprinted]
    return [
        Profile(
            p.config, p.device, "sanitizer", message="; ".join(filter(None, (p.message, *said))), findings=found,
            launches=p.launches, runs=p.runs, raw=str(file), source=p.source,
        )
        for p in wanted.values()
    ]  # fmt: skip


def findings(text: str, check: str) -> list[Finding]:
    """What a check printed: one for each place and kind of error, with how often it was seen there."""
    found: dict[tuple[str, ...], Finding] = {}
    libraries = _CUPY_AND_CUB if check == "initcheck" else _CUPY
    for head, details in _blocks(text):
        one = _race(head, details, check) if "Race reported" in head else _fault(head, details, check)
        if one is None or re.match(libraries, one.kernel):
            continue
        key = (one.kind, one.kernel, one.file, str(one.line), one.message if "Race" in head else "")
        before = found.get(key)
        found[key] = msgspec.structs.replace(before, count=before.count + one.count) if before else one
    return sorted(found.values(), key=lambda f: (f.file, f.line, f.kind))


def _file(raw: Path) -> Path:
    return raw.with_name(raw.name + ENDING)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """A heading and the indented lines below it, without the "=========" before each."""
    head, details = "", list[str]()
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue  # the program's own
        said = match.group(1)
        if said.startswith(_DETAILS) and head:
            details.append(said.strip())
            continue
        if head:
            yield head, details
        head, details = said.strip(), []
    if head:
        yield head, details


def _fault(head: str, details: Sequence[str], check: str) -> Finding | None:
    """Nothing that a kernel does has no place: errors of API calls and copies, summaries."""
    for at, line in enumerate(details):
        for place in _PLACES:
            match = place.match(line)
            if match:
                kernel, file, number = _place(match)
                rest = [d for d in details[at + 1 :] if not re.match(r"(?:Saved|Host|Device) ", d)]
                return Finding(check, head, ", ".join(rest), kernel, file, number)
    return None


def _race(head: str, details: Sequence[str], check: str) -> Finding | None:
    text = " ".join([head, *details])
    accesses = list(_ACCESS.finditer(text))
    if not accesses:
        return None
    kernel, file, line = _place(accesses[0])
    words = [f"{a['what'].lower()} at {_words(*_place(a)[1:])}" for a in accesses]
    count = sum(int(a["count"].replace(",", "")) for a in accesses if a["count"]) or 1
    severity = head.partition(":")[0].capitalize()
    return Finding(check, f"Race ({severity.lower()})", " and ".join(words), kernel, file, line, count)


def _place(match: re.Match[str]) -> tuple[str, str, int]:
    """(kernel, file, line) of any of the patterns above."""
    groups = match.groupdict()
    return groups["kernel"].strip(), groups.get("file") or "", int(groups.get("line") or 0)


def _words(file: str, line: int) -> str:
    return f"{file}:{line}" if file else "an unknown line"
