# SPDX-License-Identifier: Apache-2.0
"""What a training accepts, something reads: a setting that nothing asks for would be accepted and without effect."""

from __future__ import annotations

import ast
from pathlib import Path

from boxwright.config.schema.train import TrainSettings
from tests.support.syntax import nodes_of

PACKAGE = Path(__file__).parents[2] / "src" / "boxwright"
# Taken from old files and launch lines, and said to be without effect; an evolution is refused as a whole so far.
WITHOUT_EFFECT = {"iou_t", "local_rank"}
OF_AN_EVOLUTION = {key for key in TrainSettings.model_fields if key.startswith("evolve_")}


def read_names() -> set[str]:
    """Every attribute and every whole text in the program, apart from where settings are declared."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name in {"api.py", "options.py"} or path.parent.name == "schema":
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_every_setting_of_a_training_is_read_somewhere():
    assert set(TrainSettings.model_fields) - read_names() - OF_AN_EVOLUTION <= WITHOUT_EFFECT
