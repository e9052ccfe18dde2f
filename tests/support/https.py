# SPDX-License-Identifier: Apache-2.0
"""A real https server on this machine, with a certificate of its own, that answers as it is told."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = Path(__file__).parents[1] / "data" / "loopback"


@contextlib.contextmanager
def serving(
    answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]],
) -> Iterator[tuple[str, list[str]]]:
    """The address of the server, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                answers[self.path](self)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(KEYS / "certificate.pem", KEYS / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def trust() -> ssl.SSLContext:
    """What trusts that server."""
    return ssl.create_default_context(cafile=KEYS / "certificate.pem")


def body(content: bytes, *, length: int | None = None, headers: dict[str, str] | None = None, status: int = 200):
    """An answer with this content."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if length != -1:
            handler.send_header("Content-Length", str(len(content) if length is None else length))
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer
