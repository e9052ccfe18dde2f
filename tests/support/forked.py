# SPDX-License-Identifier: Apache-2.0
"""A function in a process of its own, forked off this one, so that its start costs no import."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Forked:
    """`work` in a child, with pipes for its standard streams, and some environment variables of its own.

    It ends with the exit code that `work` returns, None being 0.
    """

    def __init__(self, work: Callable[[], int | None], **environment: str) -> None:
        pipes = [os.pipe() for _ in range(3)]
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _be(work, [pipes[0][0], pipes[1][1], pipes[2][1]], environment)
        for theirs in (pipes[0][0], pipes[1][1], pipes[2][1]):
            os.close(theirs)
        self.stdin = os.fdopen(pipes[0][1], "w", buffering=1)
        self.stdout, self.stderr = os.fdopen(pipes[1][0]), os.fdopen(pipes[2][0])
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the signal; None of one that runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self) -> int:
        """The same, at its end."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def communicate(self, **_: object) -> tuple[str, str]:
        """All that it still writes, at its end."""
        err: list[str] = []
        reading = threading.Thread(target=lambda: err.append(self.stderr.read()))
        reading.start()
        self.stdin.close()
        out = self.stdout.read()
        reading.join()
        self.stdout.close()
        self.stderr.close()
        self.wait()
        return out, err[0]

    def kill(self) -> None:
        """As the system does when memory is short."""
        os.kill(self.pid, signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _be(work: Callable[[], int | None], streams: list[int], environment: dict[str, str]) -> None:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # ends of the pipes of other such processes among them
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, buffering=1, closefd=False) for n, m in enumerate("rww"))
        os.environ.update(environment)
        code = work() or 0
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 -- a child has to end here
        traceback.print_exc()
    finally:
        os._exit(code)
