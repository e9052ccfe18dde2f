# SPDX-License-Identifier: Apache-2.0
"""What the functions of the Python interface take beside their named parameters, as types.

Each is a setting of the schema with the same name, which also says what it does and what it may be; a test holds both
equal. None is the same as leaving it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

from boxwright.config.schema.export import Format

StrPath: TypeAlias = str | Path
Words: TypeAlias = str | Sequence[str]
Numbers: TypeAlias = float | Sequence[float]
Formats: TypeAlias = Format | Sequence[Format]
ClassWeights: TypeAlias = str | Sequence[str | float] | Mapping[str, float]


class TrainOptions(TypedDict, total=False):
    """The rest of what `boxwright.train` takes."""

    evolve_method: Literal["population", "mutation"] | None
    evolve_mutation_probability: float | None
    evolve_table: Literal["7.0", "6.0", "2020.8", "2020.7"] | None
    evolve_default_generations: int | None
    evolve_file: Literal["csv", "txt"] | None
    evolve_folder: Literal["project", "always-runs/evolve"] | None
    bucket: str | None
    bucket_every: float | None
    bucket_wait: float | None
    ndjson_console: bool | None
    ndjson_file: bool | None
    track: str | None
    entity: str | None
    upload_dataset: bool | Literal["val"] | None
    bbox_interval: int | None
    artifact_alias: str | None
    results_file: Literal["csv", "txt"] | None
    run_folders: Literal["exp-exp2", "exp0-exp1"] | None
    console: Literal["7.0", "6.0", "2020"] | None
    tensorboard_tags: Literal["csv", "2020.7", "2020.8"] | None
    keep_best: Words | None
    val_pad: float | None
    val_batch_factor: int | None
    val_iou: float | None
    final_val: Literal["best", "coco-last-and-best", "none"] | None
    final_iou: float | None
    final_iou_coco: float | None
    coco_rule: Literal["val-entry", "80-classes", "data-path"] | None
    final_per_class: Literal["always", "under-50"] | None
    strip: Literal["both", "best"] | None
    rename_with_name: bool | None
    hsv_h: float | None
    hsv_s: float | None
    hsv_v: float | None
    degrees: float | None
    translate: float | None
    scale: float | None
    shear: float | None
    perspective: float | None
    flipud: float | None
    fliplr: float | None
    mosaic: float | None
    mixup: float | None
    copy_paste: float | None
    mixup_beta: float | None
    mosaic_border_random: bool | None
    aug: Literal["full", "none"] | None
    close_mosaic: int | None
    albumentations: bool | None
    box: float | None
    cls: float | None
    cls_pw: float | None
    obj: float | None
    obj_pw: float | None
    iou_t: float | None
    anchor_t: float | None
    fl_gamma: float | None
    class_weights: ClassWeights | None
    box_loss: Literal["ciou", "giou"] | None
    gr: float | None
    obj_gain_by_size: bool | None
    obj_gain_four_levels: float | None
    balance_other_levels: Numbers | None
    autobalance: bool | None
    sort_obj_iou: bool | None
    weight_decay: float | None
    clip_norm: float | None
    group_order: Sequence[Literal["bias", "weight", "norm"]] | None
    decay_rule: Literal["by-name", "not-batchnorm", "not-norm"] | None
    clear_gradients_each_epoch: bool | None
    extend: Literal["auto", "stretch", "tail", "restart"] | None
    lr_joins: Words | None
    lr0: float | None
    lrf: float | None
    momentum: float | None
    warmup_epochs: float | None
    warmup_momentum: float | None
    warmup_bias_lr: float | None
    linear_lr: bool | None
    sgdr: str | None
    sgdr_peak: float | None
    lr_curve: Literal["linear", "cosine"] | None
    linear_ends_in_last_epoch: bool | None
    warmup_min_batches: int | None
    warmup_cap: bool | None
    schedule_lag: Literal[0, 1] | None
    nominal_batch: int | None
    ema_decay: float | None
    ema_ramp: int | None
    step_rule: Literal["since-last", "modulo"] | None
    nosave: bool | None
    noval: bool | None
    processes: int | None
    engine: Literal["torch", "ray"] | None
    workers_ray: str | int | None
    rank_timeout: float | None
    max_restarts: int | None
    log_ranks: bool | None
    kernels: Literal["auto", "portable"] | None
    result_file: StrPath | None
    sync_bn: bool | None
    save_steps: int | None
    save_minutes: float | None
    amp_on_cpu: bool | None
    device_check: bool | None
    early_stopping: bool | None
    best_in_final_epoch: bool | None
    max_nonfinite_steps: int | None
    on_nonfinite: Literal["stop", "restore"] | None
    resume_settings: Literal["stored", "command-line"] | None
    resume_backs_up_weights: bool | None
    finetune_extends: Literal["resume", "any-weights"] | None
    decoded_memory: float | None
    decode_pool: int | None
    quad: bool | None
    trust_cache: bool | None
    strict: bool | None
    allow_download: bool | None
    names_by_position: bool | None
    match_names: bool | None
    anchors: float | None
    freeze_bn: bool | None
    noautoanchor: bool | None
    autoanchor_threshold: float | None
    autoanchor_on_resume: bool | None
    round_start_to_half: bool | None
    weights_carry_state: Literal["none", "optimizer", "optimizer-and-ema"] | None
    weights_start_from: Literal["model", "average"] | None
    unknown_weights: Literal["skip", "refuse"] | None
    average_updates: Literal["stored", "from-epochs", "from-whole-epochs"] | None
    skip_anchors_with: Literal["cfg-or-hyp", "cfg", "never"] | None
    cfg_always_builds: bool | None
    least_grid: int | None
    least_size_in_grids: int | None
    default_hyp: str | None
    default_hyp_finetune: str | None
    later_hyp_keys: Words | None


class ValOptions(TypedDict, total=False):
    """The rest of what `boxwright.validate` takes."""

    names_by_position: bool | None
    match_names: bool | None
    processes: int | None
    result_file: StrPath | None
    threads: int | None
    square: bool | None
    agnostic_nms: bool | None
    nms: Literal["exact", "parity"] | None
    at_conf: float | None
    ci: int | None
    errors: bool | None
    save_txt: bool | None
    save_hybrid: bool | None
    save_conf: bool | None
    save_json: bool | None
    ids: StrPath | None
    verbose: bool | None
    project: StrPath | None
    name: str | None
    exist_ok: bool | None
    noplots: bool | None


class PredictOptions(TypedDict, total=False):
    """The rest of what `boxwright.predict` takes."""

    names_by_position: bool | None
    match_names: bool | None
    agnostic_nms: bool | None
    threads: int | None
    save_conf: bool | None
    save_format: Literal[0, 1] | None
    save_csv: bool | None
    data: StrPath | None
    vid_stride: int | None
    view_img: bool | None
    visualize: bool | None
    line_thickness: int | None
    hide_labels: bool | None
    hide_conf: bool | None


class ExportOptions(TypedDict, total=False):
    """The rest of what `boxwright.export` takes."""

    conf_thres: float | None
    iou_thres: float | None
    max_det: int | None
    opset: int | None
    candidates: int | None
    agnostic_nms: bool | None
    licence: str | None
    threads: int | None
