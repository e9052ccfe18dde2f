# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.errors import WeightsError
from boxwright.system import tensors
from boxwright.system.tensors import (
    DamagedFileError,
    is_ours,
    newest_whole,
    packed,
    previous_of,
    read_tensors,
    rotate_and_write,
    write_tensors,
)
from tests.support import killed


def document(generation: int = 1) -> dict:
    return {
        "kind": "checkpoint",
        "epoch": generation,
        "names": ["cat", "Bär 🐻"],
        "model": {
            "a.weight": torch.arange(6.0).view(2, 3) + generation,
            "b": torch.tensor([1.5], dtype=torch.bfloat16),
        },
        "state": {"batch": 0, "best": -1.0, "none": None, "on": True, "place": (1, 2)},
    }


def same(one: object, other: object) -> bool:
    """Equal to the last bit, of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return (one.dtype, one.shape, bytes(one.clone().untyped_storage())) == (
            other.dtype,
            other.shape,
            bytes(other.clone().untyped_storage()),
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def header(content: bytes) -> dict:
    return json.loads(content[content.rfind(b"PK\x05\x06") + 22 :])


@pytest.fixture
def path(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights" / "last.pt"


DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
TENSORS = st.builds(
    lambda dtype, shape, seed: torch.from_numpy(np.random.default_rng(seed).integers(0, 2**40, shape)).to(dtype),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 99),
)
VALUES = st.recursive(
    TENSORS
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_is_written_is_read_bit_for_bit(tmp_path_factory, written):
    place = tmp_path_factory.getbasetemp() / "round.pt"
    place.write_bytes(packed(written))
    assert same(read_tensors(place), written)


def test_a_tensor_keeps_its_order_in_memory_and_views_keep_their_values(path):
    weight = torch.rand(4, 3, 5, 5).to(memory_format=torch.channels_last)
    write_tensors(path, {"weight": weight, "view": weight[1:3, ::2]})
    found = read_tensors(path)
    assert found["weight"].stride() == weight.stride()
    assert torch.equal(found["view"], weight[1:3, ::2])


def test_the_header_states_format_version_length_and_digest_of_the_body(path):
    write_tensors(path, document())
    content = path.read_bytes()
    found = header(content)
    assert (found["format"], found["version"]) == (tensors.FORMAT, tensors.VERSION)
    body = content[: found["length"] - 2] + b"\0\0"  # an end record without its comment counts 0 bytes of one
    assert len(content) == found["length"] + len(json.dumps(found))
    assert hashlib.sha256(body).hexdigest() == found["sha256"]


def test_torch_alone_opens_a_file_as_data(path):
    write_tensors(path, document(7))
    program = (
        "import sys, torch; d = torch.load(sys.argv[1], weights_only=True); "
        "print(d['epoch'], "
        "d['model']['a.weight'].sum().item(), 'boxwright' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["7", str(float(document(7)["model"]["a.weight"].sum())), "False"], done.stderr


@pytest.mark.parametrize(
    "value", [np.float64(1.0), np.zeros(2), torch.nn.Parameter(torch.zeros(1)), object(), {(1, 2): 0}, b"bytes", {1, 2}]
)
def test_nothing_but_tensors_and_plain_values_is_written(value):
    with pytest.raises(AssertionError, match=r"the document\['deep'\]"):
        packed({"deep": [value]})


def loads_rightly_or_is_refused(path, content: bytes, written: dict) -> bool:
    """Whether it was refused. Anything but our own error, or another document, fails."""
    path.write_bytes(content)
    said = ""
    try:
        found = read_tensors(path)
    except WeightsError as error:
        said = str(error)
    assert said.startswith(f"{path}: ") and "\n" not in said if said else same(found, written)
    return bool(said)


def test_a_file_cut_at_any_byte_is_refused(path):
    content = packed(document())
    for length in range(0, len(content), 7):
        assert loads_rightly_or_is_refused(path, content[:length], document()), length


def test_a_change_of_any_byte_of_the_body_is_refused_and_of_the_header_never_loads_wrongly(path):
    content = packed(document())
    body = header(content)["length"] - 2
    for place in (*range(0, body, 5), *range(body, len(content))):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        refused = loads_rightly_or_is_refused(path, bytes(changed), document())
        assert refused or place >= body, place


DAMAGES = (
    lambda before, piece, after, draw: before + bytes(len(piece)) + after,  # a hole
    lambda before, piece, after, draw: before + draw.bytes(len(piece)) + after,
    lambda before, piece, after, draw: before + after,
    lambda before, piece, after, draw: before + piece + piece + after,
    lambda before, piece, after, draw: before + piece + after + draw.bytes(len(piece)),
    lambda before, piece, after, draw: before,
    lambda before, piece, after, draw: piece + after + before,
)


def damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """One of the things that happen to files."""
    start, length = int(draw.integers(len(content))), int(draw.integers(1, 400))
    return DAMAGES[draw.integers(len(DAMAGES))](
        content[:start], content[start : start + length], content[start + length :], draw
    )


def test_hundreds_of_random_damages_never_load_wrongly_and_raise_nothing_but_our_error(path):
    draw, content = np.random.default_rng(0), packed(document())
    refused = sum(loads_rightly_or_is_refused(path, damaged(content, draw), document()) for _ in range(300))
    assert refused > 285  # a change that changes nothing is a change, too


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no checkpoint"),
        (b"PK", "is not whole, or none of ours"),
        (b"\x80\x02}q\x00.", "is no checkpoint"),
        (b"PK\x05\x06" + bytes(18) + b"[" * 60_000, "is not whole, or none of ours"),
        (
            b"PK\x05\x06" + bytes(18) + b'{"format": "boxwright", "version": 1, "length": -5, "sha256": null}',
            "does not match its checksum",
        ),
        (b"PK\x05\x06" + bytes(18) + b'{"format": "boxwright", "version": 1}', "does not match its checksum"),
        (b"PK\x05\x06" + bytes(18) + b'{"format": "boxwright", "version": 2}', "was written in format version 2"),
    ],
    ids=["empty", "stump", "pickle", "brackets", "negative", "lacking", "newer"],
)
def test_files_that_are_none_of_ours_or_lie_are_refused_in_one_line(path, content, says):
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=says):
        read_tensors(path)


def test_a_digest_that_is_right_makes_no_foreign_object_loadable(path):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    def sealed(value: object) -> bytes:
        torch.save(value, path)
        body = path.read_bytes()
        comment = json.dumps(
            {"format": tensors.FORMAT, "version": 1, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        ).encode()
        return body[:-2] + len(comment).to_bytes(2, "little") + comment

    path.write_bytes(sealed({"model": Trap()}))
    with pytest.raises(WeightsError, match="cannot be opened"):
        read_tensors(path)
    path.write_bytes(sealed([1, 2]))
    with pytest.raises(WeightsError, match="holds no dictionary"):
        read_tensors(path)


def test_a_file_that_is_not_there_or_a_folder_is_one_line(tmp_path):
    for place in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(WeightsError, match="cannot be read"):
            read_tensors(place)
        assert not is_ours(place)


def test_our_files_are_known_by_their_header(path):
    write_tensors(path, document())
    assert is_ours(path)
    torch.save({"model": {}}, path)
    assert not is_ours(path)
    path.write_bytes(b"text")
    assert not is_ours(path)


# -- generations


def generations(path, count: int = 2) -> None:
    for generation in range(1, count + 1):
        rotate_and_write(path, document(generation))


def test_the_generation_before_is_kept_and_no_more(path):
    generations(path, 3)
    assert sorted(one.name for one in path.parent.iterdir()) == ["last.previous.pt", "last.pt"]
    assert read_tensors(path)["epoch"] == 3
    assert read_tensors(previous_of(path))["epoch"] == 2


def test_a_whole_file_is_taken_without_a_word(path):
    generations(path)
    found, used, note = newest_whole(path)
    assert (found["epoch"], used, note) == (2, path, "")


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c[: len(c) // 2],
        lambda c: c[:500] + b"\0" + c[501:],
        lambda _: b"",
        lambda c: c.replace(b'"version": 1', b'"version": 9'),
    ],
)
def test_after_damage_of_any_kind_the_generation_before_serves_and_the_note_names_both(path, damage):
    generations(path)
    path.write_bytes(damage(path.read_bytes()))
    found, used, note = newest_whole(path)
    assert same(found, document(1))
    assert used == previous_of(path)
    assert str(path) in note
    assert note.endswith("Going on from last.previous.pt instead")


def test_when_both_are_damaged_the_error_names_the_one_that_was_asked_for(path):
    generations(path)
    for place in (path, previous_of(path)):
        place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(DamagedFileError, match=r"last\.pt: is not whole"):
        newest_whole(path)


def test_a_damaged_file_never_takes_the_place_of_the_whole_one_before_it(path):
    generations(path)
    path.write_bytes(path.read_bytes()[:100])
    rotate_and_write(path, document(3))
    assert read_tensors(path)["epoch"] == 3
    assert read_tensors(previous_of(path))["epoch"] == 1


def test_without_links_a_generation_is_copied(path, monkeypatch):
    generations(path, 1)

    def refuse(*_words):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(tensors.os, "link", refuse)
    rotate_and_write(path, document(2))
    assert (read_tensors(previous_of(path))["epoch"], read_tensors(path)["epoch"]) == (1, 2)


KILL_AT_EVERY_CALL = """
import torch
from boxwright.system.files import sweep_unfinished
from boxwright.system.tensors import newest_whole, rotate_and_write

