# SPDX-License-Identifier: Apache-2.0
"""Settings of the run folder, the console and trackers."""

from __future__ import annotations

from typing import Literal

from boxwright.config.setting import Slice, Spelling, recipe_field, setting


class RunSettings(Slice):
    """Where a run is written and what is reported about it."""

    project: str = setting(
        "runs/train", "Folder of the runs.", Spelling(original=True, renamed=("logdir",)), min_length=1
    )
    name: str = setting(
        "exp", "Name of the run; numbered on when it exists. 'cfg' = the name of the network.", Spelling(original=True)
    )
    exist_ok: bool = setting(
        default=False, help_text="Use the run folder even if it exists.", spelling=Spelling(original=True)
    )
    noplots: bool = setting(default=False, help_text="Draw no pictures.", spelling=Spelling(original=True))
    result_file: str = setting("", "Write what the training came to into this file, as JSON.", Spelling(metavar="PATH"))
    bucket: str = setting(
        "", "Mirror the run to this address: gs://, s3://, file:// (bare NAME = gs://NAME).", Spelling(original=True)
    )
    bucket_every: float = setting(
        10.0, "Seconds between two looks at what a bucket lacks, at least.", Spelling(metavar="S"), ge=0, le=86400
    )
    bucket_wait: float = setting(
        120.0, "Seconds that a run waits at its end for its bucket, at most.", Spelling(metavar="S"), ge=0, le=86400
    )
    quiet: bool = setting(default=False, help_text="Print less.", spelling=Spelling(original=True))
    ndjson_console: bool = setting(
        default=False,
        help_text="Print every event as a line of JSON, and nothing else on stdout.",
        spelling=Spelling(original=True),
    )
    ndjson_file: bool = setting(
        default=False,
        help_text="Also write every event as a line of JSON, to events.ndjson in the run folder.",
        spelling=Spelling(original=True),
    )
    track: str = setting("", "Trackers beside CSV and TensorBoard, separated by commas.", Spelling(metavar="NAMES"))
    entity: str | None = setting(None, "Owner of the run at a tracker.", Spelling(original=True))
    upload_dataset: bool | Literal["val"] = setting(
        default=False,
        help_text="Upload the data set to a tracker, or its val split.",
        spelling=Spelling(original=True, bare=True),
    )
    bbox_interval: int = setting(
        -1, "Epochs between box images at a tracker; -1 = every epochs // 10.", Spelling(original=True), ge=-1
    )
    artifact_alias: str = setting("latest", "Version of the data set artifact at a tracker.", Spelling(original=True))
    results_file: Literal["csv", "txt"] = recipe_field("csv", "results.csv, or results.txt as in 2020.")
    run_folders: Literal["exp-exp2", "exp0-exp1"] = recipe_field("exp-exp2", "How run folders are numbered.")
    console: Literal["7.0", "6.0", "2020"] = recipe_field("7.0", "Columns of the console.")
    tensorboard_tags: Literal["csv", "2020.7", "2020.8"] = recipe_field("csv", "Names of the TensorBoard scalars.")


class EvolveSettings(Slice):
    """Hyperparameter evolution inside `train`."""

    evolve: int | None = setting(
        None, "Evolve hyperparameters for N generations.", Spelling(original=True, bare=300, metavar="N"), gt=0
    )
    evolve_population: str = setting(
        "", "Folder of hyperparameter files to start a population from.", Spelling(original=True, metavar="DIR")
    )
    resume_evolve: str = setting("", "Saved population to go on with.", Spelling(original=True, metavar="FILE"))
    evolve_method: Literal["population", "mutation"] = recipe_field(
        "population", "How the next set of hyperparameters is made."
    )
    evolve_mutation_probability: float = recipe_field(
        0.8, "Probability that a key mutates (method 'mutation').", gt=0, le=1
    )
    evolve_table: Literal["7.0", "6.0", "2020.8", "2020.7"] = recipe_field(
        "7.0", "Which keys evolve, and within what limits."
    )
    evolve_default_generations: int = recipe_field(300, "Generations of a bare --evolve.", ge=1)
    evolve_file: Literal["csv", "txt"] = recipe_field("csv", "evolve.csv, or evolve.txt as in 2020.")
    evolve_folder: Literal["project", "always-runs/evolve"] = recipe_field(
        "project", "Whether --project says where an evolution lies, or nothing does."
    )
