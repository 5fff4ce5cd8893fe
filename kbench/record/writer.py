"""Results on their way into a store, in a thread of their own: the next measurement does not wait for the disk."""

from __future__ import annotations

import queue
import threading
from types import TracebackType

from kbench.experiment.result import Result
from kbench.record.store import Store

BEHIND = 64
"""Results that may be waiting at most; `add` waits for the disk beyond that."""


class Writer:
    """Adds to one run of a store, each result in a transaction of its own, in the order given. Leaving it as a context
    manager waits for all; what the store raises comes out of `add` or at the end.

    kept: how many are stored. unfit: the rows that took the place of results which the store cannot keep.
    """

    def __init__(self, store: Store, run: int) -> None:
        self.kept = 0
        self.unfit: list[Result] = []
        self._store, self._run = store, run
        self._waiting: queue.Queue[tuple[Result, str] | None] = queue.Queue(BEHIND)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="kbench-writer")
        self._thread.start()

    def add(self, result: Result, key: str) -> None:
        """Raises StoreError where an earlier result could not be stored."""
        self._raise()
        self._waiting.put((result, key))

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    stored = self._store.add(self._run, *item)
                    self.kept += 1
                    if stored is not item[0]:
                        self.unfit.append(stored)
                except BaseException as error:  # raised in the caller's thread
                    self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if error is None:
            self._raise()
