# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from boxwright.errors import UserError
from boxwright.system.claim import BEAT_S, CLAIM, LAPSE_S, ClaimedError, ClaimLostError, Owner, claimed, owner_of

FILE = Path(CLAIM)


def left_by(owner: Owner, *, seconds_ago: float = 0.0) -> None:
    FILE.write_text(json.dumps(asdict(owner)))
    stamp = FILE.stat().st_mtime - seconds_ago
    os.utime(FILE, (stamp, stamp))


def elsewhere() -> Owner:
    return replace(Owner.myself(), host="another-machine", pid=4711)


def never(_seconds: float) -> None:
    raise AssertionError("nothing to wait for")


def gone() -> Owner:
    """A process of this machine that has ended and was waited for."""
    child = os.fork()
    if child == 0:
        FILE.write_text(json.dumps(asdict(Owner.myself())))
        os._exit(0)
    os.waitpid(child, 0)
    found = owner_of(FILE)
    assert found is not None
    assert found.pid == child
    return found


def test_a_folder_is_ours_while_it_is_claimed_and_free_afterwards():
    with claimed(Path()) as claim:
        claim.require()
        with (
            pytest.raises(
                ClaimedError, match=rf"a training works in it already: process {os.getpid()} on .*, since \d"
            ),
            claimed(Path(), never),
        ):
            pass
        claim.require()
    assert not list(Path().iterdir())
    with claimed(Path(), never):
        assert owner_of(FILE).pid == os.getpid()


def test_the_claim_of_a_process_that_is_gone_lapses_at_once():
    gone()
    with claimed(Path(), never):
        assert owner_of(FILE).pid == os.getpid()
    assert not list(Path().iterdir())


def test_a_process_that_waits_to_be_buried_is_gone():
    child = os.fork()
    if child == 0:
        FILE.write_text(json.dumps(asdict(Owner.myself())))
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    with claimed(Path(), never):
        pass
    os.waitpid(child, 0)


def test_another_process_with_the_number_of_the_one_that_is_gone_is_not_taken_for_it():
    left_by(replace(Owner.myself(), started="1"))
    with claimed(Path(), never):
        pass


def test_an_owner_elsewhere_who_gives_a_sign_of_life_keeps_the_folder():
    left_by(elsewhere())

    def beat(_seconds):
        os.utime(FILE, (1, 1))

    with pytest.raises(ClaimedError, match="process 4711 on another-machine"), claimed(Path(), beat):
        pass
    assert owner_of(FILE) == elsewhere_as(owner_of(FILE))


def elsewhere_as(owner: Owner) -> Owner:
    return replace(owner, host="another-machine", pid=4711)


def test_an_owner_elsewhere_without_a_sign_of_life_loses_the_folder_after_a_while():
    waited = []
    left_by(elsewhere())
    with claimed(Path(), waited.append) as claim:
        claim.require()
    assert LAPSE_S - BEAT_S < sum(waited) < LAPSE_S + BEAT_S
    left_by(elsewhere(), seconds_ago=2 * LAPSE_S)
    with claimed(Path(), never):
        pass


def test_an_owner_elsewhere_who_leaves_meanwhile_is_not_waited_for():
    left_by(elsewhere())
    with claimed(Path(), lambda _seconds: FILE.unlink()):
        assert owner_of(FILE).pid == os.getpid()


def test_who_was_taken_for_dead_notices_it_and_leaves_the_folder_to_the_other():
    with claimed(Path()) as claim:
        left_by(elsewhere())
        with pytest.raises(ClaimLostError, match="taken over by process 4711 on another-machine") as caught:
            claim.require()
        assert caught.value.exit_code == 75
    assert owner_of(FILE).host == "another-machine"


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 300, b'{"host": "a"', b"[]", b"[" * 4000, b'{"pid": "1"}', b"\xff\xfe", b"1" * 5000]
)
def test_a_torn_claim_is_none(content):
    FILE.write_bytes(content)
    with claimed(Path(), never):
        assert owner_of(FILE).pid == os.getpid()


@pytest.mark.parametrize("pid", [0, -1, 1 << 80])
def test_a_number_that_no_process_has_is_of_none_that_lives(pid):
    left_by(replace(Owner.myself(), pid=pid))
    with claimed(Path(), never):
        pass


def test_without_links_a_claim_is_made_as_well(monkeypatch):
    def refused(*_names):
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    with claimed(Path()), pytest.raises(ClaimedError), claimed(Path(), never):
        pass
    gone()
    with claimed(Path(), never):
        pass
    assert not list(Path().iterdir())


def test_a_folder_that_cannot_be_written_is_one_line():
    with (
        pytest.raises(UserError, match=r"/proc/self/claim\.json: cannot be written \(.*\)\. \w"),
        claimed(Path("/proc/self")),
    ):
        pass


def test_of_many_processes_that_claim_at_once_one_has_it_at_a_time():
    """Each one that has it makes a file that must not be there, and takes it away again."""
    gone()
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            code = 9
            try:
                for _ in range(20):
                    try:
                        with claimed(Path(), never):
                            os.close(os.open("alone", os.O_CREAT | os.O_EXCL))
                            os.unlink("alone")  # noqa: PTH108 -- in the forked process
                    except ClaimedError:
                        os.sched_yield()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    assert not list(Path().iterdir())
