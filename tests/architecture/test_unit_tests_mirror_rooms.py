# SPDX-License-Identifier: Apache-2.0
"""Unit tests stand in the room of what they test, so that one finds them without looking."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "boxwright"
UNIT = ROOT / "tests" / "unit"
TESTS = sorted(UNIT.rglob("test_*.py"))


def test_every_folder_of_unit_tests_is_a_room_of_the_package():
    assert TESTS
    for test in TESTS:
        room = test.parent.relative_to(UNIT)
        assert (PACKAGE / room).is_dir(), f"tests/unit/{room} has no room src/boxwright/{room}"
        if room == Path():  # beside the rooms stand tests of the modules that stand beside them
            module = test.stem.removeprefix("test_")
            assert (PACKAGE / f"{module}.py").is_file(), f"tests/unit/{test.name} belongs into the folder of a room"


def test_every_large_room_has_unit_tests():
    tested = {test.relative_to(UNIT).parts[0] for test in TESTS}
    for room in sorted(path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"):
        if len(list(room.rglob("*.py"))) >= 10:
            assert room.name in tested, f"no folder tests/unit/{room.name}"


def test_names_of_test_files_are_used_once():
    """pytest imports them by their bare names."""
    names = [test.name for test in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
