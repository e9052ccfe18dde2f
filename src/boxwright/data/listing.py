# SPDX-License-Identifier: Apache-2.0
"""From the sources of a split to image files in order of their paths, and from an image to its label file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.data.findings import Finding
from boxwright.data.images import OTHER_PICTURES, SUFFIXES
from boxwright.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def image_files(sources: tuple[Path, ...], root: Path, split: str) -> tuple[list[str], list[Finding]]:
    """Every image of a split, sorted by path, each once; pictures of other formats come back as findings."""
    files: dict[str, None] = {}
    findings: list[Finding] = []
    for source in sources:
        found = _in_folder(source) if source.is_dir() else _in_list(source, root)
        for path in found:
            suffix = path.suffix.lower()
            if suffix in SUFFIXES:
                files[str(path)] = None
            elif suffix in OTHER_PICTURES:
                text = f"pictures of type {suffix} are not read"
                findings.append(Finding(str(path), None, "format", "warning", text, "image skipped", "Convert it to JPEG or PNG"))
    if not files:
        places = ", ".join(map(str, sources))
        raise DataError(f"split '{split}'", f"no images in {places}", f"Put images there ({' '.join(sorted(SUFFIXES))}), or correct the path")
    return sorted(files), findings


def _in_folder(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix and (path.is_symlink() or path.is_file()) and not path.is_dir()]


def _in_list(file: Path, root: Path) -> list[Path]:
    """Paths from a text file: `./` means beside the file, others are relative to the root, absolute ones stay."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(str(file), f"cannot be read ({(error.strerror or str(error)).lower()})", "Make the list readable") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no path holds it, other encodings and binary files do
        raise DataError(str(file), "is not a text file with one image path per line", "Name a folder of images or a list file in UTF-8")
    paths = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("./"):
            paths.append(file.parent / line[2:])
        elif line:
            paths.append(root / line)
    return paths


def label_file(image: str) -> str:
    """The label file of an image: the last `/images/` of its path becomes `/labels/`, its suffix `.txt`."""
    before, found, after = image.rpartition("/images/")
    moved = f"{before}/labels/{after}" if found else image
    return f"{moved.rpartition('.')[0]}.txt"
