# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.data.labels.class_names import MAX_CLASSES, read_names
from boxwright.documents import parse_yaml
from boxwright.errors import DataError, UserError, nearest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("names: {1000000000: x}", "names has no class 0"),
        ("names: {0: x, 999999999999999999: y}", "names has no class 1"),
        ("names: {0: x, -3: y}", "names has no class -3"),
        ("names: [[a], b]", "the name of class 0 is a list"),
        ("names: {0: {a: b}}", "the name of class 0 is a mapping"),
        ("names: " + "n" * 100_000, "names are 'nnn"),
    ],
)
def test_names_that_are_none_are_one_short_line(text, says):
    document = parse_yaml(text, "d.yaml")
    with pytest.raises(DataError, match=says) as caught:
        read_names(document, document.mapping())
    assert str(caught.value).startswith("d.yaml:1: ")
    assert len(str(caught.value)) < 3000


def test_there_are_at_most_as_many_names_as_a_network_has_classes():
    document = parse_yaml("names: [a]", "d.yaml")
    with pytest.raises(DataError, match="at most"):
        read_names(document, {"names": ["a"] * (MAX_CLASSES + 1)})


def test_no_likely_word_is_looked_for_where_the_word_is_none():
    assert nearest("trainn" + "n" * 200, ["train"]) == ""
    assert nearest("trainn", ["train", "train" * 1000]) == "train"


def test_an_error_never_shows_more_than_a_person_reads():
    assert len(str(UserError("f", "x" * 100_000, "y" * 100_000))) < 5000
