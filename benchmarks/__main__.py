# SPDX-License-Identifier: Apache-2.0
"""`make bench`: run all or some (`python -m benchmarks averages startup`) and keep the figures beside this file."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks import (
    averages,
    drawing,
    full_step,
    head_and_loss,
    label_files,
    scanning,
    scores,
    several_processes,
    startup,
    suppression,
    validation,
)
from benchmarks.measure import Result

PARTS = {
    "head_and_loss": head_and_loss,
    "full_step": full_step,
    "averages": averages,
    "drawing": drawing,
    "label_files": label_files,
    "scanning": scanning,
    "suppression": suppression,
    "scores": scores,
    "validation": validation,
    "several_processes": several_processes,
    "startup": startup,
}
FOLDER = Path(__file__).parent
TABLE = re.compile(r"(<!-- table -->\n).*?(\n<!-- end of table -->)", re.DOTALL)


def main(words: list[str]) -> int:
    torch.set_num_threads(1)
    results = (
        {result.name: result for result in known_results()} if words else {}
    )  # of a whole run, nothing else is kept
    fresh = []
    for name in words or PARTS:
        for result in PARTS[name].run():
            print(line(result), flush=True)
            fresh.append(result)
    results |= {result.name: result for result in fresh}
    machine = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    (FOLDER / "results.json").write_text(
        json.dumps({"machine": machine, "results": [asdict(r) for r in results.values()]}, indent=1) + "\n"
    )
    page = FOLDER / "README.md"
    page.write_text(TABLE.sub(lambda found: found[1] + as_table(list(results.values())) + found[2], page.read_text()))
    return 0 if all(result.reached for result in fresh) else 1


def known_results() -> list[Result]:
    path = FOLDER / "results.json"
    return [Result(**item) for item in json.loads(path.read_text())["results"]] if path.exists() else []


def line(r: Result) -> str:
    return (
        f"{r.name:<52} {r.ratio:6.2f} ({r.low:.2f} to {r.high:.2f})  {goal(r)}  {'' if r.reached else 'below its goal'}"
    ).rstrip()


def goal(r: Result) -> str:
    return f"{'at most' if r.lower_is_better else 'at least'} {r.goal:g}"


def as_table(results: list[Result]) -> str:
    rows = [
        f"| {r.name} | {r.ours_ms:.1f} | {r.theirs_ms:.1f} | **{r.ratio:.2f}** ({r.low:.2f} to {r.high:.2f}) | "
        f"{goal(r)} |"
        for r in results
    ]
    return "\n".join(
        ["| what | ours, ms | other side, ms | ratio (range) | goal |", "| --- | --- | --- | --- | --- |", *rows]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
