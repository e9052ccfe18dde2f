# SPDX-License-Identifier: Apache-2.0
"""Every change that waits for a release stands in a fragment that can be assembled."""

from __future__ import annotations

from pathlib import Path

import pytest

from changes.assemble import FragmentError, fragments, release, section

ROOT = Path(__file__).parents[2]


def test_fragments_of_the_tree_are_short_sentences_of_a_known_kind():
    texts = [text for kind in fragments(ROOT / "changes").values() for text in kind]
    for text in texts:
        assert text.endswith("."), text
        assert len(text) < 500, text


def test_a_section_holds_every_fragment_below_its_kind(tmp_path):
    (tmp_path / "b.fixed.md").write_text("A second\nmend.\n")
    (tmp_path / "a.fixed.md").write_text("A mend.\n")
    (tmp_path / "new.added.md").write_text("A verb.\n")
    (tmp_path / "README.md").write_text("# no fragment\n")
    assert section("1.0", fragments(tmp_path)) == (
        "## 1.0\n\n### Added\n\n- A verb.\n\n### Fixed\n\n- A mend.\n- A second mend.\n"
    )


def test_a_release_stands_above_the_one_before_and_its_fragments_are_gone(tmp_path):
    folder, changelog = tmp_path / "changes", tmp_path / "CHANGELOG.md"
    folder.mkdir()
    changelog.write_text("# Changelog\n\nHead.\n")
    for version in ("1.0", "1.1"):
        (folder / "one.changed.md").write_text(f"What {version} does.\n")
        release(folder, changelog, version)
        assert not list(folder.iterdir())
    assert changelog.read_text() == (
        "# Changelog\n\nHead.\n"
        "\n## 1.1\n\n### Changed\n\n- What 1.1 does.\n"
        "\n## 1.0\n\n### Changed\n\n- What 1.0 does.\n"
    )


@pytest.mark.parametrize(("name", "text"), [("x.md", "A."), ("x.broken.md", "A."), ("X.added.md", "A.")])
def test_a_file_that_is_no_fragment_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FragmentError, match=name):
        fragments(tmp_path)


@pytest.mark.parametrize("text", ["", "- A list."])
def test_a_fragment_without_a_sentence_is_named(tmp_path, text):
    (tmp_path / "x.added.md").write_text(text)
    with pytest.raises(FragmentError, match=r"x\.added\.md"):
        fragments(tmp_path)
