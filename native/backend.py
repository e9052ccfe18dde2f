# SPDX-License-Identifier: Apache-2.0
"""The build backend: scikit-build-core, with editable installs as a plain path.

Its own editable install puts a finder before every other import, so that the tree it was installed from wins over one
that is named by PYTHONPATH, and each start of Python pays for it. A line in a .pth file does neither.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from scikit_build_core import build
from scikit_build_core.build import (
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

FINDER = "_editable_skbc_"


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the library into the tree and a wheel that holds the path of the tree."""
    name = build.build_editable(wheel_directory, config_settings, metadata_directory)
    file = Path(wheel_directory) / name
    with zipfile.ZipFile(file) as wheel:
        contents = {entry: wheel.read(entry) for entry in wheel.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        for entry, content in contents.items():
            if entry.startswith(FINDER) and entry.endswith(".py"):
                continue
            lines = content.splitlines(keepends=True)
            if entry.startswith(FINDER):
                lines = [line for line in lines if not line.startswith(b"import ")]
            if entry.endswith("/RECORD"):  # what is not as recorded any more
                lines = [line for line in lines if not line.startswith(FINDER.encode())]
                lines += [
                    f"{other},,\n".encode()
                    for other in contents
                    if other.startswith(FINDER) and not other.endswith(".py")
                ]
            wheel.writestr(entry, b"".join(lines))
    return name
