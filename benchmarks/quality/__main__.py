# SPDX-License-Identifier: Apache-2.0
"""`make quality`: train, keep the curves, draw them.

`python -m benchmarks.quality seed` runs what has that in its name.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import boxwright
from benchmarks.quality.cases import CASES, Case
from benchmarks.quality.curves import curves_figure, read_curve
from boxwright.system.files import write_image

FOLDER = Path(__file__).parent
CURVES = FOLDER / "curves"
ORIGINAL = FOLDER.parents[1] / "tests" / "data" / "golden" / "learning_curve_bccd_yolov5n_320_e60.csv"
TABLE = re.compile(r"(<!-- table -->\n).*?(\n<!-- end of table -->)", re.DOTALL)


def main(words: list[str]) -> int:
    source = Path(os.environ.get("BOXWRIGHT_DATA", "shared/data"))
    chosen = [case for case in CASES if all(word in case.name for word in words)]
    missing = sorted({case.data for case in chosen if not (source / case.data).is_dir()})
    if missing or not chosen:
        names = "; ".join(case.name for case in CASES)
        sys.stderr.write(
            f"error: {source}: there is no {', '.join(missing) or 'case of that name'}. Set BOXWRIGHT_DATA to a folder "
            f"of data sets; cases: {names}\n"
        )
        return 2
    for case in chosen:
        train(case, source / case.data)
    return show()


def train(case: Case, source: Path) -> None:
    """Train on a copy of the data, so that nothing is written beside the original, and keep the curve."""
    with tempfile.TemporaryDirectory() as place:
        data = shutil.copytree(source, Path(place) / case.data)
        settings = {"cache": "ram", **case.settings}
        found = boxwright.train(
            data=str(data / f"{case.data}.yaml"),
            project="runs/quality",
            name=curve_of(case).stem,
            exist_ok=True,
            **settings,
        )
    CURVES.mkdir(exist_ok=True)
    shutil.copyfile(found.folder / "results.csv", curve_of(case))


def curve_of(case: Case) -> Path:
    return CURVES / f"{re.sub('[^a-z0-9.]+', '-', case.name)}.csv"


def show() -> int:
    """Draw all curves that are kept and write the table; 1 when one is below its goal."""
    kept = [(case, read_curve(curve_of(case))) for case in CASES if curve_of(case).exists()]
    original = read_curve(ORIGINAL)
    write_image(FOLDER / "curves.png", curves_figure(original, {case.name: curve for case, curve in kept}))
    rows = [
        ("the original program, bccd, seed 0", original.best, None),
        *((case.name, curve.best, case.goal) for case, curve in kept),
    ]
    lines = [
        f"| {name} | {best[0]:.3f} | {best[1]:.3f} | {'' if goal is None else f'{goal[0]:.2f} / {goal[1]:.2f}'} |"
        for name, best, goal in rows
    ]
    table = "\n".join(["| training | mAP50 | mAP50-95 | goal |", "| --- | --- | --- | --- |", *lines])
    page = FOLDER / "README.md"
    page.write_text(TABLE.sub(lambda found: found[1] + table + found[2], page.read_text()))
    print(table)
    return int(
        any(
            case.goal is not None and min(b - g for b, g in zip(curve.best, case.goal, strict=True)) < 0
            for case, curve in kept
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
