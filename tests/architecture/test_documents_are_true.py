# SPDX-License-Identifier: Apache-2.0
"""What the pages name exists: files, functions, commands, recipes for changes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "boxwright"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
NAMED = re.compile(r"`((?:[\w.\-]+/)*[\w.\-]+(?:\.(?:py|md|yaml|json|lock|toml)|/))(?::(\w+))?`")
TESTS = re.compile(r"`(test_\w+)`")
TREE_LINE = re.compile(r"^[│├└─ ]*([\w.\-/]+\.py|[\w.\-]+/)", re.MULTILINE)


def located(name: str, page: Path = ROOT / "README.md") -> Path | None:
    for base in (page.parent, ROOT, PACKAGE, PACKAGE / "model", ROOT / "tests" / "architecture"):
        if (base / name).exists():
            return base / name
    return None


def defined_in(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_function_that_a_page_names_exists(page):
    for name, function in NAMED.findall(page.read_text()):
        path = located(name, page)
        assert path is not None, f"{page.name} names {name}, which does not exist"
        if function:
            assert function in defined_in(path), f"{page.name} names {name}:{function}, which does not exist"


def test_there_are_pages_that_name_functions():
    assert sum(bool(function) for page in PAGES for _, function in NAMED.findall(page.read_text())) > 15


def test_tests_that_the_contributing_page_names_exist():
    known = {name for path in (ROOT / "tests").rglob("test_*.py") for name in defined_in(path)}
    named = set(TESTS.findall((ROOT / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= known


def test_the_readme_is_short_and_its_tree_exists():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    tree = text.split("src/boxwright/\n")[1].split("```")[0]
    inside, outside = tree.split("\n\n")
    for name in TREE_LINE.findall(inside):
        assert any((base / name).exists() for base in (PACKAGE, PACKAGE / "model")), name
    for name in TREE_LINE.findall(outside):
        assert (ROOT / name).exists(), name


def test_make_targets_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z]+)`", page.read_text())) <= targets, page.name
