# SPDX-License-Identifier: Apache-2.0
"""`boxwright data check`: every finding as file:line, rule, what is done about it and how to mend it; a gate for CI."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import CheckSettings
from boxwright.data.index.index import Index
from boxwright.data.labels.findings import Finding, summary
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.layout import about_no_labels
from boxwright.data.splits.open_split import findings_of, label_of, source_of
from boxwright.data.splits.scan import Scan
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS
from boxwright.runs.inputs.open_data import locate_data
from boxwright.structures.answer import Answer
from boxwright.system.device import usable_cores
from boxwright.track.sinks.console import Progress


def run(resolved: Resolved[CheckSettings]) -> Answer:
    """Look at every image and label of every split."""
    dataset = read_dataset(locate_data(resolved.settings.data), needed=())
    scan = Scan(
        usable_cores(),
        clip_margin=dataset.policy.clip_margin,
        kind=dataset.kind,
        progress=Progress(f"checking {dataset.file}"),
    )
    indexes = {split: findings_of(dataset, split, scan) for split in dataset.sources}
    findings = {split: [*index.findings, *_about_split(dataset, split, index)] for split, index in indexes.items()}
    every = [finding for found in findings.values() for finding in found]
    bad = [one for one in every if one.severity == "error" or (resolved.settings.strict and one.severity == "warning")]
    lines = [
        (
            f"{dataset.file}: {dataset.num_classes} classes "
            f"({', '.join(dataset.names[:8])}{', ...' if dataset.num_classes > 8 else ''})"  # noqa: PLR2004 -- as many as are shown
        )
    ]
    for split, index in indexes.items():
        counts = index.counts()
        lines.append(
            f"{split}: {counts['used']} images used, {counts['skipped']} left out, {counts['background']} without "
            f"objects, {counts['boxes']} objects"
        )
        lines += [_line(finding) for finding in findings[split]]
    told = summary(every)
    lines.append(f"{len(every)} findings{f': {told}' if told else ''}" if every else "no findings")
    document = {
        "data": str(dataset.file),
        "names": dataset.names,
        "splits": {split: index.counts() for split, index in indexes.items()},
        "findings": [{"split": split, **asdict(finding)} for split, found in findings.items() for finding in found],
        "by_rule": Counter(finding.rule for finding in every),
        "ok": not bad,
    }
    return Answer(lines, document, dataset.notes, EXIT_FINDINGS if bad else EXIT_DONE)


def _line(finding: Finding) -> str:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    return (
        f"{place}: {finding.severity} [{finding.rule}] "
        f"{finding.text} "
        f"({finding.action}){f'. {finding.fix}' if finding.fix else ''}"
    )


def _about_split(dataset: Dataset, split: str, index: Index) -> list[Finding]:
    """Faults of the split as a whole."""
    found: list[Finding] = []
    places: dict[str, Any] = {"file": str(dataset.file), "line": None, "action": "kept"}
    if not len(index):
        found.append(
            Finding(
                **places,
                rule="no-images",
                severity="error",
                text=f"split '{split}' has no image that can be used",
                fix="Mend its images",
            )
        )
    elif not len(index.classes):
        looked_for = label_of(dataset, split, index, 0)
        fix = about_no_labels(source_of(dataset, split, index, 0), index.paths[0]) or "Check where the label files are"
        text = f"split '{split}' has no label (looked for {looked_for}, for example)"
        found.append(
            Finding(**places, rule="no-labels", severity="error" if split == "train" else "warning", text=text, fix=fix)
        )
    return found
