# SPDX-License-Identifier: Apache-2.0
"""A camera on this machine: pictures over HTTP as network cameras send them, one part after the other."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
STEP = 8  # levels of grey from one picture to the next


def grey_picture(number: int, size_hw: tuple[int, int] = (48, 64)) -> bytes:
    """JPEG of one grey, by which its number can be told."""
    return cv2.imencode(".jpg", np.full((*size_hw, 3), min(number * STEP, 255), np.uint8))[1].tobytes()


def number_of(pixels: np.ndarray) -> int:
    """The number of a picture of `grey_picture`."""
    return round(float(pixels.mean()) / STEP)


class Camera:
    """Serves `pictures` to each connection; the first `lives` of them are served, later ones refused.

    `asked` are the paths that were asked for. A path /moved leads to the pictures by a redirect, /page is a text, and
    /list.m3u8 names another address.
    """

    def __init__(self, pictures: int = 6, lives: int = 1, first: int = 0) -> None:
        self.pictures, self.lives, self.first = pictures, lives, first
        self.asked: list[str] = []


@contextlib.contextmanager
def serving(camera: Camera) -> Iterator[str]:
    """The address of a camera."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            camera.asked.append(self.path)
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{server.server_address[1]}/video")
                self.end_headers()
                return
            if self.path == "/page":
                self._text(b"<html>no pictures</html>", "text/html")
                return
            if self.path == "/list.m3u8":
                part = f"http://127.0.0.1:{server.server_address[1]}/part.ts"
                text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{part}\n#EXT-X-ENDLIST\n"
                self._text(text.encode(), "application/vnd.apple.mpegurl")
                return
            if camera.lives <= 0:
                self.send_error(503)
                return
            camera.lives -= 1
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=next")
            self.end_headers()
            for number in range(camera.first, camera.first + camera.pictures):
                picture = grey_picture(number)
                self.wfile.write(PART % (len(picture), picture))

        def _text(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/video"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
