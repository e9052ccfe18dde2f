# SPDX-License-Identifier: Apache-2.0
"""Settings of the verbs that look at things."""

from __future__ import annotations

from boxwright.config.schema.class_names import NamesSettings
from boxwright.config.schema.loop import MAX_SEED
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import Slice, Spelling, setting


class NoSettings(Slice):
    """A verb that takes nothing."""


class RecipesSettings(Slice):
    """`boxwright recipes`."""

    name: str = setting("", "Recipe to show; none = list them all.", Spelling(positional=True))
    diff: str = setting("", "Show only what differs from this other recipe.", Spelling(metavar="OTHER"))


class ScheduleVerbSettings(TrainSettings):
    """`boxwright schedule`."""

    batches_per_epoch: int = setting(
        100, "Batches per epoch: images divided by batch size, rounded up.", Spelling(), gt=0
    )
    out: str = setting("", "Also draw it: NAME.png.", Spelling(metavar="FILE"))


class ExplainSettings(TrainSettings):
    """`boxwright config explain`."""

    key: str = setting("", "The setting to explain.", Spelling(positional=True), min_length=1)


class ModelVerbSettings(Slice):
    """`boxwright model check`, and what `info` and `draw` share with it."""

    model: str = setting("", "Model YAML: a path or a packaged name.", Spelling(positional=True), min_length=1)
    imgsz: int = setting(
        640, "Image size that work and map sizes are counted at.", Spelling(names=("img",)), ge=32, le=8192
    )
    nc: int | None = setting(None, "Number of classes, instead of the one in the file.", Spelling(), gt=0)
    ch: int | None = setting(None, "Input channels, instead of those in the file.", Spelling(), gt=0)


class ModelInfoSettings(ModelVerbSettings):
    """`boxwright model info`."""

    batch_size: int = setting(1, "Images per batch, for memory and time.", Spelling(names=("batch",)), ge=1, le=1 << 16)
    profile: bool = setting(default=False, help_text="Measure the time of every row.")
    device: str = setting("", "Where to measure: cpu, mps, 0; '' = the first GPU, else the CPU.", Spelling())
    threads: int = setting(
        0,
        "Compute threads on a CPU; 0 = as many as there are cores for this process.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )


class ModelDrawSettings(ModelVerbSettings):
    """`boxwright model draw`."""

    out: str = setting("", "Picture to write: NAME.svg or NAME.png.", Spelling(metavar="FILE"), min_length=1)


class SampleSettings(Slice):
    """`boxwright data sample`."""

    out: str = setting("", "Folder to draw into (default: the cache).", Spelling(metavar="DIR"))
    seed: int = setting(0, "Another seed draws other pictures of the same kind.", Spelling(), ge=0, le=MAX_SEED)


class DemoSettings(TrainSettings):
    """`boxwright demo`: every setting of a training, from the packaged settings file `demo` on."""

    config: str = setting(
        "demo", "Settings file: the packaged one of the demonstration, or another.", Spelling(metavar="YAML")
    )


class ReportSettings(NamesSettings):
    """`boxwright report`."""

    runs: tuple[str, ...] = setting(
        (),
        "Run folders: one is validated and its page made again, several stand on one page.",
        Spelling(positional=True, many=True),
        min_length=1,
    )
    data: str = setting("", "Data set of one run (default: that of its training).", Spelling(metavar="YAML"))
    threads: int = setting(0, "Compute threads on a CPU; 0 = as in training.", Spelling(metavar="N"), ge=0, le=1024)
    project: str = setting("runs/report", "Folder of pages of several runs.", Spelling(), min_length=1)
    name: str = setting("exp", "Name of such a page's folder; numbered on when it exists.", Spelling())


class ErrorsSettings(NamesSettings):
    """`boxwright errors`."""

    run: str = setting("", "Run folder or one of its checkpoints.", Spelling(positional=True), min_length=1)
    data: str = setting("", "Data set to look at (default: that of the training).", Spelling(metavar="YAML"))
    threads: int = setting(0, "Compute threads on a CPU; 0 = as in training.", Spelling(metavar="N"), ge=0, le=1024)


class CompareSettings(NamesSettings):
    """`boxwright compare`."""

    runs: tuple[str, ...] = setting((), "Two run folders.", Spelling(positional=True, many=True), min_length=1)
    data: str = setting("", "Data set to judge both on (default: that of each).", Spelling(metavar="YAML"))
    rounds: int = setting(1000, "Draws of the images.", Spelling(), ge=10, le=100_000)
    threads: int = setting(0, "Compute threads on a CPU; 0 = as in training.", Spelling(metavar="N"), ge=0, le=1024)


class WatchSettings(Slice):
    """`boxwright watch`."""

    run: str = setting("", "Run folder.", Spelling(positional=True), min_length=1)
    once: bool = setting(default=False, help_text="Say how it stands, and end.")
    until_done: bool = setting(default=False, help_text="Stay when the run stops or dies, for whoever goes on with it.")


class ReplaySettings(Slice):
    """`boxwright replay`."""

    run: str = setting("", "Run folder.", Spelling(positional=True), min_length=1)


class BucketSyncSettings(Slice):
    """`boxwright bucket sync`."""

    run: str = setting("", "Run folder.", Spelling(positional=True), min_length=1)
    to: str = setting(
        "", "Place of the mirror, as s3://BUCKET/PROJECT/RUN (default: where it was).", Spelling(metavar="ADDRESS")
    )


class AnchorsSettings(Slice):
    """`boxwright anchors`."""

    data: str = setting("sample", "Data set: a YAML or a packaged name.", Spelling(original=True, metavar="YAML"))
    cfg: str = setting(
        "yolov5s",
        "Model YAML whose anchors are measured: a path or a packaged name.",
        Spelling(original=True, metavar="YAML"),
    )
    imgsz: tuple[int, ...] = setting(
        (640,),
        "Image size in pixels.",
        Spelling(original=True, names=("img",), many=True, metavar="PX"),
        min_length=1,
        max_length=2,
    )
    anchors: int = setting(
        0, "Anchors per level to find; 0 = as many as the network has.", Spelling(metavar="N"), ge=0, le=100
    )
    anchor_t: float = setting(
        4.0, "A box and an anchor fit while no side differs by this factor.", Spelling(), gt=1, le=100
    )
    generations: int = setting(
        1000, "Mutations that are tried on the clustered anchors.", Spelling(metavar="N"), ge=0, le=1_000_000
    )
    seed: int = setting(0, "Seed of the search.", Spelling(original=True), ge=0)
