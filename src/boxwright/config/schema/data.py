# SPDX-License-Identifier: Apache-2.0
"""Settings of the data: which set, how it is read, cached and drawn from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from boxwright.config.setting import Slice, Spelling, setting

MAX_IMAGE_SIZE = 8192  # pixels; one float32 activation of 16 channels is 4 GiB there


class DataSettings(Slice):
    """Where samples come from and in which form."""

    data: str = setting(
        "sample",
        "Data set: a YAML, a COCO JSON, a folder in VOC or COCO layout, or a packaged name.",
        Spelling(original=True, metavar="YAML"),
    )
    imgsz: tuple[Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE)], ...] = setting(
        (640,),
        "Image size in pixels: one, or two for training and validation.",
        Spelling(original=True, names=("img",), renamed=("img_size",), many=True, metavar="PX"),
        min_length=1,
        max_length=2,
    )
    rect: bool = setting(
        default=False,
        help_text="Train on rectangular batches of images of similar shape.",
        spelling=Spelling(original=True),
    )
    cache: Literal["off", "ram", "disk", "val"] = setting(
        "off",
        "Keep decoded images: in memory, on disk, or only the validation set in memory.",
        Spelling(original=True, renamed=("cache_images",), bare="ram"),
    )
    decoded_memory: float = setting(
        1.0,
        "GiB of decoded training images to keep in memory when --cache is off, if that much is free.",
        Spelling(metavar="GIB"),
        ge=0,
    )
    decode_pool: int = setting(
        0,
        "Take the other images of a mosaic from this many that the epoch came by last, so that each is decoded once. "
        "0: from all images.",
        Spelling(metavar="IMAGES"),
        ge=0,
    )
    image_weights: bool = setting(
        default=False,
        help_text="Draw images of rare and badly found classes more often.",
        spelling=Spelling(original=True),
    )
    multi_scale: bool = setting(
        default=False, help_text="Vary the size of each batch from 50 % to 150 %.", spelling=Spelling(original=True)
    )
    single_cls: bool = setting(default=False, help_text="Treat all classes as one.", spelling=Spelling(original=True))
    quad: bool = setting(
        default=False, help_text="Join four images into one of twice the size.", spelling=Spelling(original=True)
    )
    trust_cache: bool = setting(
        default=False,
        help_text="Take the index of the data from its cache without a look at the files.",
        spelling=Spelling(),
    )
    workers: int = setting(8, "Loader threads per process.", Spelling(original=True), ge=0, le=1024)
    strict: bool = setting(default=False, help_text="Treat every finding in the data as an error.", spelling=Spelling())
    allow_download: bool = setting(
        default=False, help_text="Allow fetching data and weights that are not here.", spelling=Spelling()
    )
