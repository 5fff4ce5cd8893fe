"""The writer keeps the order, tells of the store's errors, and waits for what is still to be written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic

from kbench.errors import StoreError
from kbench.experiment.result import Result
from kbench.record.environment import collect
from kbench.record.store import Store
from kbench.record.writer import BEHIND, Writer

ROWS = synthetic.sweep()[:100]


def test_everything_is_there_in_order_when_it_is_left(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect(synthetic.GPU))
        with Writer(store, run) as writer:
            for row in ROWS:
                writer.add(row, row.config.digest[:8])
        assert writer.kept == len(ROWS)
        assert [stored.result for stored in store.latest()] == ROWS


def write(store: Any, run: int, rows: list[Result], then: Callable[[Writer], None] = lambda writer: None) -> Writer:
    with Writer(store, run) as writer:
        for row in rows:
            writer.add(row, "key")
        then(writer)
    return writer


def test_what_was_given_before_an_interruption_is_kept(tmp_path: Path) -> None:
    def interrupt(writer: Writer) -> None:
        raise KeyboardInterrupt

    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect(synthetic.GPU))
        with pytest.raises(KeyboardInterrupt):
            write(store, run, ROWS[:7], interrupt)
        assert len(store.latest()) == 7


class Broken:
    """A store whose disk is full after three rows; slow, until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.rows = 0

    def add(self, run: int, result: Any, key: str) -> None:
        self.go.wait(10)
        if self.rows == 3:
            raise StoreError("the disk is full")
        self.rows += 1


def test_a_store_that_fails_is_told_of_and_nothing_is_written_after_that() -> None:
    broken = Broken()
    broken.go.set()
    with pytest.raises(StoreError, match="the disk is full"):
        write(broken, 1, ROWS)
    assert broken.rows == 3


def test_the_caller_does_not_wait_for_the_disk() -> None:
    broken, kept = Broken(), []

    def look(writer: Writer) -> None:
        kept.append(writer.kept)
        broken.go.set()

    with pytest.raises(StoreError):
        write(broken, 1, ROWS[:BEHIND], look)
    assert kept == [0]
