# SPDX-License-Identifier: Apache-2.0
"""Settings of the training loop: length, batch, device, saving, stopping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from boxwright.config.setting import Slice, Spelling, recipe_field, setting

MAX_SEED = 10**18  # below what every generator here takes

MAX_BATCH = 1 << 20  # more than there are images in the largest sets; validation takes twice as many


class LoopSettings(Slice):
    """What the trainer itself needs."""

    batch_size: int = setting(
        16,
        "Images per batch over all processes; -1 = as many as fit.",
        Spelling(original=True, names=("batch",), renamed=("total_batch_size",)),
        ge=-1,
        le=MAX_BATCH,
    )
    resume: bool | str = setting(
        default=False,
        help_text="Continue the newest run, or the one of this checkpoint.",
        spelling=Spelling(original=True, bare=True, metavar="PATH"),
    )
    nosave: bool = setting(default=False, help_text="Save only in the final epoch.", spelling=Spelling(original=True))
    noval: bool = setting(
        default=False,
        help_text="Validate only in the final epoch.",
        spelling=Spelling(original=True, renamed=("notest",)),
    )
    device: str = setting("", "cpu, mps, 0, or 0,1,2,3; '' = the first GPU, else the CPU.", Spelling(original=True))
    processes: int = setting(
        0,
        "Processes on this machine that train one network together; 0 = one for each of several devices, else one.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )
    engine: Literal["torch", "ray"] = setting(
        "torch", "Who starts several processes: torch, here or by torchrun; ray, as workers of Ray.", Spelling()
    )
    workers_ray: Annotated[str, BeforeValidator(str)] = setting(
        "1:8",
        "Workers of --engine ray: a number, or the fewest and the most, as many as the cluster has room for.",
        Spelling(metavar="N[:M]"),
        pattern=r"^[1-9][0-9]{0,2}(:[1-9][0-9]{0,2})?$",
    )
    rank_timeout: float = setting(
        30.0,
        "Seconds without a sign of life of a process after which all others end.",
        Spelling(metavar="SECONDS"),
        ge=1,
        le=3600,
    )
    max_restarts: int = setting(
        3,
        "How often several processes that were started together go on from the newest checkpoint when one is lost.",
        Spelling(metavar="N"),
        ge=0,
        le=1000,
    )
    log_ranks: bool = setting(
        default=False, help_text="Show the warnings of the other processes, too.", spelling=Spelling()
    )
    threads: int = setting(
        0,
        "Compute threads on a CPU; 0 = as many as there are cores for this process.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )
    kernels: Literal["auto", "portable"] = setting(
        "auto", "auto: compiled kernels where they were built; portable: never.", Spelling()
    )
    sync_bn: bool = setting(
        default=False, help_text="Share batch statistics between processes.", spelling=Spelling(original=True)
    )
    seed: int = setting(0, "Seed of everything random.", Spelling(original=True), ge=0, le=MAX_SEED)
    patience: int = setting(
        100, "Epochs without improvement before stopping; 0 = never stop.", Spelling(original=True), ge=0
    )
    save_period: int = setting(
        -1, "Also keep every epoch whose number divides by this; below 1 = off.", Spelling(original=True), ge=-1
    )
    save_steps: int = setting(0, "Also save after this many optimizer steps; 0 = off.", Spelling(), ge=0)
    save_minutes: float = setting(10.0, "Also save after this many minutes within an epoch; 0 = off.", Spelling(), ge=0)
    time: float = setting(0.0, "Stop after this many hours; 0 = no limit.", Spelling(metavar="HOURS"), ge=0)
    local_rank: int = setting(
        -1, "Accepted for old launch lines and ignored: the launcher's environment decides.", Spelling(original=True)
    )
    amp: Annotated[
        Literal["auto", "off", "bf16", "fp16"], BeforeValidator(lambda word: "off" if word == "fp32" else word)
    ] = setting("auto", "Mixed precision; auto = what the device does well, if it passes the self-test.", Spelling())
    amp_on_cpu: bool = recipe_field(default=True, help_text="Whether --amp auto may choose bf16 on a CPU that has it.")
    dry_run: bool = setting(default=False, help_text="Print the whole plan and write nothing.", spelling=Spelling())
    device_check: bool = setting(
        default=False, help_text="Run the self-test of the device and stop.", spelling=Spelling()
    )
    early_stopping: bool = recipe_field(default=True, help_text="Whether patience is looked at.")
    best_in_final_epoch: bool = recipe_field(
        default=True, help_text="Whether best.pt may be written in the final epoch."
    )
    max_nonfinite_steps: int = recipe_field(
        20, "Steps with a non-finite loss or gradient in a row that end the run.", ge=1
    )
    on_nonfinite: Literal["stop", "restore"] = setting(
        "stop",
        "After too many non-finite steps in a row: stop, or put the last good weights back and go on behind those "
        "batches.",
        Spelling(),
    )
    resume_settings: Literal["stored", "command-line"] = recipe_field("stored", "Whose settings count on --resume.")
    resume_backs_up_weights: bool = recipe_field(
        default=False, help_text="Copy the weights folder to weights_backup_epochN before resuming."
    )
    finetune_extends: Literal["resume", "any-weights"] = recipe_field(
        "resume",
        "Which start with more epochs behind it than --epochs trains that many more: resumed, or from any un-stripped "
        "weights.",
    )
