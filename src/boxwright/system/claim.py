# SPDX-License-Identifier: Apache-2.0
"""Who works in a run folder: one living process at a time, named in `claim.json` while it does.

A claim is made by giving a whole file its name, which every file system does for one process only, network file systems
too; no lock is needed. Whether its owner lives is asked of the system where the owner runs here. An owner on another
machine, or in another container, gives a sign of life by touching the file every few seconds, and its claim lapses when
none was seen for a while. Only the file server's clock and one's own waiting count, so that clocks need not agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from boxwright.errors import EXIT_TRY_AGAIN, BoxwrightError, UserError
from boxwright.paths import open_regular
from boxwright.system.files import TEMPORARY_MARK, WriteError, remove, write_bytes, write_error
from boxwright.system.owner import Owner
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLAIM = RunFile.CLAIM
BEAT_S = 15.0  # between signs of life
LAPSE_S = 90.0  # without a sign of life
MAX_BYTES = 4096


class ClaimedError(UserError):
    """The run folder belongs to another living process."""


class ClaimLostError(BoxwrightError):
    """Another process took the run folder over, while this one could give no sign of life."""

    exit_code = EXIT_TRY_AGAIN


class Claim:
    """A run folder that is ours until it is left. `folder` may be relative: it is where it was when it was claimed."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.folder, self.owner = folder, owner
        self._file = (folder / CLAIM).absolute()
        self._left = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="boxwright claim", daemon=True)

    def require(self) -> None:
        """Raise ClaimLostError when somebody else has the folder now.

        A claim that is gone with its folder is for others to report.
        """
        found = owner_of(self._file)
        if found is not None and found.token != self.owner.token:
            what = (
                f"was taken over by {found}, while this process gave no sign of life for {LAPSE_S:.0f} seconds or more"
            )
            raise ClaimLostError(f"{self.folder}: {what}. It is left to that one")

    def begin(self) -> None:
        """Give signs of life from now on."""
        self._beating.start()

    def leave(self) -> None:
        """Give the folder back."""
        self._left.set()
        if self._beating.is_alive():
            self._beating.join()
        found = owner_of(self._file)
        if found is not None and found.token == self.owner.token:
            with contextlib.suppress(OSError):
                remove(self._file)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._file)  # without a time: that of the file server


@contextlib.contextmanager
def claimed(folder: Path, wait: Callable[[float], None] = time.sleep) -> Iterator[Claim]:
    """Have a folder for oneself while this lasts.

    Raises ClaimedError when somebody else has it, WriteError when it cannot be written.

    `wait` takes seconds: an owner elsewhere who gave a sign of life lately is watched for the next one.
    """
    owner = Owner.myself()
    path = folder / CLAIM
    while not _taken(path, owner):
        _free(path, owner, wait)
    claim = Claim(folder, owner)
    try:
        claim.begin()
        yield claim
    finally:
        claim.leave()


def _taken(path: Path, owner: Owner) -> bool:
    """Make the claim, unless there is one. Raises WriteError."""
    whole = path.with_name(f".{CLAIM}{TEMPORARY_MARK}{owner.token}")
    content = (json.dumps(asdict(owner), indent=1) + "\n").encode()
    _write(whole, content, path)
    try:
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError:
        return _made(path, content)  # a file system without links
    finally:
        remove(whole)
    return True


def _write(place: Path, content: bytes, path: Path) -> None:
    """Write a file beside a claim. Raises WriteError, which names the claim."""
    try:
        write_bytes(place, content, durable=False)
    except WriteError as error:
        raise WriteError(str(path), error.what, error.remedy) from None


def _made(path: Path, content: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
    except FileExistsError:
        return False
    except OSError as error:
        raise write_error(path, error) from None
    return True


def _free(path: Path, myself: Owner, wait: Callable[[float], None]) -> None:
    """Take a claim away whose owner is gone. Raises ClaimedError when the owner lives."""
    content, beat = _content(path), _touched(path)
    if content is None:
        return  # it was given back just now
    owner = _owner(content)
    if owner is not None and owner.is_here and owner.lives:
        raise _claimed_error(path, owner)
    left = 0.0 if owner is None or owner.is_here else LAPSE_S - (_server_time(path.parent) - beat)
    while owner is not None and left > 0:
        wait(min(left, BEAT_S / 3))
        left -= BEAT_S / 3
        if owner_of(path) != owner:
            return  # it was given back, or somebody else has it now
        if _touched(path) != beat:
            raise _claimed_error(path, owner)
    _take_away(path, content, myself, wait)


def _claimed_error(path: Path, owner: Owner) -> ClaimedError:
    return ClaimedError(
        str(path.parent),
        f"a training works in it already: {owner}",
        "Wait until that one has ended or end it, or take another folder",
    )


def _take_away(path: Path, content: bytes, myself: Owner, wait: Callable[[float], None]) -> None:
    """Remove the claim of one who is gone.

    Several may have found it so, and the first of them may have the folder by now: whoever removes this very claim has
    a claim on doing so first, and looks again. Then it is still there or never will be again.
    """
    which = hashlib.sha256(path.name.encode() + b"/" + content).hexdigest()[:16]
    right = path.with_name(f".{CLAIM}{TEMPORARY_MARK}{which}")
    while not _taken(right, myself):
        _free(right, myself, wait)
    try:
        if _content(path) == content:
            remove(path)
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        remove(right)


class Presence(NamedTuple):
    """Who is named in the claim of a folder, None where it was torn, and when the last sign of life came.

    That is by the clock of the file server, in seconds since 1970.
    """

    owner: Owner | None
    touched: float


def presence_in(folder: Path) -> Presence | None:
    """Who works in a folder, or worked there when it died; None where nobody does. For whoever only looks."""
    path = folder / CLAIM
    content = _content(path)
    return None if content is None else Presence(_owner(content), _touched(path))


def owner_of(path: Path) -> Owner | None:
    """Who is named in a claim.

    None when there is none, or one that is no whole document: it was torn, and its writer with it.
    """
    content = _content(path)
    return None if content is None else _owner(content)


def _content(path: Path) -> bytes | None:
    """What stands in a claim; None when there is none."""
    try:
        with open_regular(path) as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError:
        return b""


def _owner(content: bytes) -> Owner | None:
    try:
        stored = json.loads(content)
    except (ValueError, RecursionError):
        return None
    fields = {"host": str, "boot": str, "space": str, "pid": int, "started": str, "since": str, "token": str}
    if not isinstance(stored, dict) or any(type(stored.get(name)) is not kind for name, kind in fields.items()):
        return None
    return Owner(**{name: stored[name] for name in fields})


def _touched(path: Path) -> float:
    """When the last sign of life came, by the clock of the file server.

    Opening asks it anew, where a look alone may be answered from a cache.
    """
    try:
        with open_regular(path) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return 0.0


def _server_time(folder: Path) -> float:
    """The clock that stamps files in this folder. Raises WriteError."""
    probe = folder / f".{CLAIM}{TEMPORARY_MARK}{secrets.token_hex(8)}"
    _write(probe, b"", folder / CLAIM)
    try:
        return probe.stat().st_mtime
    finally:
        remove(probe)
