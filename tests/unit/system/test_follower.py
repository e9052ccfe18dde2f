# SPDX-License-Identifier: Apache-2.0
"""A process beside a training: it is heard, never waited for, and started anew when it hangs or dies."""

from __future__ import annotations

import sys
import threading

import pytest

from boxwright.system import follower
from boxwright.system.follower import Follower

HEAD = "import json, os, sys, time\ndef say(**words): print(json.dumps(words), flush=True)\n"
MOST_S = 60


class Heard:
    def __init__(self) -> None:
        self.all: list[dict] = []
        self.news = threading.Condition()

    def __call__(self, message: dict) -> None:
        with self.news:
            self.all.append(message)
            self.news.notify_all()

    def wait(self, count: int) -> list[dict]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.all) >= count, MOST_S), self.all
            return list(self.all)


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setattr(follower, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(follower, "GRACE_S", 0.0)
    open_ones: list[Follower] = []

    def started(script: str) -> tuple[Follower, Heard]:
        heard = Heard()
        open_ones.append(Follower([sys.executable, "-S", "-c", HEAD + script], heard))
        return open_ones[-1], heard

    yield started
    for one in open_ones:
        one.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "follower"]


def test_messages_go_both_ways_until_it_is_over(start):
    one, heard = start(
        "for line in sys.stdin: say(got=json.loads(line)['n'], over=line.find('2') > 0) or ('2' in line and sys.exit())"
    )
    one.tell({"n": 1})
    one.tell({"n": 2})
    assert [message["got"] for message in heard.wait(2)] == [1, 2]
    one.close()
    assert (one.restarts, len(heard.all)) == (0, 2)


def test_one_that_does_not_read_is_not_waited_for(start):
    one, heard = start("say(up=1); time.sleep(1000)")
    heard.wait(1)
    for number in range(20_000):
        one.tell({"changed": number})
    assert one.restarts == 0


def test_one_that_hangs_is_started_anew_and_told_again_what_stands(start):
    one, heard = start("first = json.loads(sys.stdin.readline()); say(got=first); say(by=0.05); time.sleep(1000)")
    one.tell({"folder": "here"}, standing=True)
    found = heard.wait(6)
    assert found[:3] == [{"got": {"folder": "here"}}, {"by": 0.05}, {"hung": True}]
    assert found[3:6] == found[:3]


def test_one_that_dies_again_and_again_is_given_up(start, monkeypatch):
    monkeypatch.setattr(follower, "MOST_RESTARTS", 3)
    one, heard = start("sys.exit(1)")
    assert heard.wait(1) == [{"lost": True}]
    assert one.restarts == 4
    one.tell({"n": 1})  # nobody is there, and nothing happens


def test_no_file_of_the_users_folder_stands_in_for_a_package(tmp_path, monkeypatch):
    for name in ("boxwright", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    heard = Heard()
    one = Follower(follower.command_of("follow-bucket"), heard)
    one.tell({"check": {"address": "file:///not/there/run", "bucket": "file:///not/there", "owner": "a" * 32}})
    assert heard.wait(2)[-1]["checked"] == "refused"
    assert "there is no such folder" in heard.all[-1]["error"]
    one.close()


def test_words_that_are_no_message_do_no_harm(start):
    _, heard = start("print('hello'); print('[1]'); say(up=1); sys.stdin.read()")
    assert heard.wait(3) == [{}, {}, {"up": 1}]
