# SPDX-License-Identifier: Apache-2.0
"""`boxwright data convert`: label files, COCO JSON or Pascal VOC from any of the three.

Written anew in a folder of its own, never in place.
"""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import ConvertSettings
from boxwright.runs.datasets.convert import convert
from boxwright.structures.answer import Answer


def run(resolved: Resolved[ConvertSettings]) -> Answer:
    """Read every split and write it."""
    settings = resolved.settings
    found = convert(settings)
    written = f"{sum(found.images.values())} images in {len(found.images)} splits written to {found.folder}"
    return Answer(
        [f"{written} ({settings.to})", str(found.yaml)],
        {"yaml": str(found.yaml), "images": found.images, "format": settings.to},
        found.notes,
    )
