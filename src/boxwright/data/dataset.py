# SPDX-License-Identifier: Apache-2.0
"""The data set YAML: where the splits are and what the classes are called. It is data; nothing in it is ever run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxwright.documents import Document, read_yaml
from boxwright.errors import DataError, nearest, printable
from boxwright.system.places import data_folder

SPLITS = ("train", "val", "test")
KNOWN_KEYS = {"path", "train", "val", "test", "names", "nc", "download"}
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Dataset:
    """What the YAML says, with every path found. `sources` holds folders, list files and JSON or XML entries of each split."""

    file: Path
    root: Path
    sources: dict[str, tuple[Path, ...]]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.names)


def read_dataset(file: Path, *, needed: tuple[str, ...] = ("train", "val")) -> Dataset:
    """Read a data set YAML and find its splits. Raises DataError with every path tried."""
    if file.is_dir():
        raise DataError(f"--data {file}", "is a folder", "Give the data set YAML that names its splits and classes")
    if not file.is_file():
        near = _nearby(file)
        raise DataError(f"--data {file}", "there is no such file", f"{near}Give the path of a data set YAML, or --data sample to try the program")
    document = read_yaml(file)
    raw = document.mapping()
    names = _names(document, raw)
    root, tried = _root(document, raw)
    sources = {split: _split(document, raw, split, root, tried) for split in SPLITS if raw.get(split) or split in needed}
    notes = tuple(_note(document, key) for key in raw if key not in KNOWN_KEYS and nearest(str(key), KNOWN_KEYS))
    return Dataset(file, root, sources, names, notes)


def _note(document: Document, key: str) -> str:
    return f"{document.place(key)}: key '{key}' has no effect; did you mean '{nearest(str(key), KNOWN_KEYS)}'?"


def _nearby(file: Path) -> str:
    folder = file.parent if file.parent.is_dir() else Path()
    near = nearest(file.name, (path.name for path in folder.glob("*.y*ml")))
    return f"Did you mean '{folder / near}'? " if near else ""


# -- classes


def _names(document: Document, raw: dict[str, Any]) -> tuple[str, ...]:
    listed = raw.get("names")
    count = raw.get("nc")
    if "names" not in raw or listed is None:
        raise DataError(document.place("names"), "the classes have no names", "Add 'names:' with one name per class")
    if isinstance(listed, dict):
        names = _from_mapping(document, listed)
    elif isinstance(listed, list) and listed:
        names = tuple(document.texts.get(("names", i), str(name)) for i, name in enumerate(listed))
    else:
        raise DataError(document.place("names"), f"names are {listed!r}", "Give a list of names, or 'number: name' lines")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count != len(names)):
        raise DataError(document.place("nc"), f"nc is {count!r}, but names lists {len(names)}", "Make them agree, or leave nc out")
    return names


def _from_mapping(document: Document, listed: dict[Any, Any]) -> tuple[str, ...]:
    numbers = {key for key in listed if isinstance(key, int)}
    if len(numbers) != len(listed) or not numbers:
        odd = next((key for key in listed if not isinstance(key, int)), "")
        raise DataError(document.place("names"), f"'{odd}' is no class number", "Write 'number: name' lines, numbered from 0")
    missing = [number for number in range(max(numbers) + 1) if number not in numbers]
    if missing or min(numbers) < 0:
        raise DataError(
            document.place("names"), f"names has no class {missing[0] if missing else min(numbers)}", f"Number the {len(numbers)} classes from 0 without gaps"
        )
    return tuple(document.texts.get(("names", number), str(listed[number])) for number in sorted(numbers))


# -- folders


def _root(document: Document, raw: dict[str, Any]) -> tuple[Path, list[Path]]:
    """The first place that exists: beside the YAML, in the working folder, in the data folder. And all that were tried."""
    home = Path(document.name).resolve().parent
    stated = document.texts.get(("path",), "") or "."
    bases = [home, Path.cwd(), *([folder] if (folder := data_folder()) else [])]
    tried = list(dict.fromkeys((base / stated).resolve() for base in bases))
    found = next((path for path in tried if path.is_dir()), None)
    if found is None:
        raise DataError(document.place("path"), f"the folder '{stated}' is not there (tried {_listed(tried)})", _download(document, raw) or "Correct 'path'")
    return found, tried


def _split(document: Document, raw: dict[str, Any], split: str, root: Path, tried_roots: list[Path]) -> tuple[Path, ...]:
    if not raw.get(split):
        present = ", ".join(key for key in raw if key in SPLITS) or "none"
        near = nearest(split, (str(key) for key in raw if key not in KNOWN_KEYS))
        remedy = f"Is '{near}' meant to be it?" if near else f"Add '{split}:' with a folder of images or a list file (found: {present})"
        raise DataError(document.name, f"has no key '{split}'", remedy)
    entries = raw[split] if isinstance(raw[split], list) else [raw[split]]
    texts = [document.texts.get((split, i) if isinstance(raw[split], list) else (split,), str(entry)) for i, entry in enumerate(entries)]
    return tuple(_found(document, raw, split, text, root, tried_roots) for text in texts)


def _found(document: Document, raw: dict[str, Any], split: str, text: str, root: Path, tried_roots: list[Path]) -> Path:
    tried = list(dict.fromkeys(base / text for base in (root, *tried_roots, Path(document.name).resolve().parent)))
    for path in tried:
        if path.exists():
            return path
    remedy = _download(document, raw) or _hint(root, text, split)
    raise DataError(document.place(split), f"'{text}' of split '{split}' is not there (tried {_listed(tried)})", remedy)


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths))


def _hint(root: Path, text: str, split: str) -> str:
    """Where images seem to be instead."""
    if text.startswith("../") and (root / text[3:]).exists():
        return f"There is '{text[3:]}' without the leading '../'; correct '{split}'"
    parent = (root / text).parent
    near = nearest(Path(text).name, (path.name for path in parent.iterdir())) if parent.is_dir() else ""
    if near:
        return f"Did you mean '{Path(text).parent / near}'?"
    swapped = [candidate for candidate in (f"images/{split}", f"{split}/images", split, "images") if (root / candidate).is_dir()]
    return f"There is '{swapped[0]}'; correct '{split}'" if swapped else f"Correct '{split}', or 'path'"


def _download(document: Document, raw: dict[str, Any]) -> str:
    """What to do about a `download:` entry. It is shown; it is never run and never fetched here."""
    if not raw.get("download"):
        return ""
    text = " ".join(document.texts.get(("download",), str(raw["download"])).split())
    shown = printable(text[:SHOWN_CHARACTERS]) + ("..." if len(text) > SHOWN_CHARACTERS else "")
    if text.startswith("https://") and " " not in text:
        return f"Its 'download' names {shown}; fetch and unpack it there by hand"
    return f"Its 'download' holds text that would have to be run, which this program never does; look at it and run it by hand if you trust it: {shown}"
