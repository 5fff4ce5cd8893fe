"""Compute Sanitizer: the command, and its text as it is documented and as versions before printed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_profiler import promised

from kbench.errors import ProfilerError
from kbench.profiling import sanitizer
from kbench.profiling.driver import How, driver
from kbench.profiling.find import Found
from kbench.profiling.profile import Finding

BLOCK = """========= {head}
=========     at {place}
=========     by thread ({thread},0,0) in block (16,0,0)
=========     Address 0x7f6510c04000 is out of bounds
=========     and is 1 bytes after the nearest allocation at 0x7f6510c00000 of size 16,384 bytes
=========     Saved host backtrace up to driver entry point at kernel launch time
=========         Host Frame: main [0x8a3d] in app
=========
"""
WRITE = "Invalid __global__ write of size 4 bytes"
PLACE = "out_of_bounds(float *, const float *, int)+0x160 in out_of_bounds.cu:5"
RACE = """========= Error: Race reported between Write access at shared_race(float *, int)+0xb0 in shared_race.cu:6
=========     and Read access at shared_race(float *, int)+0xd0 in shared_race.cu:7 [1,024 hazards]
=========     and Write access at shared_race(float *, int)+0xb0 in shared_race.cu:6 [16 hazards]
=========
"""


def printed(*blocks: str, summary: str = "ERROR SUMMARY: 0 errors") -> str:
    return "\n".join(["kbench says something", "========= COMPUTE-SANITIZER", *blocks, f"========= {summary}", ""])


def place(check: str, text: str) -> tuple[str, str, int]:
    (found,) = sanitizer.findings(printed(text), check)
    return found.kernel, found.file, found.line


# ---------------------------------------------------------------- the command
def test_one_check_at_a_time_on_one_configuration(tmp_path: Path) -> None:
    found = Found("/opt/compute-sanitizer", "2025.3.1.0")
    one = driver("sanitizer")
    assert one.CHECKS == ("memcheck", "racecheck", "initcheck", "synccheck")
    assert one.ALONE
    words = one.command(found, ["kbench", "profile"], tmp_path / "raw", How("sm_90", "cold", "racecheck"))
    assert words[words.index("--tool") + 1] == "racecheck"
    assert words[words.index("--target-processes") + 1] == "all"
    assert words[words.index("--log-file") + 1] == f"{tmp_path}/raw.txt"
    odd = sanitizer.command(Found("s", "2025.3.1.0"), ["kbench"], tmp_path / "100%done")
    assert odd[odd.index("--log-file") + 1] == f"{tmp_path}/100%%done.txt", "it would take %d for a pattern of its own"
    assert words[-2:] == ["kbench", "profile"]
    assert "--report-api-errors" not in words


def test_cupy_s_kernels_are_left_out_where_that_is_sound(tmp_path: Path) -> None:
    def words(check: str, version: str) -> list[str]:
        return sanitizer.command(Found("s", version), ["kbench"], tmp_path / "raw", How(check=check))

    assert "--kernel-name-exclude" in words("memcheck", "2025.3.1.0")
    assert "--kernel-name-exclude" not in words("initcheck", "2025.3.1.0"), "what they write must count as written"
    assert "--kernel-name-exclude" not in words("memcheck", "2022.1.0"), "a version that does not know the option"


# ---------------------------------------------------------------- what it finds
def test_a_write_out_of_bounds() -> None:
    text = printed(BLOCK.format(head=WRITE, place=PLACE, thread=0), summary="ERROR SUMMARY: 1 error")
    assert sanitizer.findings(text, "memcheck") == [
        Finding("memcheck", WRITE, "by thread (0,0,0) in block (16,0,0), Address 0x7f6510c04000 is out of bounds, and "
                "is 1 bytes after the nearest allocation at 0x7f6510c00000 of size 16,384 bytes",
                "out_of_bounds(float *, const float *, int)", "out_of_bounds.cu", 5)
    ]  # fmt: skip


def test_many_threads_at_one_place_are_one_finding() -> None:
    blocks = [BLOCK.format(head=WRITE, place=PLACE, thread=thread) for thread in range(7)]
    other = BLOCK.format(head=WRITE, place=PLACE.replace(":5", ":9"), thread=0)
    first, second = sanitizer.findings(printed(*blocks, other), "memcheck")
    assert (first.line, first.count) == (5, 7)
    assert "thread (0,0,0)" in first.message
    assert (second.line, second.count) == (9, 1)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("void k<float, (int)4>(T1 *)+0x1b0 in /a b/k.cu:12", ("void k<float, (int)4>(T1 *)", "/a b/k.cu", 12)),
        ("k(int *)+0x1b0", ("k(int *)", "", 0)),
        ("0x160 in /home/user/demo.cu:6:unaligned_kernel(void)", ("unaligned_kernel(void)", "/home/user/demo.cu", 6)),
        ("0x160 in unaligned_kernel(void)", ("unaligned_kernel(void)", "", 0)),
    ],
)  # fmt: skip
def test_places_as_versions_write_them(where: str, expected: tuple[str, str, int]) -> None:
    assert place("memcheck", BLOCK.format(head=WRITE, place=where, thread=0)) == expected


def test_a_race_has_both_places_and_its_hazards() -> None:
    (found,) = sanitizer.findings(printed(RACE, summary="RACECHECK SUMMARY: 1 hazard displayed (1 error)"), "racecheck")
    assert found == Finding(
        "racecheck", "Race (error)",
        "write at shared_race.cu:6 and read at shared_race.cu:7 and write at shared_race.cu:6",
        "shared_race(float *, int)", "shared_race.cu", 6, 1040,
    )  # fmt: skip


def test_a_race_without_line_numbers_and_as_the_manual_prints_it() -> None:
    text = "========= WARNING: Race reported between Write access at RAW()+0xf0\n" \
           "========= and Read access at RAW()+0x280 [4 hazards]\n"  # fmt: skip
    (found,) = sanitizer.findings(printed(text), "racecheck")
    assert (found.kind, found.kernel, found.file, found.line, found.count) == ("Race (warning)", "RAW()", "", 0, 4)
    assert found.message == "write at an unknown line and read at an unknown line"


@pytest.mark.parametrize(
    ("check", "head"),
    [
        ("initcheck", "Uninitialized __global__ memory read of size 4 bytes"),
        ("synccheck", "Barrier error detected. Divergent thread(s) in warp"),
        ("memcheck", "Invalid __shared__ read of size 8 bytes"),
        ("racecheck", "Potential invalid __shared__ read of size 4 bytes"),
    ],
)
def test_each_check_s_kind(check: str, head: str) -> None:
    text = f"========= {head}\n=========     at k(int *)+0xf0 in k.cu:79\n=========     by thread (37,0,0)\n"
    (found,) = sanitizer.findings(printed(text), check)
    assert (found.check, found.kind, found.file, found.line) == (check, head, "k.cu", 79)


def test_what_is_no_kernel_s_fault_is_no_finding() -> None:
    api = (
        '========= Program hit cudaErrorLaunchFailure (error 719) due to "unspecified launch failure" on CUDA API call '
        "to cudaDeviceSynchronize.\n=========     Saved host backtrace up to driver entry point at error\n"
        "=========\n========= Target application returned an error\n"
    )
    copy = "========= Host API uninitialized memory access\n=========     Access by cudaMemcpy source\n=========\n"
    assert sanitizer.findings(printed(api, copy), "initcheck") == []


# ---------------------------------------------------------------- reading a run
@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "00-memcheck"


def test_findings_belong_to_the_one_configuration(raw: Path) -> None:
    raw.with_name("00-memcheck.txt").write_text(printed(BLOCK.format(head=WRITE, place=PLACE, thread=0)))
    one = promised("out_of_bounds")
    (profile,) = sanitizer.read(raw, {one.range: one}, "", How(check="memcheck"))
    assert (profile.tool, profile.status, profile.message) == ("sanitizer", "ok", "")
    assert profile.findings[0].line == 5
    assert profile.raw == f"{raw}.txt"
    assert profile.config == one.config


def test_nothing_found_is_a_profile_without_findings(raw: Path) -> None:
    one = promised("copy")
    (profile,) = sanitizer.read(raw, {one.range: one}, printed(), How(check="memcheck"))
    assert profile.findings == ()
    assert profile.status == "ok"


@pytest.mark.parametrize(
    "more",
    [
        "ERROR SUMMARY: 44 errors were not printed because the limit was reached.",
        "ERROR SUMMARY: 771 errors\n========= \n========= 44 errors were skipped (error buffer overflow).",
    ],
)
def test_what_was_only_counted_is_said(raw: Path, more: str) -> None:
    one = promised("copy")
    text = printed(BLOCK.format(head=WRITE, place=PLACE, thread=0), f"========= {more}")
    (profile,) = sanitizer.read(raw, {one.range: one}, text, How(check="memcheck"))
    assert "44 errors were" in profile.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it was stopped"),
        ("========= COMPUTE-SANITIZER\n========= Error: Device not supported. Please refer to …", "not supported"),
        ("========= COMPUTE-SANITIZER\n========= Internal Sanitizer Error: out of memory", "out of memory"),
    ],
)  # fmt: skip
def test_a_run_that_did_not_end(raw: Path, text: str, reason: str) -> None:
    with pytest.raises(ProfilerError, match="without a summary") as error:
        sanitizer.read(raw, {"copy.1": promised("copy")}, text, How(check="memcheck"))
    assert reason in str(error.value)
    assert error.value.exit_code == 5
