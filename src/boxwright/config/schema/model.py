# SPDX-License-Identifier: Apache-2.0
"""Settings of the network and where its weights come from."""

from __future__ import annotations

from typing import Literal

from boxwright.config.schema.class_names import NamesSettings
from boxwright.config.setting import Spelling, recipe_field, setting

MAX_GRID = 1024  # pixels; as wide as most images


class ModelSettings(NamesSettings):
    """Which network, started from which weights."""

    weights: str = setting("", "Weights to start from; '' = from scratch.", Spelling(original=True, metavar="PT"))
    cfg: str | None = setting(
        None,
        "Model YAML: a path or a packaged name (default: what the weights say, else yolov5s).",
        Spelling(original=True, metavar="YAML"),
    )
    anchors: float = setting(
        0.0, "Anchors per level for autoanchor to find; 0 = those of the network.", Spelling(kind="hyp"), ge=0, le=100
    )
    freeze: tuple[int | str, ...] = setting(
        (0,),
        "Rows that are not trained: one number N = the first N, several = exactly these; or name patterns.",
        Spelling(original=True, many=True, metavar="N"),
        min_length=1,
    )
    freeze_bn: bool = setting(
        default=False, help_text="Also keep the running statistics of frozen normalisation layers.", spelling=Spelling()
    )
    noautoanchor: bool = setting(
        default=False, help_text="Keep the anchors as they are.", spelling=Spelling(original=True)
    )
    autoanchor_threshold: float = recipe_field(
        0.98, "Fit new anchors when fewer boxes than this share can be learnt.", ge=0, le=1
    )
    autoanchor_on_resume: bool = recipe_field(default=False, help_text="Check anchors at every start, also on resume.")
    round_start_to_half: bool = recipe_field(
        default=True, help_text="Round weights and anchors of a new run once through half precision."
    )
    weights_carry_state: Literal["none", "optimizer", "optimizer-and-ema"] = recipe_field(
        "none", "What un-stripped weights bring along without --resume, beside themselves."
    )
    weights_start_from: Literal["model", "average"] = recipe_field(
        "model",
        "Which weights of an un-stripped file a training starts from: those that its optimizer remembers, or their "
        "moving average.",
    )
    unknown_weights: Literal["skip", "refuse"] = recipe_field(
        "skip", "Tensors of --weights that the network does not have: left out and said, or refused."
    )
    average_updates: Literal["stored", "from-epochs", "from-whole-epochs"] = recipe_field(
        "stored",
        "Updates that the moving average has behind it when a file of the original program goes on: as stored, or "
        "epochs times batches by accumulated batches, the last rounded down.",
    )
    skip_anchors_with: Literal["cfg-or-hyp", "cfg", "never"] = recipe_field(
        "cfg-or-hyp",
        "When the anchors stored in weights are not taken over: an explicit --cfg or hyp 'anchors', --cfg alone, or "
        "never.",
    )
    cfg_always_builds: bool = recipe_field(
        default=False, help_text="Build from --cfg even when the weights describe their network."
    )
    least_grid: int = recipe_field(
        32, "Pixels that image sides are a multiple of, at least; a network may ask for more.", ge=1, le=MAX_GRID
    )
    least_size_in_grids: int = recipe_field(2, "Least image size, as a multiple of that grid.", ge=1, le=MAX_GRID)
