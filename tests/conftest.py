# SPDX-License-Identifier: Apache-2.0
"""Rules for all tests: one compute thread, no network, no help from the user's own folders."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: processes stand beside each other, threads would fight

import hypothesis
import pytest

# What one process has compiled is read by all others: those beside it, those it starts, and those of the next run.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

hypothesis.settings.register_profile(
    "boxwright", deadline=None, derandomize=True, max_examples=60, print_blob=False, database=None
)
hypothesis.settings.load_profile("boxwright")

_FORBIDDEN = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_allowed = False


APART = [Path(__file__).parent / name for name in ("ray", "buckets")]


def pytest_ignore_collect(collection_path, config):
    """Tests that need packages which the development environment lacks; `make test-ray` and the like name them."""
    if collection_path not in APART:
        return None
    named = any(Path(argument.split("::")[0]).resolve().is_relative_to(collection_path) for argument in config.args)
    return None if named else True


class NetworkUsedError(Exception):
    """A test that is not marked `loopback` used a socket."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _FORBIDDEN and not _allowed:
        raise NetworkUsedError(f"{event} {arguments}")


sys.addaudithook(_watch)


def pytest_collection_finish():
    """Tests and modules live to the end; no collection of garbage has to go through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def network(request):
    """Sockets only for tests that say they need them."""
    global _allowed  # noqa: PLW0603 -- an audit hook cannot be taken away again
    _allowed = request.node.get_closest_marker("loopback") is not None
    yield
    _allowed = False


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Every test works in an empty folder with an empty cache."""
    monkeypatch.setenv("BOXWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BOXWRIGHT_SHARED", str(tmp_path / "shared"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BOXWRIGHT_DEBUG", "BOXWRIGHT_DATA", "BOXWRIGHT_BUCKET_CACHE_GIB", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
