# SPDX-License-Identifier: Apache-2.0
"""`boxwright data report`: what is in a data set, as a page and as JSON."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import ReportSettings
from boxwright.runs.datasets.dataset_report import write_report
from boxwright.structures.answer import Answer


def run(resolved: Resolved[ReportSettings]) -> Answer:
    """Count, compare, draw, write."""
    page, document, notes = write_report(resolved.settings)
    lines = [
        f"{split}: {facts['images']} images, {facts['objects']} objects, {facts['backgrounds']} backgrounds"
        for split, facts in document["splits"].items()
    ]
    anchors = document["anchors"]
    lines += [
        f"{len(document['duplicates'])} pairs of pictures alike, {len(document['leakage'])} of them in two splits",
        (
            f"{anchors['recall']:.1%} of the training boxes fit the anchors of {anchors['network']}, "
            f"{anchors['per_box']:.2f} anchors each"
        ),
        *(f"- {what}. {remedy}" for what, remedy in document["advice"]),
    ]
    return Answer([*lines, str(page)], document, notes)
