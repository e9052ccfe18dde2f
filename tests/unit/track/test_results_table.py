# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from boxwright.track.events import RESULT_KEYS, EpochEnded, Told
from boxwright.track.sinks.results_table import CsvTable, header, read, row

FILE = Path("results.csv")


def ended(epoch: int, **values: float | None) -> EpochEnded:
    results = {key: 0.123456789 * (i + 1) + epoch for i, key in enumerate(RESULT_KEYS)}
    return EpochEnded(epoch, 20, results | values, 0.5, 0.5, epoch, 0.0, 1.0)


def written(epochs: int) -> list[str]:
    table = CsvTable(FILE)
    for epoch in range(epochs):
        table.handle(ended(epoch))
    table.handle(Told("no row"))
    table.close()
    return FILE.read_text().splitlines()


def test_a_row_has_five_digits_in_cells_of_twenty():
    assert header().split(",")[:2] == ["               epoch", "      train/box_loss"]
    cells = row(ended(3)).split(",")
    assert len(cells) == len(header().split(",")) == 14
    assert {len(cell) for cell in cells} == {20}
    assert cells[:2] == [f"{3:>20}", f"{'3.1235':>20}"]


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-12, -1.2345e-300, 1.7e308, 123456.7, float("nan")])
def test_any_number_fits_its_cell_and_reads_back(value):
    cell = row(ended(0, **{RESULT_KEYS[0]: value})).split(",")[1]
    assert len(cell) == 20
    assert float(cell) == pytest.approx(value, rel=1e-4, nan_ok=True)


def test_what_was_not_measured_is_empty_and_reads_back_as_nothing():
    CsvTable(FILE).handle(ended(0, **{"metrics/recall": None}))
    columns = read(FILE)
    assert columns["metrics/recall"] == [None]
    assert columns["metrics/precision"] != [None]


def test_the_table_reads_back_column_by_column():
    assert len(written(3)) == 4
    columns = read(FILE)
    assert list(columns) == ["epoch", *RESULT_KEYS]
    assert columns["epoch"] == [0.0, 1.0, 2.0]
    assert columns["x/lr2"] == pytest.approx([0.123456789 * 13 + epoch for epoch in range(3)], rel=1e-4)


def test_the_rows_that_a_run_has_behind_it_come_first_and_what_else_stood_there_goes():
    lines = written(12)
    FILE.write_text("\n".join([*lines, row(ended(12))[:100]]))
    table = CsvTable(FILE, [ended(epoch) for epoch in range(11)])
    assert FILE.read_text().splitlines() == lines[:12]
    table.handle(ended(11))
    assert FILE.read_text().splitlines() == lines


def test_a_run_with_nothing_behind_it_leaves_no_old_row():
    written(3)
    CsvTable(FILE)
    assert FILE.read_text() == header() + "\n"
