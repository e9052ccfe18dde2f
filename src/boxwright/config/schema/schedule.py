# SPDX-License-Identifier: Apache-2.0
"""Settings of the schedule: rates, momentum and accumulation over the course of a run."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import field_validator

from boxwright.config.setting import Slice, Spelling, hyperparameter, recipe_field, setting


class ScheduleSettings(Slice):
    """What `train.schedule` needs, beside the number of batches."""

    epochs: int = setting(100, "Epochs to train.", Spelling(original=True), gt=0)
    extend: Literal["auto", "stretch", "tail", "restart"] = setting(
        "auto",
        "How the learning rate goes on when --resume changes --epochs: the rest of the curve stretched, its last level "
        "kept, or a new curve from lr0 (auto: stretch, so that it never jumps up; --sgdr keeps its periods).",
        Spelling(),
    )
    lr_joins: tuple[str, ...] = setting(
        (),
        "Where resumes changed the length of the curve: KIND@EPOCH/EPOCHS BEFORE.",
        Spelling(many=True, metavar="JOIN"),
    )
    lr0: float = hyperparameter(0.01, "Learning rate after warm-up.", ge=0, le=10)
    lrf: float = hyperparameter(0.01, "Share of lr0 that the curve ends at.", ge=0, le=10)
    momentum: float = hyperparameter(0.937, "Momentum of SGD and RMSProp; first beta of Adam and AdamW.", ge=0, lt=1)
    warmup_epochs: float = hyperparameter(
        3.0, "Length of the warm-up in epochs (at least warmup_min_batches).", ge=0, le=1000
    )
    warmup_momentum: float = hyperparameter(0.8, "Momentum at the start of the warm-up.", ge=0, lt=1)
    warmup_bias_lr: float = hyperparameter(
        0.1, "Learning rate of biases at the start of the warm-up; the others start at 0.", ge=0, le=10
    )
    cos_lr: bool = setting(
        default=False, help_text="Follow a cosine from lr0 to lr0 * lrf.", spelling=Spelling(original=True)
    )
    linear_lr: bool = setting(
        default=False, help_text="Follow a straight line from lr0 to lr0 * lrf.", spelling=Spelling(original=True)
    )
    sgdr: str = setting(
        "",
        "Cosine annealing with warm restarts: first period in epochs, and what each next one is multiplied by (10,2); "
        "none below 1.",
        Spelling(metavar="T0[,Tmult]"),
        # a period of 0, or ever shorter ones, would never reach the end of a run
        pattern=r"^(|[1-9]\d*(\.\d+)?(,[1-9]\d*(\.\d+)?)?)$",
    )
    sgdr_peak: float = setting(
        1.0, "Factor on the peak of each next period of --sgdr.", Spelling(kind="recipe"), gt=0, le=1
    )
    lr_curve: Literal["linear", "cosine"] = recipe_field("linear", "Learning rate curve when no flag chooses one.")
    linear_ends_in_last_epoch: bool = recipe_field(
        default=False, help_text="The straight line reaches lrf in the last epoch instead of one after it."
    )
    warmup_min_batches: int = recipe_field(100, "Least length of the warm-up in batches.", ge=0)
    warmup_cap: bool = recipe_field(
        default=False, help_text="Limit the warm-up to half of the run, so that it cannot outlast a tiny one."
    )
    schedule_lag: Literal[0, 1] = recipe_field(
        1, "After the warm-up an epoch runs at the level of this many epochs before it."
    )
    nominal_batch: int = recipe_field(64, "Batch size that gradients are accumulated towards.", ge=1)
    ema_decay: float = recipe_field(
        0.9999,
        "Decay of the moving average of weights (EMA), reached in the long run.",
        gt=0,
        lt=1,
    )
    ema_ramp: int = recipe_field(
        2000, "Updates over which the decay of the EMA rises; a short run wants a short ramp.", ge=1
    )
    step_rule: Literal["since-last", "modulo"] = recipe_field(
        "since-last",
        "When the optimizer steps: enough batches since the last step, or the batch number divides by accumulate.",
    )

    @field_validator("lr_joins")
    @classmethod
    def _readable(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not re.fullmatch(r"(stretch|tail|restart|periods)@\d+/\d+", word):
                raise ValueError(word)
        return words
