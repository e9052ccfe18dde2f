# SPDX-License-Identifier: Apache-2.0
"""What pages and docstrings name exists: files, functions, dotted names, flags, variables, recipes for changes."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from pathlib import Path

import pytest
from test_house import FLOORS

from tests.support.every import every
from tests.support.syntax import nodes_of, tree_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "boxwright"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "changes").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMED = re.compile(r"`((?:[\w.\-]+/)*[\w.\-]+(?:\.(?:py|md|yaml|json|lock|toml|cpp|h)|/))(?::(\w+))?`")
TESTS = re.compile(r"`(test_\w+)`")
TREE_LINE = re.compile(r"^[│├└─ ]*([\w.\-/]+\.py|[\w.\-]+/)", re.MULTILINE)
BACKTICKED = re.compile(r"`([^`\n]+)`")
MODULE_PATH = re.compile(r"(?:[\w\-]+/)*\w+\.py")
ROOM_PATH = re.compile(r"[a-z_]+(?:/[a-z_]+)*/")
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?:\(\))?")
FLAG = re.compile(r"--[a-z][\w\-]+")
VARIABLE = re.compile(r"\bBOXWRIGHT_[A-Z_]+")


def located(name: str, page: Path = ROOT / "README.md") -> Path | None:
    for base in (page.parent, ROOT, PACKAGE, PACKAGE / "model", ROOT / "tests" / "architecture"):
        if (base / name).exists():
            return base / name
    return None


@functools.cache
def defined_in(path: Path) -> frozenset[str]:
    """Names of functions, classes, fields and constants of a file."""
    names = set()
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
            names |= {target.attr for target in targets if isinstance(target, ast.Attribute)}
            for many in (target for target in targets if isinstance(target, ast.Tuple)):
                names |= {one.attr for one in many.elts if isinstance(one, ast.Attribute)}
    return frozenset(names)


@functools.cache
def spelt() -> frozenset[str]:
    """Every name that code of the package spells."""
    return frozenset().union(*map(spelt_in, MODULES))


@functools.cache
def spelt_in(path: Path) -> frozenset[str]:
    """Every name that the code of a file spells, in whatever role, words of the texts in it included."""
    found: set[str] = set()
    tree = tree_of(path)
    texts = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, DOCUMENTED) and has_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.alias):
            found |= set(node.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            found |= set(re.findall(r"\w+", node.value))
    return frozenset(found | defined_in(path) | {path.stem, path.parent.name})


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def has_docstring(node: ast.AST) -> bool:
    return ast.get_docstring(node) is not None


def docstrings(path: Path) -> list[tuple[str, str]]:
    """Where and what, of the module, its classes and its functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = [(node, ast.get_docstring(node)) for node in nodes_of(path) if isinstance(node, kinds)]
    return [(getattr(node, "name", path.stem), text) for node, text in found if text]


def written() -> str:
    """Everything that tells users of flags and files."""
    return "\n".join(path.read_text() for path in [*PAGES, *MODULES, ROOT / "Makefile"])


EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@EVERY_PAGE
def test_every_file_and_function_that_a_page_names_exists(page):
    for name, function in NAMED.findall(page.read_text()):
        path = located(name, page)
        assert path is not None, f"{page.name} names {name}, which does not exist"
        if function:
            assert function in defined_in(path), f"{page.name} names {name}:{function}, which does not exist"


@EVERY_PAGE
def test_every_dotted_name_of_ours_that_a_page_spells_exists(page):
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    for name in DOTTED.findall(page.read_text()):
        parts = name.removesuffix("()").split(".")
        ours = parts[0] == "boxwright" or (f"`{name}`" in page.read_text() and parts[0] in rooms)
        if ours and not any(map(str.isupper, parts)):
            assert all(part in spelt() for part in parts), f"{page.name} spells {name}, which does not exist"


