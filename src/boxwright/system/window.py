# SPDX-License-Identifier: Apache-2.0
"""A window that shows one picture after the other, made by Tk, which comes with most Pythons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np

LARGEST_SHARE = 0.9  # of the screen


class NoWindowError(Exception):
    """No window can be opened here; the text says why."""


class Window:
    """Shows pictures until it is closed or q is pressed. Raises NoWindowError where there is no display."""

    def __init__(self, title: str) -> None:
        try:
            import tkinter as tk  # noqa: PLC0415 -- some Pythons come without it

            from PIL import ImageTk  # noqa: PLC0415 -- the same
        except ImportError as error:
            raise NoWindowError(f"this Python has no Tk ({error})") from None
        try:
            self._root = tk.Tk()
        except tk.TclError as error:
            raise NoWindowError(" ".join(str(error).split())) from None
        self._photo = ImageTk.PhotoImage
        self._root.title(title)
        self._label = tk.Label(self._root)
        self._label.pack()
        self.is_open = True
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        self._root.bind("q", lambda _pressed: self.close())

    def show(self, image_rgb: np.ndarray) -> None:
        """Show a picture, smaller where the screen is. (H, W, 3) uint8"""
        if not self.is_open:
            return
        picture = Image.fromarray(image_rgb)
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        picture.thumbnail((int(screen[0] * LARGEST_SHARE), int(screen[1] * LARGEST_SHARE)))
        self._shown = self._photo(picture, master=self._root)  # Tk itself does not keep it
        self._label.configure(image=self._shown)
        self._root.update()

    def close(self) -> None:
        """Close it."""
        if self.is_open:
            self.is_open = False
            self._root.destroy()
