# SPDX-License-Identifier: Apache-2.0
"""A validation is one function, whoever asks for it: epochs of a training, the end of a run, `val`, reports."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "boxwright"
THE_ONE = "runs/evaluation/evaluate.py"


def calls(name: str, *, under: str = "") -> list[str]:
    """Where a name is called as a function, as file:function."""
    found = []
    for path in sorted((PACKAGE / under).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {
            id(node): function.name
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef)
            for node in ast.walk(function)
        }
        found += [
            f"{path.relative_to(PACKAGE).as_posix()}:{inner.get(id(node), '')}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and name == getattr(node.func, "attr", getattr(node.func, "id", ""))
        ]
    return found


def files_that_name(name: str) -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if name in {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")}:
                found.add(path.relative_to(PACKAGE).as_posix())
    return found


def test_an_evaluator_is_made_in_one_function_and_a_training_and_everybody_else_come_to_it():
    assert calls("Evaluator") == [f"{THE_ONE}:evaluate"]
    assert calls("evaluate") == [
        "runs/evaluation/in_training.py:__call__",  # epochs and the end of a run
        "runs/evaluation/open_evaluation.py:run",  # `val`, its study, reports, errors, comparisons
    ]


def test_the_images_and_batches_of_a_validation_are_made_in_one_function():
    pictures_of_a_page = "runs/datasets/dataset_report.py:_mosaic"  # samples that are drawn, not judged
    assert calls("PlainSamples", under="runs") == [pictures_of_a_page, f"{THE_ONE}:prepare"]
    assert calls("prepare") == ["runs/build.py:validation_data", "runs/evaluation/open_evaluation.py:run"]
    assert calls("SquareBatches") == ["runs/evaluation/plan.py:order"]


def test_the_rules_of_a_validation_are_written_in_its_plan_alone():
    assert files_that_name("VALIDATION_RULES") == {"infer/evaluator.py", "runs/evaluation/plan.py"}
    assert files_that_name("LabelRules") == {"infer/evaluator.py", "runs/evaluation/plan.py"}
