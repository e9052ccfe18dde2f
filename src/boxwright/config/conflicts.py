# SPDX-License-Identifier: Apache-2.0
"""Settings that exclude each other, refused before anything is made: nothing that cannot act passes in silence."""

from __future__ import annotations

from typing import Any

from boxwright.config.load import Resolved
from boxwright.errors import SettingError

QUAD_GROUP = 4


def refuse_conflicts(resolved: Resolved[Any]) -> None:
    """Raise for the first pair of settings that cannot both be meant."""
    settings = resolved.settings
    asked = {key for key, source in resolved.sources.items() if source.typed}
    for wrong, keys, what, remedy in (
        *_rules(settings),
        *_about_batches(settings, asked),
        *_about_engines(settings, asked),
    ):
        if wrong:
            raise SettingError(" + ".join(place_of(resolved, key) for key in keys), what, remedy)


def _rules(s: Any) -> tuple[tuple[bool, tuple[str, ...], str, str], ...]:
    curves = [key for key, on in (("cos_lr", s.cos_lr), ("linear_lr", s.linear_lr), ("sgdr", bool(s.sgdr))) if on]
    return (
        (
            s.batch_size == 0,
            ("batch_size",),
            "batch_size is 0",
            "Give a whole number from 1, or -1 to take as many as fit",
        ),
        (
            s.cfg == "" and (not s.weights or s.cfg_always_builds),
            ("cfg",),
            "an empty --cfg leaves no network to build",
            "Leave --cfg out or name a network",
        ),
        (
            s.rect and s.image_weights,
            ("rect", "image_weights"),
            "rectangular batches have a fixed order, image weights draw one",
            "Leave one of them out",
        ),
        (
            s.quad and s.batch_size > 0 and s.batch_size % QUAD_GROUP > 0,
            ("quad", "batch_size"),
            f"quad joins four images, and {s.batch_size} does not divide by 4",
            "Choose a batch size that does",
        ),
        (len(curves) > 1, tuple(curves), "only one learning rate curve can be followed", "Keep one of them"),
        (
            bool(s.evolve) and s.batch_size == -1,
            ("evolve", "batch_size"),
            "evolution needs a fixed batch size",
            "Give --batch-size a number",
        ),
        (
            bool(s.evolve) and bool(s.bucket),
            ("evolve", "bucket"),
            "a study is not sent to a bucket yet",
            "Leave --bucket out",
        ),
        (
            bool(s.evolve) and "," in s.device,
            ("evolve", "device"),
            "a trial of an evolution runs on one device",
            "Start one --evolve process per device on the same folder",
        ),
        (
            s.aug == "none" and s.albumentations,
            ("aug", "albumentations"),
            "--aug none leaves every image as it is",
            "Leave one of them out",
        ),
        (
            s.ndjson_console and s.dry_run,
            ("ndjson_console", "dry_run"),
            "a dry run has no events to print",
            "Leave one of them out",
        ),
        (
            s.close_mosaic > 0 and s.mosaic == 0 and s.mixup == 0,
            ("close_mosaic",),
            "there is no mosaic or mixup to close",
            "Leave it out, or set mosaic above 0",
        ),
    )


MIXING = ("mosaic", "mixup", "copy_paste", "mosaic_border_random")
CHANGING = (
    *MIXING,
    "hsv_h",
    "hsv_s",
    "hsv_v",
    "degrees",
    "translate",
    "scale",
    "shear",
    "perspective",
    "flipud",
    "fliplr",
)


def _about_batches(s: Any, asked: set[str]) -> tuple[tuple[bool, tuple[str, ...], str, str], ...]:
    """Augmentation that was typed for this run and cannot act.

    A file of hyperparameters, or an opt.yaml that holds them, names all of them whether they are meant or not.
    """
    mixing = [key for key in MIXING if key in asked and getattr(s, key) > 0]
    changing = [key for key in CHANGING if key in asked and getattr(s, key) > 0]
    without = [key for key in MIXING[1:] if key in asked and getattr(s, key) > 0 and s.mosaic == 0]
    return (
        (s.rect and bool(mixing), ("rect", *mixing), "rectangular batches hold single images", "Leave one of them out"),
        (
            s.quad and s.image_weights,
            ("quad", "image_weights"),
            "quad joins neighbours of an order that image weights draw anew",
            "Leave one of them out",
        ),
        (s.rect and s.quad, ("rect", "quad"), "quad joins square images", "Leave one of them out"),
        (
            s.aug == "none" and bool(changing),
            ("aug", *changing),
            "--aug none leaves every image as it is",
            "Leave one of them out",
        ),
        (
            s.aug == "none" and s.close_mosaic > 0,
            ("aug", "close_mosaic"),
            "--aug none makes no mosaic that could be closed",
            "Leave one of them out",
        ),
        (
            bool(without) and s.aug != "none",
            tuple(without),
            "works on mosaics, and mosaic is 0",
            "Set mosaic above 0, or leave it out",
        ),
        (
            s.decode_pool > 0 and (s.rect or s.aug == "none" or s.mosaic == 0),
            ("decode_pool", "rect" if s.rect else "aug" if s.aug == "none" else "mosaic"),
            "a pool gives mosaics their images, and there are none",
            "Leave one of them out",
        ),
        (
            s.decode_pool > 0 and s.image_weights,
            ("decode_pool", "image_weights"),
            "a pool follows the order of an epoch, which image weights draw anew from each validation",
            "Leave one of them out",
        ),
        (
            s.decode_pool > 0 and s.cache in {"ram", "disk"},
            ("decode_pool", "cache"),
            "all images are kept decoded, so a pool spares nothing",
            "Leave one of them out",
        ),
        (
            bool(s.class_weights) and s.cls == 0,
            ("class_weights", "cls"),
            "a class loss of gain 0 cannot be weighed",
            "Leave one of them out",
        ),
        (
            s.rect and s.close_mosaic > 0,
            ("rect", "close_mosaic"),
            "rectangular batches have no mosaic that could be closed",
            "Leave one of them out",
        ),
    )


def _about_engines(s: Any, asked: set[str]) -> tuple[tuple[bool, tuple[str, ...], str, str], ...]:
    on_ray = s.engine == "ray"
    fewest, _, most = s.workers_ray.partition(":")
    return (
        (
            on_ray and "processes" in asked and s.processes > 0,
            ("engine", "processes"),
            "Ray starts the workers, and --processes starts some here",
            "Give --workers-ray instead of it",
        ),
        (
            not on_ray and "workers_ray" in asked,
            ("workers_ray",),
            "it says how many workers Ray starts, and the engine is torch",
            "Give --engine ray with it",
        ),
        (
            int(fewest) > int(most or fewest),
            ("workers_ray",),
            f"{s.workers_ray} has more as the fewest workers than as the most",
            f"Turn it round: {most}:{fewest}",
        ),
    )


def place_of(resolved: Resolved[Any], key: str) -> str:
    """Where a setting was written, with its name."""
    source = resolved.sources[key].place
    return source if key in source.replace("-", "_") else f"{key} ({source})"