path = Path(sys.argv[1])
save = lambda generation: rotate_and_write(path, {"epoch": generation, "weight": torch.full((64,), float(generation))})


def left_by_kills(damage):
    moment, lived, left = 0, False, []
    while not lived:
        for old in path.parent.iterdir():
            old.unlink()
        save(1), save(2)
        if damage:
            path.write_bytes(path.read_bytes()[:-700])
        lived = under_fire(lambda: save(3), moment)
        found, used, note = newest_whole(path)
        assert found["weight"].unique().item() == found["epoch"]
        sweep_unfinished(path.parent)
        assert {one.name for one in path.parent.iterdir()} <= {"last.pt", "last.previous.pt"}
        left.append(found["epoch"])
        moment += 1
    print(*left)


left_by_kills(False), left_by_kills(True)
"""


def test_a_save_that_is_killed_at_any_call_leaves_a_whole_generation_even_beside_a_damaged_one(path):
    sound, damaged_before = (
        list(map(int, line.split())) for line in killed.run(KILL_AT_EVERY_CALL, str(path)).splitlines()
    )
    assert min(len(sound), len(damaged_before)) > 10
    assert (sound, damaged_before) == (sorted(sound), sorted(damaged_before))
    assert (set(sound), set(damaged_before)) == ({2, 3}, {1, 3})