@EVERY_PAGE
def test_what_pages_import_from_us_is_there(page):
    for module, names in re.findall(r"^from (boxwright[\w.]*) import ([\w, ]+)$", page.read_text(), re.MULTILINE):
        path = PACKAGE.joinpath(*module.split(".")[1:])
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        assert file.is_file(), f"{page.name} imports {module}, which does not exist"
        for name in names.replace(" ", "").split(","):
            known = name in spelt_in(file) or (path / f"{name}.py").is_file()
            assert known, f"{page.name} imports {name} of {module}, which does not exist"


@every(MODULES, lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_a_docstring_puts_into_backticks_exists(path):
    bases = (path.parent, PACKAGE, ROOT)
    for owner, text in docstrings(path):
        for name in BACKTICKED.findall(text):
            place = f"{path.relative_to(PACKAGE)}: {owner}"
            if MODULE_PATH.fullmatch(name) or ROOM_PATH.fullmatch(name):
                assert any((base / name).exists() for base in bases), f"{place} names {name}, which does not exist"
            elif name.isidentifier():
                of_class = owner in {node.name for node in nodes_of(path) if isinstance(node, ast.ClassDef)}
                near = name in spelt_in(path) or (name in spelt() and (not of_class or "_" in name))
                near = near or name in spelt_in(PACKAGE / "__init__.py")  # what Python programs call
                assert near or name.isupper() or name in WORDS_OF_OTHERS, f"{place} names {name}, which does not exist"
            elif DOTTED.fullmatch(name) and name.split(".")[0] not in {"torch", "nn", "models"}:
                parts = name.removesuffix("()").split(".")
                real = all(part in spelt() for part in parts) or is_file_name(name) or any(map(str.isupper, parts))
                assert real, f"{place} names {name}, which does not exist"


def is_file_name(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in {"pt", "csv", "json", "jsonl", "yaml", "log", "txt", "html", "png", "xml", "bin"}


@every(MODULES, lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_and_tests_that_comments_and_docstrings_name_exist(path):
    """Without backticks too: what looks like a path of ours is one."""
    tests = {test.name for test in (ROOT / "tests").rglob("test_*.py")}
    for name in re.findall(r"(?<![\w/.*])((?:[a-z_]+/)*[a-z_]+\.py)\b", path.read_text()):
        known = any((base / name).exists() for base in (path.parent, PACKAGE, ROOT)) or name in tests
        assert known or name in FOREIGN, f"{path.relative_to(PACKAGE)} names {name}, which does not exist"


# Programs and verbs that docstrings name.
WORDS_OF_OTHERS = {"nohup", "info"}
# Files of the programs whose checkpoints and exports are read.
FOREIGN = {"common.py", "yolo.py", "__torch__.py"}


def flags_of_every_verb() -> set[str]:
    """What stands in the schema, read from its syntax: keys, other names, older names, shorthands."""
    found = {"--help", "--json", "--version"}
    for path in sorted((PACKAGE / "config" / "schema").glob("*.py")):
        for node in nodes_of(path):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(f"--{node.target.id}".replace("_", "-"))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable():
                found.add(f"--{node.value}".replace("_", "-"))
    return found


@EVERY_PAGE
def test_every_flag_that_a_page_gives_to_boxwright_exists(page):
    known = flags_of_every_verb()
    for command in re.findall(r"boxwright [a-z][^`\n|#]*", page.read_text()):
        for flag in FLAG.findall(command):
            assert flag.replace("_", "-") in known, f"{page.name} gives {flag} in: {command}"


def test_there_are_pages_that_name_functions():
    assert sum(bool(function) for page in PAGES for _, function in NAMED.findall(page.read_text())) > 15


def test_tests_that_pages_name_exist():
    known = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    known |= {name for path in (ROOT / "tests").rglob("test_*.py") for name in defined_in(path)}
    for page in PAGES:
        assert set(TESTS.findall(page.read_text())) <= known, page.name
    assert TESTS.findall((ROOT / "CONTRIBUTING.md").read_text())


HOUSES = (PACKAGE, PACKAGE / "model", PACKAGE / "runs", PACKAGE / "data")


def test_the_readme_is_short_and_its_tree_exists():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    tree = text.split("src/boxwright/\n")[1].split("```")[0]
    inside, outside = tree.split("\n\n")
    for name in TREE_LINE.findall(inside):
        assert any((base / name).exists() for base in HOUSES), name
    for name in TREE_LINE.findall(outside):
        assert (ROOT / name).exists(), name
    rooms = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(TREE_LINE.findall(inside)), "rooms that the README does not show"


def test_make_targets_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)`", page.read_text())) <= targets, page.name


def test_variables_of_the_environment_are_read_where_they_are_named():
    used = re.compile(r"environ(?:\.get)?[\[(]\"(BOXWRIGHT_[A-Z_]+)\"")
    by_package = {name for path in MODULES for name in used.findall(path.read_text())}
    by_tests = {name for path in (ROOT / "tests").rglob("*.py") for name in used.findall(path.read_text())}
    by_tests |= {name for path in (ROOT / "benchmarks").rglob("*.py") for name in used.findall(path.read_text())}
    assert by_package
    conftest = set(VARIABLE.findall((ROOT / "tests" / "conftest.py").read_text()))
    assert by_package <= conftest, "tests are not kept apart from a variable that the program reads"
    assert conftest <= by_package, "the tests clear a variable that nobody reads"
    assert set(VARIABLE.findall(written())) <= by_package | by_tests


def test_markers_of_tests_are_used():
    stated = set(re.findall(r"^  \"(\w+): ", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    used = {
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"pytest\.mark\.(\w+)", path.read_text())
    }
    assert stated
    assert stated <= used


def test_every_test_that_says_so_is_named_after_a_module_that_exists():
    """`tests/support` and friends, spelt as paths in docstrings and comments of tests."""
    for path in (ROOT / "tests").rglob("*.py"):
        for name in re.findall(r"\b(?:tests|src|docs|benchmarks)/[\w/.\-]+\.(?:py|md|json|yaml)", path.read_text()):
            known = (ROOT / name).exists() or (path.name == "test_documents_are_true.py")
            assert known, f"{path.relative_to(ROOT)} names {name}"


# Where the name of a package is not the one that it is imported by.
IMPORTED_AS = {"opencv-python-headless": "cv2", "pillow": "PIL", "pyyaml": "yaml"}


def test_what_is_required_is_used_and_named_in_the_decision():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    decision = (ROOT / "docs" / "decisions" / "0009-dependencies.md").read_text()
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name.split(".")[0]
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    names = {re.split(r"[<>=~!\[]", one)[0] for one in required}
    assert names
    for name in names:
        assert IMPORTED_AS.get(name, name) in imported, f"{name} is required and imported nowhere"
        assert name in decision, f"{name} is required and no decision says so"


def test_the_page_about_floors_shows_the_floors_that_are_kept():
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \|", (ROOT / "docs/explanation/floors-and-doors.md").read_text(), re.MULTILINE
    )
    shown = {
        name.removesuffix("/").removesuffix(".py"): int(floor)
        for floor, names in rows
        for name in BACKTICKED.findall(names)
    }
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert shown == {room: floor for room, floor in FLOORS.items() if room in there}


def test_the_map_for_contributors_names_one_file_and_one_test_for_each_kind_of_change():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert len(page.splitlines()) <= 120, "two pages at most"
    table = page.split("## Where a change goes")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| a")]
    kinds = {row[0].strip() for row in rows}
    asked = {"a block", "a loss term", "an augmentation", "a sink", "a tracker", "an export format", "a setting"}
    assert asked | {"a verb", "a metric", "a recipe field"} <= kinds
    known = {name for path in (ROOT / "tests").rglob("test_*.py") for name in defined_in(path)}
    for kind, touch, test, _ in rows:
        (file,) = BACKTICKED.findall(touch)
        assert (ROOT / file).is_file(), f"{kind}: {file}"
        (name,) = BACKTICKED.findall(test)
        assert name in known, f"{kind}: {name}"
