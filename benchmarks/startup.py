# SPDX-License-Identifier: Apache-2.0
"""Time to the first word: importing the package and asking for help, as a share of importing torch."""

from __future__ import annotations

import resource
import subprocess
import sys

from benchmarks.measure import Result, share_of


def run() -> list[Result]:
    torch_alone = _process("-c", "import torch")
    return [
        share_of(
            "boxwright --help / import torch",
            _process("-m", "boxwright", "--help"),
            torch_alone,
            goal=0.4,
            clock=_children,
        ),
        share_of(
            "boxwright schedule --help / import torch",
            _process("-m", "boxwright", "schedule", "--help"),
            torch_alone,
            goal=0.4,
            clock=_children,
        ),
        share_of(
            "import boxwright / import torch",
            _process("-c", "import boxwright"),
            torch_alone,
            goal=0.3,
            clock=_children,
        ),
    ]


def _process(*words: str):
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
