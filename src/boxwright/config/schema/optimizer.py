# SPDX-License-Identifier: Apache-2.0
"""Settings of the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from boxwright.config.setting import Slice, Spelling, hyperparameter, recipe_field, setting

GroupName = Literal["bias", "weight", "norm"]
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSProp")


def _in_any_case(name: object) -> object:
    return next((known for known in OPTIMIZERS if known.lower() == str(name).lower()), name)


class OptimizerSettings(Slice):
    """Which optimizer, and how parameters are dealt to its three groups."""

    optimizer: Annotated[Literal["SGD", "Adam", "AdamW", "RMSProp"], BeforeValidator(_in_any_case)] = setting(
        "SGD", "Optimizer.", Spelling(original=True, shorthand=(("adam", "Adam"),))
    )
    weight_decay: float = hyperparameter(
        0.0005, "Weight decay of the 'weight' group at the nominal batch size.", ge=0, le=1
    )
    clip_norm: float = recipe_field(10.0, "Clip gradients to this global norm; 0 = do not clip.", ge=0)
    group_order: tuple[GroupName, GroupName, GroupName] = recipe_field(
        ("bias", "weight", "norm"),
        "Order of the parameter groups, which is the order of the learning rates x/lr0, x/lr1, x/lr2 in the logs.",
    )
    decay_rule: Literal["by-name", "not-batchnorm", "not-norm"] = recipe_field(
        "not-norm",
        "What decays: names with .weight and without .bn; every module's weight but BatchNorm's; every parameter but "
        "biases and norm weights.",
    )
    clear_gradients_each_epoch: bool = recipe_field(
        default=True, help_text="Drop gradients that are left over when an epoch begins."
    )
