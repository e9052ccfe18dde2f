# SPDX-License-Identifier: Apache-2.0
"""From a source to image files in order of their paths, and how their annotations are read."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from boxwright.data.formats import coco, voc, yolo
from boxwright.data.formats.annotated import Listed
from boxwright.data.labels.findings import Finding
from boxwright.data.pixels.image_files import OTHER_PICTURES, SUFFIXES
from boxwright.data.splits import layout
from boxwright.data.splits.source import Source
from boxwright.errors import DataError
from boxwright.paths import is_folder, read_regular, shortened, why_unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARRAY_SUFFIX = ".npy"
PICTURES = SUFFIXES | {ARRAY_SUFFIX}
MOST_OTHERS, ONE_PICTURE_OF = 1_000_000, 20  # entries of a folder after which one in so many has to be a picture
MOST_LIST_BYTES, MOST_LINES = 1 << 28, 5_000_000
MOST_NAMED = 1000  # lines of a list that are named one by one
LEVELS_OF_A_VOC_LIST = 2  # SET/ImageSets/Main


class Entry(NamedTuple):
    """A path that a folder or a list, `place`, names; `line` is that of the list, 0 in a folder."""

    path: str
    place: Path
    line: int = 0


def listed(source: Source, split: str, clip_margin: float) -> Listed:
    """Every image of a source, sorted by path, each once.

    What is named and is no picture that is read comes back as findings.

    Raises DataError when there is no image.
    """
    if source.format == "coco":
        return _of_coco(source, clip_margin)
    files: dict[str, None] = {}
    findings: list[Finding] = []
    others: Counter[Path] = Counter()
    for entry in _entries(source):
        suffix = os.path.splitext(entry.path)[1].lower()  # noqa: PTH122 -- a path object for each of a million files is felt
        if suffix in PICTURES:
            files[entry.path] = None
        elif suffix in OTHER_PICTURES:
            text = f"pictures of type {suffix} are not read"
            findings.append(
                Finding(entry.path, None, "format", "warning", text, "image skipped", "Convert it to JPEG or PNG")
            )
        elif entry.line:
            others[entry.place] += 1
            if others[entry.place] <= MOST_NAMED:
                findings.append(_no_picture(entry))
    findings += [_no_more_pictures(place, count - MOST_NAMED) for place, count in others.items() if count > MOST_NAMED]
    if not files:
        places = ", ".join(shortened(str(place), layout.SHOWN_CHARACTERS) for place in (source.place, *source.more))
        raise DataError(f"split '{split}'", f"no images in {places}", layout.about_no_images(source, SUFFIXES))
    images = sorted(files)
    if source.format == "yolo":
        return Listed(images, findings, source.names, yolo.reader(source.label_of, clip_margin))
    names = source.names or voc.class_names(images, source.label_of)
    return Listed(
        images,
        findings,
        names,
        voc.reader({name: number for number, name in enumerate(names)}, source.label_of, clip_margin),
    )


def _no_more_pictures(place: Path, count: int) -> Finding:
    return Finding(
        str(place),
        None,
        "format",
        "warning",
        f"{count:,} more lines have no suffix of a picture",
        "image skipped",
        "Write one image path per line",
    )


def _no_picture(entry: Entry) -> Finding:
    """For a line of a list whose end is not that of a picture."""
    fix = f"Write the path of an image, with its suffix ({' '.join(sorted(SUFFIXES))})"
    text = f"'{shortened(os.path.basename(entry.path))}' has no suffix of a picture"  # noqa: PTH119 -- as above
    return Finding(str(entry.place), entry.line, "format", "warning", text, "image skipped", fix)


def _of_coco(source: Source, clip_margin: float) -> Listed:
    found = coco.read_coco(source.place)
    root = str(source.images)
    findings, files = [], []
    for name in found.images:
        if why := why_unusable(f"{root}/{name}"):
            shown = shortened(
                name.encode("utf-8", "replace").decode()
            )  # of the image, not of the JSON: it is the image that is skipped
            findings.append(
                Finding(
                    f"{root}/{shown}",
                    None,
                    "annotation",
                    "warning",
                    f"the file name {why}",
                    "image skipped",
                    "Correct 'file_name'",
                )
            )
        else:
            files.append(f"{root}/{name}")
    return Listed(sorted(files), findings, found.names, coco.reader(found, root, clip_margin))


def in_place(source: Source) -> list[str]:
    """What a source's folders and lists name, pictures or not."""
    return [entry.path for entry in _entries(source)]


