# SPDX-License-Identifier: Apache-2.0
"""Real processes that are ranks of one world, on this machine, over the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from torch import distributed

ROOT = Path(__file__).parents[2]


@dataclass
class Ranks:
    """Processes that were started, and the store at which they meet, which this process keeps."""

    size: int
    attempt: int = 0
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    store: distributed.TCPStore = field(
        default_factory=lambda: distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    )

    def start(self, *words: str, cwd: Path | None = None, local_size: int | None = None, **more: str) -> Ranks:
        """Start `python WORDS` as every rank."""
        per_host = local_size or self.size
        for rank in range(self.size):
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
                "OMP_NUM_THREADS": "1",
                "RANK": str(rank),
                "WORLD_SIZE": str(self.size),
                "LOCAL_RANK": str(rank % per_host),
                "LOCAL_WORLD_SIZE": str(per_host),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(self.store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
                "TORCHELASTIC_RESTART_COUNT": str(self.attempt),
                **more,
            }
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, *words],
                    env=environment,
                    cwd=cwd,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        return self

    def done(self, timeout: float = 120) -> list[tuple[int, str, str]]:
        """Exit code, output and errors of each, when all have ended."""
        try:
            return [
                (process.returncode, out, err)
                for process in self.processes
                for out, err in [process.communicate(timeout=timeout)]
            ]
        finally:
            for process in self.processes:
                process.kill()
