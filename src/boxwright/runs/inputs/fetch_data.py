# SPDX-License-Identifier: Apache-2.0
"""The data that a YAML names under `download:`: fetched when told to, as one archive, checked and unpacked.

What was fetched once is remembered by its hash; something else under the same address is refused afterwards. Text under
`download:` that would have to be run is shown and never run. Where the data goes is `landing.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING

from boxwright.config.schema.datasets import FetchSettings
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.inferred import open_document
from boxwright.data.splits.layout import about_download
from boxwright.documents import Document
from boxwright.errors import DataError
from boxwright.runs.inputs.landing import Landing, about_path, landing_of
from boxwright.runs.inputs.open_data import locate_data
from boxwright.structures.answer import Answer
from boxwright.system.addresses import fault_of, shown
from boxwright.system.archives import ArchiveError
from boxwright.system.fetch import FetchError, Limits, fetch
from boxwright.system.files import TEMPORARY_MARK, make_folder, remove, write_json
from boxwright.system.places import cache_folder
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from pathlib import Path

HEX_DIGITS = 64
DEFAULT_MAX_GIB = 20.0


def run_with(settings: FetchSettings) -> Answer:
    """The same from settings."""
    return fetched(settings, Limits(round(settings.max_gib * 2**30)))


def fetched(settings: FetchSettings, limits: Limits) -> Answer:
    """Fetch, check, unpack beside the place, and only then put everything into its place."""
    document, home = open_document(locate_data(settings.data))
    url = _address(document)
    landing = landing_of(document, home, settings.to)
    landing.require_free()
    expected = _expected(document, settings.sha256, url)
    work = cache_folder() / "fetched"
    make_folder(work)
    archive = work / f"{TEMPORARY_MARK}{secrets.token_hex(6)}"
    try:
        digest = fetch(url, archive, limits, Progress(f"fetching {shown(url)}"))
        if expected and digest != expected:
            what = f"has the hash {digest}, and {expected} was expected"
            raise FetchError(shown(url), what, "Do not use it; ask its author what has changed")
        notes, files = landing.unpack(archive, limits.max_bytes)
    except ArchiveError as error:
        raise ArchiveError(shown(url), error.what, error.remedy) from None
    finally:
        remove(archive)
    _remember(url, digest)
    notes = (*notes, *about_path(document, home, landing))
    if not expected:
        advice = "is remembered and required from now on. Write it into the YAML as 'checksum'"
        notes = (f"no hash was known for {shown(url)}; {digest} {advice}", *notes)
    lines = [f"{files} files unpacked into {landing.target}", f"sha256 {digest}"]
    return Answer(lines, {"path": str(landing.target), "files": files, "sha256": digest, "url": url}, notes)


def ensure_present(name: str, max_gib: float = DEFAULT_MAX_GIB) -> tuple[str, ...]:
    """For --allow-download: fetch what a YAML names if its folders are not there; notes about it."""
    place = locate_data(name)
    try:
        absent = read_dataset(place, needed=()).absent
        if gone := next((absent[split] for split in ("train", "val") if split in absent), None):
            raise gone
    except DataError:
        document, home = open_document(place)
        if not _stated(document).startswith("https://") or _is_there(landing_of(document, home, "")):
            raise
        answer = run_with(FetchSettings(data=name, max_gib=max_gib))
        return (*answer.notes, answer.lines[0])
    return ()


def _is_there(landing: Landing) -> bool:
    """Whether data is in the place already, so that the fault is another one."""
    return bool(landing.in_the_way())


def _stated(document: Document) -> str:
    return document.texts.get(("download",), str(document.mapping().get("download") or ""))


def _address(document: Document) -> str:
    stated = _stated(document)
    if not stated:
        raise DataError(
            document.name, "has no 'download:' entry", "Add 'download: https://...', or fetch the data by hand"
        )
    if not stated.startswith("https://") or len(stated.split()) != 1:
        raise DataError(
            document.place("download"),
            "'download' is no https:// address",
            about_download(document, document.mapping()),
        )
    what, remedy = fault_of(stated)
    if what:
        raise DataError(document.place("download"), f"{shown(stated)} {what}", remedy)
    return stated


def _expected(document: Document, given: str, url: str) -> str:
    """The hash that must come out: from the command, the YAML, or the fetch before."""
    stated = given or str(document.mapping().get("checksum") or "")
    found = stated.removeprefix("sha256:").strip().lower()
    if found and not re.fullmatch(rf"[0-9a-f]{{{HEX_DIGITS}}}", found):
        where = "--sha256" if given else document.place("checksum")
        raise DataError(where, f"'{stated[: 2 * HEX_DIGITS]}' is no SHA-256", f"Give {HEX_DIGITS} digits from 0 to f")
    return found or _remembered().get(url, "")


def _ledger() -> Path:
    return cache_folder() / "fetched" / "hashes.json"


def _remembered() -> dict[str, str]:
    """What came from which address.

    Raises DataError when the list is there and is none: what is known must not be lost silently.
    """
    ledger = _ledger()
    try:
        found = json.loads(ledger.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(digest, str) for digest in found.values()):
        raise DataError(str(ledger), "is no list of hashes of what was fetched", "Remove it; they are then taken anew")
    return found


def _remember(url: str, digest: str) -> None:
    write_json(_ledger(), {**_remembered(), url: digest})
