# SPDX-License-Identifier: Apache-2.0
"""A real MLflow server of this machine, and an address at which nobody answers. For `make test-trackers`."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
UP_S = 120.0  # that the server may take to come up, on a machine that has other work


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """Its address, while it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["server", "--host", HOST, "--port", str(port), "--workers", "1"]
    words += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "kept"),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await(port, process)
        yield f"http://{HOST}:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + UP_S
    while time.monotonic() < until and process.poll() is None:
        answers = contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=5))
        with contextlib.suppress(OSError), answers as connection:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        threading.Event().wait(0.2)
    raise AssertionError("the server did not come up")


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes every connection and never says a word."""
    kept: list[socket.socket] = []
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(64)

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for one in kept:
                one.close()
