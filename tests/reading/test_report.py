"""The report is one file that needs nothing else, and works in a real browser."""

from __future__ import annotations

import csv
import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import synthetic
from browser import Browser, chromium
from matplotlib.image import imread
from synthetic import CPU, GPU, NOTES, Model, Traffic, config, stored

from kbench.errors import StoreError
from kbench.reading.report import write_report
from kbench.record.environment import collect
from kbench.record.store import Run

EVIL = "<script>document.title='owned'</script> & \"quotes\" </title><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over a GPU and the cpu device, about 400 rows, one of them with a hostile message."""
    rows = [*synthetic.sweep(GPU), *synthetic.sweep(CPU)]
    rows.append(Model().bad(config("fma", k=7, n=7, variant=EVIL, threads=256), "crashed", EVIL))
    environment = collect(GPU, ["kbench", "sweep", "--suite", "smoke"])
    run = Run(1, "2026-01-01T00:00:00.000Z", None, environment, NOTES)
    roofs = {device.uid: synthetic.roofs(device) for device in (GPU, CPU)}
    return write_report(stored(rows), tmp_path_factory.mktemp("report"), roofs, [run], NOTES)


def test_it_is_offline_and_small(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    address = r"""["']?(?:https?:)?//"""
    assert not re.search(rf"(?:src|href|action)\s*=\s*{address}|url\(\s*{address}|@import", page)
    local = set(re.findall(r'href="([^"#]+\.(?:png|csv))"', page))
    assert local
    assert local == {path.name for path in report.parent.iterdir()} - {"index.html"}


def test_ids_are_unique_and_anchors_lead_somewhere(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_the_summary_leads_to_the_reason_of_each_kind_of_failure(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    lead = page[page.index('<p class="lead">') : page.index("Written ")]
    links = re.findall(r'href="#([^"]+)"><b class="bad">', lead)
    assert len(links) == len(set(re.findall(r'class="badge (\w+)"', page)))
    for kernel in {link.removesuffix("-failed") for link in links}:
        part = page[page.index(f'class="kernel" id="{kernel}"') :]
        assert part.index('class="failures"') < part.index('class="charts"')


def test_noise_floors_and_uneven_bytes_are_told(tmp_path: Path) -> None:
    """A noisy best row at its clock's floor, beside one that declares eighty times the bytes."""
    one, other = (
        Model().ok(config("copy", n=4, variant=name), Traffic(size, size))
        for name, size in (("a", 2**20), ("b", 2**26))
    )
    assert one.measurement is not None
    wide = msgspec.structs.replace(one.measurement.summary, precision=0.3)
    one = msgspec.structs.replace(one, measurement=msgspec.structs.replace(one.measurement, summary=wide, floor_s=1.0))
    marks = ("±30.00 % ~", " ‡", "~</abbr>", "Not all rows declare the same bytes")
    page = write_report(stored([one, other]), tmp_path / "a").read_text(encoding="utf-8")
    assert [mark for mark in marks if mark not in page.replace("\\u00b1", "±").replace("\\u2021", "‡")] == []
    still = write_report(stored([other]), tmp_path / "b").read_text(encoding="utf-8")
    assert not any(mark in still for mark in ("% ~", "~</abbr>", marks[3]))


def test_messages_are_escaped(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert "<script>document.title" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;document.title" in page


def test_it_says_what_a_reader_needs(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    for words in (
        NOTES["copy"].doc, "2 n itemsize", "cpu (emulated)", "kbench sweep --suite smoke", "rows must be a multiple of",
        "GPU-00000000", "4800 GB/s", "700 W", "ended early", "fma.cu(12): error",
    ):  # fmt: skip
        assert words in page, words


def test_results_csv_holds_every_row(report: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((report.parent / "results.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 213 + 189 + 1


def test_two_hundred_rows_are_quick(tmp_path: Path) -> None:
    rows = stored(synthetic.sweep())
    begun = time.process_time()
    write_report(rows, tmp_path, {GPU.uid: synthetic.roofs()}, [], NOTES)
    assert time.process_time() - begun < 15


def test_a_second_report_replaces_our_charts_and_nothing_else(tmp_path: Path) -> None:
    write_report(stored(synthetic.sweep()), tmp_path)
    assert (tmp_path / "copy-size-1.png").exists()
    own = tmp_path / "mine-size-1.png"
    own.write_bytes(b"not from here")
    write_report(stored(list(synthetic.fma(Model()))), tmp_path)
    assert not (tmp_path / "copy-size-1.png").exists()
    assert (tmp_path / "fma-size-1.png").exists()
    assert own.read_bytes() == b"not from here"


def test_an_empty_store_gives_a_page_that_says_so(tmp_path: Path) -> None:
    page = write_report([], tmp_path / "new" / "folder").read_text(encoding="utf-8")
    assert "No results yet" in page
    assert "kbench sweep" in page


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--output"):
        write_report(stored(synthetic.sweep()[:3]), tmp_path / "file")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def visible(name: str) -> str:
    """A script for one column of the rows that are shown, as text."""
    return f"""(() => {{
        const heads = [...document.querySelectorAll('#table th')].map(h => h.textContent.trim());
        const at = heads.indexOf({name!r});
        return [...document.querySelectorAll('#table tbody tr:not([hidden])')].map(r => r.cells[at].textContent.trim());
    }})()"""


def head(name: str) -> str:
    return f"[...document.querySelectorAll('#table th')].find(h => h.textContent.trim() === {name!r})"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_it_opens_without_complaint(browser: Browser, report: Path, width: int, dark: bool) -> None:
    with browser.page(report, width, dark=dark) as page:
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.title") == "kbench report: Model GPU, cpu (emulated)"
        pixels = imread(io.BytesIO(page.screenshot()))[:, :, :3]
        assert pixels.shape[1] == width
        assert float(pixels.std()) > 0.05
        assert (float(pixels.mean()) < 0.4) == dark
        blank = page.run(
            "[...document.querySelectorAll('.canvas svg')].filter(s => s.getBoundingClientRect().height < 80).length"
        )
        assert blank == 0
        assert page.errors() == []
        assert page.requests() == [report.absolute().as_uri()]


@pytest.mark.browser
def test_the_drawn_table_has_every_row_under_its_id(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        drawn = page.run("[...document.querySelectorAll('#table tbody tr')].map(row => row.dataset.config)")
    rows = [*synthetic.sweep(GPU), *synthetic.sweep(CPU)]
    ids = [row.config.id for row in rows] + [config("fma", k=7, n=7, variant=EVIL, threads=256).id]
    assert sorted(drawn) == sorted(ids)


@pytest.mark.browser
def test_without_scripts_the_page_says_where_the_rows_are(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.call("Page.reload")
        browser.events.clear()
        browser.wait("Page.loadEventFired")
        page.call("Emulation.setScriptExecutionDisabled", value=False)
        assert "results.csv" in page.run("document.querySelector('noscript').innerText")


@pytest.mark.browser
def test_filters_narrow_the_table(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        every = len(page.run(visible("kernel")))
        assert every == 403
        page.click("#find")
        page.type("UINT4 float16 2²⁹ Model")
        assert set(page.run(visible("kernel"))) == {"copy"}
        assert page.run("document.getElementById('shown').textContent") == "3 of 403"
        page.run("document.getElementById('find').value = ''")
        page.type("n=536870912")  # the id's spelling finds rows too
        assert len(page.run(visible("kernel"))) == 2 * 13
        page.run("document.getElementById('find').value = ''")
        for menu, value, count in (
            ("status", "build_failed", 2),
            ("kernel", "fma", 2),
            ("device", "cpu (emulated)", 1),
        ):
            script = f"""(() => {{ const m = document.querySelector('[data-filter={menu}]'); m.value = {value!r};
                m.dispatchEvent(new Event('change')); }})()"""
            page.run(script)
            assert len(page.run(visible("kernel"))) == count
        assert page.errors() == []


@pytest.mark.browser
def test_sorting_by_mouse_and_keyboard(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        page.run(f"{head('GB/s')}.firstElementChild.id = 'rate'")
        page.click("#rate")
        assert page.run(f"{head('GB/s')}.getAttribute('aria-sort')") == "descending"
        rates = [float(text) for text in page.run(visible("GB/s")) if text != "–"]
        assert len(rates) > 390
        assert rates == sorted(rates, reverse=True)
        assert page.run(visible("GB/s"))[-1] == "–"  # what has no value comes last, either way
        page.run("document.getElementById('rate').focus()")
        page.press("Enter", 13)
        assert page.run(f"{head('GB/s')}.getAttribute('aria-sort')") == "ascending"
        rates = [float(text) for text in page.run(visible("GB/s")) if text != "–"]
        assert rates == sorted(rates)
        page.run(f"{head('time (Hodges-Lehmann)')}.firstElementChild.click()")
        scale = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
        words = [text.split()[:2] for text in page.run(visible("time (Hodges-Lehmann)")) if text != "–"]
        assert len({unit for _, unit in words}) > 1
        times = [float(value) * scale[unit] for value, unit in words]
        assert times == sorted(times)
        page.run(f"{head('kernel')}.firstElementChild.click()")
        kernels = page.run(visible("kernel"))
        assert kernels == sorted(kernels)
        assert page.run(f"{head('GB/s')}.getAttribute('aria-sort')") == "none"
        assert page.errors() == []


@pytest.mark.browser
def test_points_tell_and_legends_switch(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        figure = "figure:has(#model-gpu-1-copy-size-1-title)"
        assert page.run("document.getElementById('tip').hidden")
        page.hover(f"{figure} circle.hit")
        tip = page.run("document.getElementById('tip').innerText")
        assert "GB/s" in tip
        assert "% of roof" in tip
        parts = f"[...document.querySelectorAll('{figure} [data-s=\"0\"]')]"
        shown = f"{parts}.filter(e => getComputedStyle(e).display !== 'none').length"
        before = page.run(shown)
        assert before > 1
        page.click(f"{figure} .legend button")
        assert page.run(shown) == 0
        assert page.run(f"document.querySelector('{figure} .legend button').getAttribute('aria-pressed')") == "false"
        page.click(f"{figure} .legend button")
        assert page.run(shown) == before
        assert page.errors() == []


@pytest.mark.browser
def test_smaller_problems_and_the_theme(browser: Browser, report: Path) -> None:
    with browser.page(report) as page:
        count = "[...document.querySelectorAll('.summary tr')].filter(r => r.offsetHeight).length"
        before = page.run(count)
        page.click("[data-expand]")
        assert page.run(count) > before
        light = page.run("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        assert page.run("getComputedStyle(document.body).backgroundColor") != light


@pytest.mark.browser
def test_it_prints(browser: Browser, report: Path) -> None:
    with browser.page(report, 1030, dark=True) as page:
        page.call("Emulation.setEmulatedMedia", media="print")
        assert page.run("document.documentElement.scrollWidth") <= 1030  # A4 across, less its margins, in CSS pixels
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.run("getComputedStyle(document.querySelector('.top')).display") == "none"
        assert page.run("[...document.querySelectorAll('.summary tr.more')].every(r => r.offsetHeight > 0)")
        box = "document.querySelector('#results .scroll')"
        assert page.run(f"{box}.scrollHeight - {box}.clientHeight") <= 1
        document = page.call("Page.printToPDF", printBackground=True)["data"]
        assert len(document) > 50_000


def test_without_a_browser_ci_fails_and_a_user_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Chromium"), chromium():
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Chromium"), chromium():
        pass
