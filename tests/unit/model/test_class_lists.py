# SPDX-License-Identifier: Apache-2.0
"""Two lists of classes: when they mean the same, which belong together, and how they are shown beside each other."""

from __future__ import annotations

import pytest

from boxwright.model.class_names import agree, beside, is_named, same_classes


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ((), False),
        (("0", "1", "2"), False),
        (("class0", "class1"), False),
        (("class 0", "class_1", "class-2"), False),
        (("item",), False),
        (("1", "0"), True),
        (("0", "one"), True),
        (("classroom", "class"), True),
        (("item", "other"), True),
    ],
)
def test_names_that_a_program_made_are_none(names, named):
    assert is_named(names) is named


@pytest.mark.parametrize(
    ("theirs", "mine", "same"),
    [
        (("red", "blue"), ("red", "blue"), True),
        (("Red ", "light  blue"), ("red", "light blue"), True),
        (("red", "blue"), ("blue", "red"), False),
        (("red", "blue"), ("red", "green"), False),
        (("red", "blue"), ("red", "blue", "green"), False),
        (("a", "A"), ("A", "a"), False),
        ((), ("red", "blue"), True),
        (("class0", "class1"), ("red", "blue"), True),
        (("0", "1"), ("1", "0"), False),
        (("red", "blue"), ("0", "1"), False),
        (("item",), ("raccoon",), True),
    ],
)
def test_lists_agree_name_by_name_or_where_the_weights_have_no_names(theirs, mine, same):
    assert agree(theirs, mine) is same


def test_every_class_has_one_partner_at_most_and_the_one_that_is_spelt_alike_first():
    assert same_classes(("Dog", "dog", "DOG", "cat"), ("cat", "dog", "Dog")) == ((0, 2), (1, 1), (3, 0))
    assert same_classes(("DOG ", "cat"), ("dog", "dog")) == ((0, 0),)


def test_few_classes_are_all_shown_and_of_many_those_that_differ():
    assert beside(("red", "blue"), ("blue", "red", "x")) == "0 red / blue, 1 blue / red, 2 - / x"
    many = [f"name {number}" for number in range(80)]
    assert beside(many, [*many[:78], "b", "a"]) == "78 name 78 / b, 79 name 79 / a"
    assert beside(many, many[::-1]).endswith(", 9 name 9 / name 70, and 70 more; the same names in another order")
