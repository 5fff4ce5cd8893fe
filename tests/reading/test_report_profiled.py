"""Profiled rows of the report open to metrics, diagnosis and timeline, in a real browser and without a script."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import msgspec
import pytest
import synthetic
from browser import Browser, chromium
from matplotlib.image import imread
from synthetic import CPU, GPU, NOTES, stored
from synthetic_profiles import cupti, kept, ncu, of, one, sanitizer

from kbench.profiling.metrics import KINDS
from kbench.reading import counted
from kbench.reading.diagnosis import words
from kbench.reading.diagnosis.diagnose import diagnose
from kbench.reading.profile_parts import MOST_TIMELINES
from kbench.reading.profiled import Profiles
from kbench.reading.report import write_report
from kbench.record.store import Stored

EVIL = "<script>document.title='owned'</script>"
ROWS = stored([*synthetic.sweep(GPU), *synthetic.sweep(CPU)])


def naive() -> Stored:
    """The row that was seen by every tool."""
    profiles = Profiles(of(ROWS))
    return next(row for row in ROWS if len(profiles.of(row).fresh) == 3)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    roofs = {device.uid: synthetic.roofs(device) for device in (GPU, CPU)}
    return write_report(ROWS, tmp_path_factory.mktemp("report"), roofs, [], NOTES, of(ROWS))


@pytest.fixture(scope="module")
def page(report: Path) -> str:
    return report.read_text(encoding="utf-8")


def opened(page: str, row: Stored) -> str:
    """What a profiled row opens to, as HTML."""
    begin = re.search(rf'<div class="inside" id="[^"]*profile-{row.key}">', page)
    assert begin
    return page[begin.end() :].split("</div></details>")[0]


def test_each_profiled_row_opens_and_no_other(page: str) -> None:
    profiles = Profiles(of(ROWS))
    expected = {row.key for row in ROWS if profiles.of(row)}
    anchors = re.findall(r'class="inside" id="[^"]*?profile-(\w+)"', page)
    assert sorted(anchors) == sorted(expected)
    bare = len(re.findall('<details class="profile">', page))
    assert bare == len(expected)


def test_a_report_without_profiles_has_nothing_of_them(tmp_path: Path) -> None:
    page = write_report(stored([one()]), tmp_path).read_text(encoding="utf-8")
    body = page[page.index("<body>") : page.index('<script>\n"use strict"')]
    assert 'class="profile"' not in body
    assert "rofile" not in body


def test_metrics_stand_in_groups_with_units_and_the_tool_s_own_name(page: str) -> None:
    text = opened(page, naive())
    groups = re.findall(r"<h4>([^<]+)</h4>", text)
    assert groups == [title for title, _ in counted.GROUPS]
    for metric in ncu(naive().result, 4.5).metrics:
        told = f"<dt>{counted.words(metric.name)}<small>{KINDS[metric.name].meaning}</small></dt>"
        assert f"{told}<dd>{counted.shown(metric.name, metric.value)}<" in unescape(text)
    assert 'title="ncu 2025.3.1 dram__bytes_read.sum"' in text
    stalls = re.findall(r"<dt>Stall [^<]+<small>[^<]+</small></dt><dd>([\d.]+) %", text)
    assert [float(s) for s in stalls] == sorted((float(s) for s in stalls), reverse=True)


def test_both_times_stand_beside_each_other(page: str) -> None:
    text = opened(page, naive())
    assert re.search(r"<dt>kbench, events, cold</dt><dd>1\.\d+ ms", text)
    assert re.search(r'<dt>ncu, one run</dt><dd>1\.\d+ ms <span class="muted">\+0\.\d %', text)


def test_findings_failures_and_files_are_told(page: str) -> None:
    text = opened(page, naive())
    assert "Invalid __global__ read of size 4 bytes" in text
    assert "copy.cu:17" in text
    assert "profiles/copy.ncu-rep" in text
    assert "ERR_NVGPUCTRPERM" in page
    assert "4 launches in 4 runs" in text


def test_the_diagnosis_is_told_with_its_numbers(page: str) -> None:
    row, text = naive(), opened(page, naive())
    own = [kept.profile for kept in reversed(Profiles(of(ROWS)).of(row).fresh)]
    found = diagnose(row.result, own, synthetic.roofs())
    assert found.causes
    assert found.headline in unescape(page)
    assert found.held
    assert all(one.title in text and one.why in unescape(text) for one in found.held)
    for cause in found.causes:
        assert cause.title in unescape(text)
        assert cause.next in unescape(text)
        assert all(words.evidence(one) in unescape(text) for one in cause.evidence)


def test_what_nobody_could_judge_is_told_with_the_way_to_it(tmp_path: Path) -> None:
    """Nobody counted anything of this row."""
    (row,) = stored([one()])
    page = write_report([row], tmp_path, profiles=kept([sanitizer(row.result)])).read_text("utf-8")
    text, found = unescape(opened(page, row)), diagnose(row.result, [sanitizer(row.result)])
    assert found.missing
    for lack in found.missing:
        assert lack.title in text
        assert f"<code>{lack.how}</code>" in text
        assert all(counted.words(name) in text for name in lack.metrics)


def test_what_is_derived_from_counters_is_said_by_the_tool_that_counted(page: str) -> None:
    """Though another tool told something of the row, too."""
    assert "sectors per request 72 (ncu)" in opened(page, naive())


def test_the_timeline_is_drawn_where_one_was_traced(report: Path, page: str) -> None:
    assert "stream 13" in opened(page, naive())
    assert page.count("-timeline.png") == 1
    picture = imread(report.parent / f"model-gpu-1-profile-{naive().key}-timeline.png")
    assert picture.shape[1] == 748


def test_of_many_timelines_some_are_drawn_and_the_others_named(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row.result.config.kernel == "copy" and row.result.status == "ok"][:15]
    page = write_report(rows, tmp_path, profiles=kept([cupti(row.result) for row in rows])).read_text("utf-8")
    assert len(list(tmp_path.glob("*-timeline.png"))) == MOST_TIMELINES
    assert page.count("kbench timeline ") == len(rows) - MOST_TIMELINES


def test_a_profile_of_another_source_is_shown_as_such_alone(tmp_path: Path) -> None:
    (row,) = stored([one()])
    page = write_report([row], tmp_path, profiles=kept([ncu(row.result, source="another")])).read_text("utf-8")
    text = page[page.index('class="inside"') :]
    before, after = text.split("is of another version of this kernel", 1)
    assert "DRAM bytes read" not in before
    assert f"kbench profile {row.key} --tool ncu" in after
    assert "What ncu said of that version" in after
    assert "<dt>DRAM bytes read<" in after
    assert "traffic.png" not in page
    assert "ncu, one run" not in page


def test_a_row_that_crashed_opens_to_what_the_sanitizer_found(tmp_path: Path) -> None:
    crashed = synthetic.Model().bad(one().config, "crashed", "an illegal address")
    page = write_report(stored([crashed]), tmp_path, profiles=kept([sanitizer(crashed), cupti(crashed)])).read_text(
        "utf-8"
    )
    text = opened(page, stored([crashed])[0])
    assert "Invalid __global__ read of size 4 bytes" in text
    assert "copy.cu:17" in text
    assert list(tmp_path.glob("*-timeline.png"))
    assert not list(tmp_path.glob("*-traffic.png"))


def test_a_sanitizer_that_found_nothing_is_told(tmp_path: Path) -> None:
    (row,) = stored([one()])
    clean = msgspec.structs.replace(sanitizer(row.result), findings=())
    page = write_report([row], tmp_path, profiles=kept([clean])).read_text("utf-8")
    assert "compute-sanitizer 2025.3 found nothing" in opened(page, row)


def test_what_a_tool_says_is_escaped(tmp_path: Path) -> None:
    (row,) = stored([one()])
    bad = msgspec.structs.replace(ncu(row.result), status="failed", message=EVIL, raw=EVIL, version=EVIL)
    page = write_report([row], tmp_path, profiles=kept([bad])).read_text("utf-8")
    assert EVIL not in page
    assert "&lt;script&gt;document.title" in page


def test_it_stays_one_small_offline_file(report: Path, page: str) -> None:
    assert len(page) < 2_000_000
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    local = set(re.findall(r'href="([^"#]+\.(?:png|csv))"', page))
    assert local == {path.name for path in report.parent.iterdir()} - {"index.html"}
    assert {name for name in local if name.endswith("-traffic.png")} == {
        f"model-gpu-1-{kernel}-traffic.png" for kernel in ("copy", "transpose", "fma")
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_opening_a_row_shows_its_metrics(browser: Browser, report: Path, width: int, dark: bool) -> None:
    row = f'details.profile:has([id$="profile-{naive().key}"])'
    seen = f"document.querySelector('{row} .metrics dd').checkVisibility({{contentVisibilityAuto: true}})"
    with browser.page(report, width, dark=dark) as page:
        assert not page.run(f"document.querySelector('{row}').open")
        assert not page.run(seen)
        page.click(f"{row} > summary b")
        assert page.run(f"document.querySelector('{row}').open")
        assert page.run(seen)
        assert "DRAM bytes read" in page.run(f"document.querySelector('{row}').innerText")
        page.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert page.run("document.documentElement.scrollWidth") <= width
        right = "Math.max(...[...document.querySelectorAll('.metrics *')].map(e => e.getBoundingClientRect().right))"
        assert page.run(right) <= width
        pixels = imread(io.BytesIO(page.screenshot()))[:, :, :3]
        assert (float(pixels.mean()) < 0.4) == dark
        assert page.errors() == []


@pytest.mark.browser
def test_the_table_and_the_summary_lead_to_profiled_rows(browser: Browser, report: Path) -> None:
    profiles = Profiles(of(ROWS))
    with browser.page(report) as page:
        links = page.run("[...document.querySelectorAll('#table a.opens')].map(a => a.hash)")
        assert len(links) == sum(bool(profiles.of(row)) for row in ROWS)
        target = next(link for link in links if link.endswith(naive().key))
        assert not page.run(f"document.querySelector('{target}').closest('details').open")
        page.click(f"#table a[href='{target}']")
        assert page.run(f"document.querySelector('{target}').closest('details').open")
        assert page.run("document.querySelectorAll('.summary .why-link').length") > 0
        page.click("#find")
        page.type(f"copy.{naive().key}")  # what a profiler calls its range
        assert page.run("document.getElementById('shown').textContent") == f"2 of {len(ROWS)}"  # on both devices
        assert page.errors() == []


@pytest.mark.browser
def test_rows_open_without_a_script(browser: Browser, report: Path) -> None:
    row = f'details.profile:has([id$="profile-{naive().key}"])'
    with browser.page(report) as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.call("Page.reload")
        browser.events.clear()
        browser.wait("Page.loadEventFired")
        page.click(f"{row} > summary b")
        page.call("Emulation.setScriptExecutionDisabled", value=False)
        assert page.run(f"document.querySelector('{row}').open")
        assert page.run(f"document.querySelector('{row} .metrics dd').checkVisibility()")
