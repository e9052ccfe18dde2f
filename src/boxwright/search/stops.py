# SPDX-License-Identifier: Apache-2.0
"""Stops of a study: who sees the reason first writes it down, and so all workers agree. A later start may lift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.errors import UserError
from boxwright.search.results import create
from boxwright.search.sealed import DamagedError, LiftRecord, Record, StopRecord, lift_in, sealed, stop_in
from boxwright.search.store import Store
from boxwright.search.study_files import lift_file, stop_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Stops:
    """The stop in force, if there is one. Stops are numbered, each may be lifted once, and nothing is removed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 1
        self._stop: StopRecord | None = None
        self.excused: frozenset[str] = frozenset()  # jobs whose failures do not count any more

    def look(self) -> StopRecord | None:
        """The stop in force. Raises UserError for a damaged file."""
        while True:
            self._stop = self._stop or self._read(stop_file(self._number), stop_in)
            lift = None if self._stop is None else self._read(lift_file(self._number), lift_in)
            if lift is None:
                return self._stop
            self._number, self._stop = self._number + 1, None
            self.excused |= frozenset(lift.excused)

    def declare(self, stop: StopRecord) -> StopRecord | None:
        """Stop the study, unless somebody has just done so; the stop in force then. Raises UserError."""
        if create(self._store, stop_file(self._number), sealed(stop)):
            self._stop = stop
        return self.look()

    def lift(self, worker: str, failed: Iterable[str]) -> StopRecord | None:
        """Let the study go on; the stop that was in force. Failures known now are not counted again."""
        stop = self.look()
        if stop is not None:
            create(self._store, lift_file(self._number), sealed(LiftRecord(worker, tuple(sorted(failed)))))
            self.look()
        return stop

    def _read(self, name: str, parse: Callable[[bytes], Record]) -> Record | None:
        content = self._store.read(name)
        try:
            return None if content is None else parse(content)
        except DamagedError as error:
            raise UserError(f"{self._store}/{name}", str(error), "Remove it: the study goes on") from None