def _entries(source: Source) -> Iterator[Entry]:
    for place in (source.place, *source.more):
        if is_folder(place):
            yield from (Entry(path, place) for path in _in_folder(place))
        else:
            yield from _in_list(source, place)


# -- folders


def _in_folder(folder: Path) -> list[str]:
    """Files and links to files with a suffix, at any depth.

    Links to folders are not followed: they may lead in a circle. Raises DataError.
    """
    _require_part_of_a_disk(folder)
    found: list[str] = []
    folders = [str(folder)]
    seen = pictures = 0
    while folders:
        try:
            with os.scandir(folders.pop()) as scanned:
                entries = list(scanned)
        except OSError:
            continue  # closed to us, or gone meanwhile: what nobody can look into holds no image that could be read
        for entry in entries:
            if _is_real_folder(entry):
                folders.append(entry.path)
            elif "." in entry.name and not (entry.is_symlink() and os.path.isdir(entry.path)):  # noqa: PTH112 -- pipes and circles of links are named later
                found.append(entry.path)
                pictures += entry.name[entry.name.rindex(".") :].lower() in PICTURES
        seen += len(entries)
        if seen > MOST_OTHERS and pictures * ONE_PICTURE_OF < seen:
            what = (
                f"of the first {seen:,} entries in it and below it, {pictures:,} are pictures: this is no folder "
                "of "
                "images"
            )
            raise DataError(str(folder), what, "Name the folder that holds the images")
    return found


def _require_part_of_a_disk(folder: Path) -> None:
    """Refuse what holds everything. Raises DataError."""
    whole = folder.resolve()
    if whole == whole.parent:
        raise DataError(
            str(folder),
            "is the root of the whole file system, and all of it is no data set",
            "Name the folder that holds the images",
        )


def _is_real_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


# -- lists


def _in_list(source: Source, file: Path) -> Iterator[Entry]:
    lines = _lines(file)
    if source.format == "voc" and not any("/" in line or "\\" in line for line in lines):
        if len(file.parents) <= LEVELS_OF_A_VOC_LIST:
            raise DataError(
                str(file), "is no list of a VOC data set, whose images lie in JPEGImages", "Put it into ImageSets/Main"
            )
        yield from (Entry(str(path), file) for path in voc.images_of_list(file, lines))
        return
    beside, root = str(file.parent), str(source.root)
    for number, line in enumerate(lines, 1):
        if path := line.strip():
            yield Entry(_joined(beside, path[2:]) if path.startswith("./") else _joined(root, path), file, number)


def _joined(folder: str, path: str) -> str:
    """`./` means beside the list, other paths are relative to the root, absolute ones stay."""
    return str(PurePath(folder, path))


def _too_large(file: Path) -> DataError:
    what = f"is larger than a list of {MOST_LINES:,} images can be"
    return DataError(str(file), what, "Divide it, or name the folder of the images")


def _lines(file: Path) -> list[str]:
    """The lines of a text file. Raises DataError for one that is none, or larger than any list."""
    try:
        content = read_regular(file, MOST_LIST_BYTES)
        text = content.decode("utf-8-sig")
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise _too_large(file) from None
        raise DataError(
            str(file), f"cannot be read ({(error.strerror or str(error)).lower()})", "Make the list readable"
        ) from None
    except UnicodeDecodeError:
        text = "\0"
    if content.count(b"\n") + content.count(b"\r") > MOST_LINES:
        raise _too_large(file)
    if "\0" in text:  # no path holds it, other encodings and binary files do
        raise DataError(
            str(file),
            "is not a text file with one image path per line",
            "Name a folder of images or a list file in UTF-8",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def listable(path: str) -> bool:
    """Whether a list file can hold this path and give it back: one line of text without blanks around it."""
    return (
        path.splitlines() == [path]
        and path.strip() == path
        and "\0" not in path
        and not any("\ud800" <= letter <= "\udfff" for letter in path)
    )
