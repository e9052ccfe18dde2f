# SPDX-License-Identifier: Apache-2.0
"""`make changelog`: the fragments of this folder as the section of a release."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("added", "changed", "fixed", "removed", "security")
NAME = re.compile(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md")
WIDTH = 120


class FragmentError(Exception):
    """A file of the folder is no fragment."""


def fragments(folder: Path) -> dict[str, list[str]]:
    """The texts by kind, in the order of their names. Raises FragmentError that names the file."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        named = NAME.fullmatch(path.name)
        text = " ".join(path.read_text(encoding="utf-8").split())
        if named is None:
            raise FragmentError(f"{path}: is no fragment. Name it NAME.KIND.md, KIND one of {', '.join(KINDS)}")
        if not text or text.startswith("-"):
            raise FragmentError(f"{path}: holds no sentence. Write what is different, without a leading dash")
        found[named[1]].append(text)
    return found


def section(version: str, found: dict[str, list[str]]) -> str:
    """One release in Markdown."""
    lines = [f"## {version}", ""]
    for kind in KINDS:
        if found[kind]:
            lines += [f"### {kind.capitalize()}", ""]
            for text in found[kind]:
                lines += textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
            lines.append("")
    return "\n".join(lines)


def release(folder: Path, changelog: Path, version: str) -> None:
    """Move the fragments into the changelog, above what stands there, and remove them."""
    text, new = changelog.read_text(encoding="utf-8"), section(version, fragments(folder))
    head, mark, rest = text.partition("\n## ")
    whole = f"{head.rstrip()}\n\n{new.rstrip()}\n" + (f"{mark}{rest}" if mark else "")
    changelog.write_text(whole, encoding="utf-8")
    for path in folder.glob("*.md"):
        if NAME.fullmatch(path.name):
            path.unlink()


def main(words: list[str]) -> str:
    """What to print: the section to come, or what was done."""
    if words and words[0]:
        release(HERE, HERE.parent / "CHANGELOG.md", words[0])
        return f"CHANGELOG.md has a section {words[0]}"
    return section("Unreleased", fragments(HERE))


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except FragmentError as error:
        sys.exit(f"error: {error}")
