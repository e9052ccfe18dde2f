# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from boxwright.documents import parse_yaml, read_yaml, scalar
from boxwright.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("+4", 4),
        ("010", "010"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("null", None),
        (".inf", math.inf),
        ("2024-01-02", "2024-01-02"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_unquoted_words_mean_what_a_person_means(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_every_value_knows_its_line_and_its_text():
    document = parse_yaml("a: 1\nnames:\n  0: no\n  1: 010\nlist: [x, 5]\n", "d.yaml")
    assert document.value == {"a": 1, "names": {0: False, 1: "010"}, "list": ["x", 5]}
    assert document.texts["names", 0] == "no"
    assert document.place("names", 1) == "d.yaml:4"
    assert document.place("list") == "d.yaml:5"
    assert document.place("absent") == "d.yaml"


def test_quoted_words_stay_text():
    assert parse_yaml("a: '5'\nb: \"no\"\n", "d").value == {"a": "5", "b": "no"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "d.yaml:3: key 'a' stands twice (first in line 1)"),
        ("a: 1\nnames:\n\t0: red\n", "d.yaml:3: the line is indented with a tab"),
        (
            "a: !!python/object/apply:os.system ['x']\n",
            "d.yaml:1: the tag '!!python/object/apply:os.system' is not allowed",
        ),
        ("a: !mine 3\n", "is not allowed"),
        ("a: [1, 2\nb: 3\n", "is not valid YAML"),
        ("? [1, 2]\n: x\n", "a key is a list or mapping"),
        ("a: \x07\n", "d.yaml"),
    ],
)
def test_faults_are_one_line_with_file_and_line(text, says):
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "d.yaml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_bomb_ends_at_the_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(UserError, match="too many or too deeply nested"):
        parse_yaml("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize("text", ["a: " + "[" * 60 + "]" * 60, "a: &a [*a]", "[" * 5000])
def test_deep_and_circular_documents_are_refused(text):
    with pytest.raises(UserError):
        parse_yaml(text, "deep.yaml")


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text("")
    with pytest.raises(UserError, match="the file is empty"):
        read_yaml(path).mapping()


def test_a_list_is_not_a_mapping():
    with pytest.raises(UserError, match="the file is a list"):
        parse_yaml("- 1\n- 2\n", "l.yaml").mapping()


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path):
    path = tmp_path / "b.yaml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(UserError, match=r"b\.yaml:2: is not UTF-8 text"):
        read_yaml(path)


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_bytes("\ufeffa: 1\r\nb: é\r\n".encode())
    assert read_yaml(path).value == {"a": 1, "b": "é"}


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    with pytest.raises(UserError, match="larger than"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a: 1\nb: "\\ud800"\n', r"d\.yaml:2: holds a NUL or half a character"),
        ('a: 1\n"\\0": 1\n', r"d\.yaml:2: holds a NUL"),
        ('a: "\\UFFFFFFFF"\n', "stands for nothing"),
        ('a: "\\U00110000"\n', "stands for nothing"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "stands for nothing"),
        ("x: " + "[" * 100_000, r"d\.yaml:1: holds too many or too deeply nested"),
        ("- " * 100_000, "too deeply nested"),
        ("a: &a '" + "y" * 100_000 + "'\nb: [" + "*a, " * 1000 + "*a]\n", "too long a text too often"),
    ],
)
def test_what_no_file_needs_is_refused_at_the_door(text, says):
    with pytest.raises(UserError, match=says) as caught:
        parse_yaml(text, "d.yaml")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "word", ["9" * 5000, "0x" + "f" * 5000, "1:" * 500 + "1", "1" * 400 + ".", "1e400", "0b" + "1" * 100]
)
def test_numbers_of_any_length_are_read_without_a_fault(word):
    assert isinstance(parse_yaml(f"a: {word}", "d").value["a"], str | float)


def test_values_are_counted_while_they_are_read(monkeypatch):
    monkeypatch.setattr("boxwright.documents.MAX_NODES", 100)
    with pytest.raises(UserError, match=r"d\.yaml:100: holds too many"):  # of ten thousand lines
        parse_yaml("x:\n" + "- a\n" * 10_000, "d.yaml")
