# SPDX-License-Identifier: Apache-2.0
"""`boxwright data fetch`: the one verb that uses the network, when told to, to fetch one archive and unpack it.

What was fetched once is remembered by its hash; something else under the same address is refused afterwards. Text under
`download:` that would have to be run is shown and never run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from boxwright.commands.opening import locate_data
from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import FetchSettings
from boxwright.data.dataset import read_dataset
from boxwright.data.implied import open_document
from boxwright.data.layout import about_download
from boxwright.documents import Document
from boxwright.errors import DataError, SettingError
from boxwright.structures.answer import Answer
from boxwright.system.archives import unpack
from boxwright.system.fetch import FetchError, Limits, fetch
from boxwright.system.files import make_folder, move_folder, remove, write_json
from boxwright.system.places import cache_folder
from boxwright.track.console import Progress

HEX_DIGITS = 64
DEFAULT_MAX_GIB = 20.0


def run(resolved: Resolved[FetchSettings]) -> Answer:
    """Fetch by the rules of the public network."""
    return run_with(resolved.settings)


def run_with(settings: FetchSettings) -> Answer:
    """The same from settings."""
    return fetched(settings, Limits(round(settings.max_gib * 2**30)))


def fetched(settings: FetchSettings, limits: Limits) -> Answer:
    """Fetch, check, unpack beside the target, and only then give the folder its name."""
    document, home = open_document(locate_data(settings.data))
    raw = document.mapping()
    url = _address(document)
    target = (home / str(raw.get("path") or ".")).resolve()
    if target.exists() and any(path.name != Path(document.name).name for path in target.iterdir()):
        raise SettingError(str(target), "is there already and holds something", "Nothing is fetched over existing data; move it away first")
    expected = _expected(document, settings.sha256, url)
    work = cache_folder() / "fetched"
    make_folder(work)
    archive = work / "unfinished.archive"
    digest = fetch(url, archive, limits, Progress(f"fetching {url}"))
    if expected and digest != expected:
        remove(archive)
        raise FetchError(url, f"has the hash {digest}, and {expected} was expected", "Do not use it; ask its author what has changed")
    count = _unpacked(archive, target, limits.max_bytes)
    _remember(url, digest)
    notes = () if expected else (f"no hash was known for {url}; {digest} is remembered and required from now on. Write it into the YAML as 'checksum'",)
    lines = [f"{count} files unpacked into {target}", f"sha256 {digest}"]
    return Answer(lines, {"path": str(target), "files": count, "sha256": digest, "url": url}, notes)


def ensure_present(name: str, max_gib: float = DEFAULT_MAX_GIB) -> tuple[str, ...]:
    """For --allow-download: fetch what a YAML names if its folders are not there; notes about it."""
    place = locate_data(name)
    try:
        read_dataset(place, needed=())
    except DataError:
        settings = FetchSettings(data=name, max_gib=max_gib)
        if not str(open_document(place)[0].mapping().get("download") or "").startswith("https://"):
            raise
        answer = run_with(settings)
        return (*answer.notes, answer.lines[0])
    return ()


def _address(document: Document) -> str:
    raw = document.mapping()
    stated = document.texts.get(("download",), str(raw.get("download") or ""))
    if not stated:
        raise DataError(document.name, "has no 'download:' entry", "Add 'download: https://...', or fetch the data by hand")
    if not stated.startswith("https://") or len(stated.split()) != 1:
        raise DataError(document.place("download"), "'download' is no https:// address", about_download(document, raw))
    return stated


def _expected(document: Document, given: str, url: str) -> str:
    """The hash that must come out: from the command, the YAML, or the fetch before."""
    stated = given or str(document.mapping().get("checksum") or "")
    found = stated.removeprefix("sha256:").strip().lower()
    if found and not re.fullmatch(rf"[0-9a-f]{{{HEX_DIGITS}}}", found):
        where = "--sha256" if given else document.place("checksum")
        raise DataError(where, f"'{stated}' is no SHA-256", f"Give {HEX_DIGITS} digits from 0 to f")
    return found or _remembered().get(url, "")


def _ledger() -> Path:
    return cache_folder() / "fetched" / "hashes.json"


def _remembered() -> dict[str, str]:
    try:
        found = json.loads(_ledger().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(url): str(digest) for url, digest in found.items()} if isinstance(found, dict) else {}


def _remember(url: str, digest: str) -> None:
    write_json(_ledger(), {**_remembered(), url: digest})


def _unpacked(archive: Path, target: Path, max_bytes: int) -> int:
    """Unpack beside the target first: a refused archive leaves nothing behind. A single folder of the archive's own is opened up."""
    beside = target.with_name(f".{target.name}.unpacking")
    remove(beside)
    make_folder(beside)
    try:
        count = unpack(archive, beside, max_bytes)
        inner = list(beside.iterdir())
        whole = inner[0] if len(inner) == 1 and inner[0].is_dir() and inner[0].name not in {"images", "labels", "train"} else beside
        if target.exists():
            for path in whole.iterdir():
                if not (target / path.name).exists():
                    move_folder(path, target / path.name)
        else:
            make_folder(target.parent)
            move_folder(whole, target)
    finally:
        remove(beside)
        remove(archive)
    return count
