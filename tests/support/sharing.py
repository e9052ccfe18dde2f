# SPDX-License-Identifier: Apache-2.0
"""A process that keeps the decoded images of a set in memory: `python -m tests.support.sharing YAML SIDE`.

It obeys the lines of its standard input and answers each in one line of JSON: `open`, `load` (every image), `close`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.processes import environment

ROOT = Path(__file__).parents[2]


class Sharer:
    """Such a process, asked line by line. Nothing is polled: it waits on its pipes, as we do on ours."""

    def __init__(self, yaml: Path, side: int = 64, **more: str) -> None:
        command = [sys.executable, "-m", "tests.support.sharing", str(yaml), str(side)]
        environ = {**environment(), **more}
        environ["PYTHONPATH"] = os.pathsep.join([environ["PYTHONPATH"], str(ROOT)])
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
        )

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


def main(yaml: str, side: str) -> None:
    """Obey."""
    from boxwright.data.splits.dataset import read_dataset  # noqa: PLC0415
    from boxwright.data.splits.open_split import open_split  # noqa: PLC0415
    from boxwright.data.stores import image_store as stores  # noqa: PLC0415 -- the tests themselves need none of it

    decoded: list[str] = []
    real = stores.read_bgr

    def counted(path: str) -> Any:
        decoded.append(path)
        return real(path)

    stores.read_bgr = counted
    index = open_split(read_dataset(Path(yaml)), "train")
    store = None
    for line in sys.stdin:
        match line.strip():
            case "open":
                store = stores.ImageStore(index, int(side), keep="memory", smooth=False)
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


if __name__ == "__main__":
    main(*sys.argv[1:])
