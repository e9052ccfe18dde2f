# SPDX-License-Identifier: Apache-2.0
"""The page about model YAMLs says what is true.

Its examples build, its tables are those of the program, its faults are told so.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boxwright.documents import parse_yaml
from boxwright.errors import ModelError
from boxwright.model.detector import build, shape_only
from boxwright.model.grammar import ACTIVATIONS
from boxwright.model.signatures import NOT_OFFERED, REQUIRED, SIGNATURES
from boxwright.model.spec import MAX_BLOCKS, MAX_CHANNELS, MAX_REPEATS, MAX_ROWS, read_spec
from boxwright.model.spec_keys import IGNORED_KEYS, KNOWN_KEYS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "model-yaml.md").read_text()
EXAMPLE, *VARIATIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FAULTS = [
    line.split(maxsplit=1) for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
KEY = re.compile(r"^(?=\w+:)", re.MULTILINE)
PLACES = {
    "C33": ("6, C3,", "6, C33,"),
    "77": ("[-1, 4]", "[-1, 77]"),
    "-256": ("[256, 3, 2]", "[-256, 3, 2]"),
    "4": ("None, 2,", "None, 4,"),
}


def varied(variation: str) -> str:
    """The example with the keys of a variation instead of its own."""
    parts = {part.split(":")[0]: part for part in KEY.split(EXAMPLE) if part}
    return "".join({**parts, **{part.split(":")[0]: part for part in KEY.split(variation) if part}}.values())


def read(text: str):
    return read_spec(parse_yaml(text, "page.yaml"))


def test_the_example_builds():
    detector = build(read(EXAMPLE))
    assert detector.strides == (8, 16)
    assert not detector.spec.notes
    assert [row.index for row in detector.spec.rows if f"# {row.index}\n" in EXAMPLE] == [0, 1, 2, 3, 4, 5, 6, 9]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda text: text.splitlines()[0])
def test_every_variation_builds_and_varies(variation):
    described, plain = read(varied(variation)), read(EXAMPLE)
    assert shape_only(described).strides == (8, 16)
    assert described != plain
    assert not described.notes


def test_there_are_variations():
    assert len(VARIATIONS) == 5


def test_the_tagged_example_is_the_first_one_with_names():
    tagged = next(variation for variation in VARIATIONS if "fine]" in variation)
    assert [row.sources for row in read(varied(tagged)).rows] == [row.sources for row in read(EXAMPLE).rows]


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_module_stands_there_with_its_arguments(name):
    parameters = SIGNATURES[name].parameters
    words = ", ".join(p.name if p.default is REQUIRED else f"{p.name}={p.default}" for p in parameters)
    assert f"\n| `{name}` | {f'`{words}`' if words else 'no arguments'} |" in PAGE


def test_every_key_activation_and_refused_module_stands_there():
    keys = PAGE[PAGE.index("## Keys") : PAGE.index("## Rows")]
    assert all(f"`{key}`" in keys for key in KNOWN_KEYS | IGNORED_KEYS)
    assert ", ".join(f"`{name}`" for name in ACTIVATIONS) in PAGE
    assert all(f"`{name}`" in PAGE for name in NOT_OFFERED)
    inner = [name for name, signature in SIGNATURES.items() if signature.inner_repeat]
    sentence = re.search(r"\*\*number\*\*.*?repeat their inside", PAGE, re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(inner)
    assert (
        f"{MAX_ROWS} rows, {MAX_REPEATS} repeats of a row, {MAX_BLOCKS} blocks in all, {MAX_CHANNELS} channels" in PAGE
    )


@pytest.mark.parametrize(("word", "says"), FAULTS)
def test_every_fault_is_told_as_the_page_says(word, says):
    old, new = PLACES[word]
    assert old in EXAMPLE
    with pytest.raises(ModelError) as caught:
        shape_only(read(EXAMPLE.replace(old, new, 1)))
    assert re.fullmatch(rf"page\.yaml:\d+: {re.escape(says)}.*", str(caught.value))
