# SPDX-License-Identifier: Apache-2.0
"""Real servers of S3 and of Google Cloud Storage on this machine, each a process of its own, and a proxy that fails."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
KEYS = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# In a process of its own: here sockets are forbidden until a test says that it needs them.
FREE_PORT = f"import socket; s = socket.socket(); s.bind(('{LOOPBACK}', 0)); print(s.getsockname()[1])"
S3_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message><RequestId>1</RequestId></Error>"
REFUSALS = {  # what S3 says, with 403
    "wrong key": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "clock": ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    "denied": ("AccessDenied", "Access Denied"),
}


@contextlib.contextmanager
def s3_server() -> Iterator[int]:
    """The port of a server of S3 without buckets."""
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", "0"]
    with _process(command, "Running on") as line:
        yield int(line.rsplit(":", 1)[1])


@contextlib.contextmanager
def gcs_server(bucket: str) -> Iterator[int]:
    """The port of a server of Google Cloud Storage with one bucket."""
    port = subprocess.run([sys.executable, "-c", FREE_PORT], check=True, capture_output=True, text=True).stdout.strip()
    program = str(Path(sys.executable).with_name("gcp-storage-emulator"))
    words = ["start", "--host", LOOPBACK, "--port", port, "--in-memory", "--default-bucket", bucket]
    with _process([sys.executable, program, *words], "services started"):
        yield int(port)


@contextlib.contextmanager
def _process(command: list[str], ready: str) -> Iterator[str]:
    """A server, from the line on that says so."""
    environment = {**os.environ, **KEYS, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:
        try:
            line = next(line for line in process.stdout if ready in line)
            drain = threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True)
            drain.start()
            yield line
        finally:
            process.kill()
        drain.join()


class Proxy:
    """Hands requests on, counts them, and fails as `mode` says.

    "": it does not. "500", "cut" (in the middle of a body), "silent" (never answers), "gone" (closes at once), and the
    words of REFUSALS. `only`: methods for which that is so; `times`: how often, after which it works again.
    """

    def __init__(self, target: int) -> None:
        self.target, self.mode, self.only, self.times = target, "", ("GET", "PUT", "POST", "HEAD", "DELETE"), -1
        self.asked: list[str] = []
        self._over = threading.Event()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    proxy.answer(self)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        for verb in ("PUT", "POST", "HEAD", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.do_GET)
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.handle_error = lambda *_words: None  # whoever asked was killed
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(
        self, mode: str, only: tuple[str, ...] = ("GET", "PUT", "POST", "HEAD", "DELETE"), times: int = -1
    ) -> None:
        self.only, self.times, self.mode = only, times, mode

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        body = _body(handler)
        mode = self.mode if handler.command in self.only and self.times != 0 else ""
        if mode:
            self.times -= 1
        if mode == "silent":
            self._over.wait()
        if mode in {"gone", "silent"}:
            handler.close_connection = True
            return
        if mode == "500" or mode in REFUSALS:
            code, text = REFUSALS.get(mode, ("InternalError", "We encountered an internal error. Please try again."))
            self._say(handler, 403 if mode in REFUSALS else 500, S3_ERROR.format(code=code, text=text).encode())
            return
        connection = http.client.HTTPConnection(LOOPBACK, self.target, timeout=60)
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in {"expect", "connection"}
        }
        connection.request(handler.command, handler.path, body, headers)
        found = connection.getresponse()
        content = found.read()
        connection.close()
        self._say(handler, found.status, content, dict(found.getheaders()), cut=mode == "cut")

    @staticmethod
    def _say(handler, status: int, content: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        handler.send_response(status)
        left_out = {"transfer-encoding", "connection", "date", "server"}
        for name, value in (headers or {"Content-Type": "application/xml"}).items():
            if name.lower() not in left_out | (set() if handler.command == "HEAD" else {"content-length"}):
                handler.send_header(name, value)
        if handler.command != "HEAD":
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            handler.close_connection = True


def _body(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    found = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        found += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    del handler.headers["Transfer-Encoding"]
    return found
