# SPDX-License-Identifier: Apache-2.0
"""A process that keeps the decoded images of a set in memory.

It obeys the lines of its standard input and answers each in one line of JSON: `open`, `load` (every image), `close`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores import image_store as stores
from tests.support.forked import Forked

if TYPE_CHECKING:
    from pathlib import Path


class Sharer:
    """Such a process, asked line by line. Nothing is polled: it waits on its pipes, as we do on ours."""

    def __init__(self, yaml: Path, side: int = 64, **more: str) -> None:
        self.process = Forked(partial(_obey, yaml, side), **more)

    def __call__(self, word: str) -> dict[str, Any]:
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def kill(self) -> None:
        """As the system does when memory is short."""
        self.process.kill()
        self._gone()

    def end(self) -> None:
        """Let it end by itself."""
        self.process.stdin.close()
        assert self.process.wait() == 0
        self._gone()

    def _gone(self) -> None:
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


def _obey(yaml: Path, side: int) -> None:
    decoded: list[str] = []
    real = stores.read_bgr

    def counted(path: str) -> Any:
        decoded.append(path)
        return real(path)

    stores.read_bgr = counted
    index = open_split(read_dataset(yaml), "train")
    store = None
    for line in sys.stdin:
        match line.strip():
            case "open":
                store = stores.ImageStore(index, side, keep="memory", smooth=False)
                answer = {"unshared": store.unshared, "needed": store.bytes_needed(), "shared": store._file is not None}
            case "load":
                digest = hashlib.sha256()
                for image in range(len(index)):
                    digest.update(store(image).tobytes())
                answer = {"decoded": len(decoded), "digest": digest.hexdigest()}
                decoded.clear()
            case "close":
                store.close()
                answer = {}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
