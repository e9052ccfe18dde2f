# SPDX-License-Identifier: Apache-2.0
"""Files of Python as syntax trees, each parsed and walked once for all tests that look at them."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file, breadth first."""
    return tuple(ast.walk(tree_of(path)))
