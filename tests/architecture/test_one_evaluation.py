# SPDX-License-Identifier: Apache-2.0
"""A validation is one function, whoever asks for it: epochs of a training, the end of a run, `val`, reports."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from tests.support.syntax import nodes_of

PACKAGE = Path(__file__).parents[2] / "src" / "boxwright"
THE_ONE = "runs/evaluation/evaluate.py"


@functools.cache
def all_calls() -> list[tuple[str, str]]:
    """Every call of the package: the name that is called, and where, as file:function."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = {
            id(node): function.name
            for function in nodes_of(path)
            if isinstance(function, ast.FunctionDef)
            for node in ast.walk(function)
        }
        place = path.relative_to(PACKAGE).as_posix()
        found += [
            (getattr(node.func, "attr", getattr(node.func, "id", "")), f"{place}:{inner.get(id(node), '')}")
            for node in nodes_of(path)
            if isinstance(node, ast.Call)
        ]
    return found


def calls(name: str, *, under: str = "") -> list[str]:
    """Where a name is called as a function."""
    return [place for called, place in all_calls() if called == name and place.startswith(under)]


def files_that_name(name: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in nodes_of(path)
        if name in {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")}
    }


def test_an_evaluator_is_made_in_one_function_and_a_training_and_everybody_else_come_to_it():
    assert calls("Evaluator") == [f"{THE_ONE}:evaluate"]
    assert calls("evaluate") == [
        "runs/evaluation/in_training.py:__call__",  # epochs and the end of a run
        "runs/evaluation/open_evaluation.py:run",  # `val`, its study, reports, errors, comparisons
    ]


def test_the_images_and_batches_of_a_validation_are_made_in_one_function():
    pictures_of_a_page = "runs/datasets/dataset_report.py:_mosaic"  # samples that are drawn, not judged
    assert calls("PlainSamples", under="runs/") == [pictures_of_a_page, f"{THE_ONE}:prepare"]
    assert calls("prepare") == ["runs/build.py:validation_data", "runs/evaluation/open_evaluation.py:run"]
    assert calls("SquareBatches") == ["runs/evaluation/plan.py:order"]


def test_the_rules_of_a_validation_are_written_in_its_plan_alone():
    assert files_that_name("VALIDATION_RULES") == {"infer/evaluator.py", "runs/evaluation/plan.py"}
    assert files_that_name("LabelRules") == {"infer/evaluator.py", "runs/evaluation/plan.py"}
