# SPDX-License-Identifier: Apache-2.0
"""Every image and label of every split, with all that is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from boxwright.data.index.index import Index
from boxwright.data.labels.findings import Finding, Severity
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.open_split import about_no_objects, findings_of, guesses
from boxwright.data.splits.overlap import overlaps
from boxwright.data.splits.scan import Scan
from boxwright.errors import DataError
from boxwright.runs.inputs.open_data import locate_data
from boxwright.system.device import usable_cores
from boxwright.track.sinks.console import Progress


@dataclass(frozen=True)
class ScannedDataset:
    """A data set and an index with findings for each split."""

    dataset: Dataset
    indexes: dict[str, Index]

    def findings(self) -> dict[str, list[Finding]]:
        """What is wrong, by split: of its files, and of the split as a whole. Of two splits, at the later one."""
        found = {
            split: [*index.findings, *_about_split(self.dataset, split, index)] for split, index in self.indexes.items()
        }
        for split, finding in overlaps(self.dataset, self.indexes):
            found[split].append(finding)
        for split, why in self.dataset.absent.items():
            found[split] = [_about_absent(self.dataset, split, why)]
        return found


def scan_dataset(data: str, doing: str) -> ScannedDataset:
    """Look at everything; `doing` is what the progress says."""
    dataset = read_dataset(locate_data(data), needed=())
    scan = Scan(
        usable_cores(),
        clip_margin=dataset.policy.clip_margin,
        kind=dataset.kind,
        progress=Progress(f"{doing} {dataset.file}"),
    )
    return ScannedDataset(dataset, {split: findings_of(dataset, split, scan) for split in dataset.sources})


def document_of(scanned: ScannedDataset, findings: dict[str, list[Finding]]) -> dict[str, Any]:
    """Counts and findings as one document."""
    return {
        "data": str(scanned.dataset.file),
        "names": scanned.dataset.names,
        "splits": {split: index.counts() for split, index in scanned.indexes.items()},
        "findings": [{"split": split, **finding.record()} for split, found in findings.items() for finding in found],
        "by_rule": Counter(finding.rule for found in findings.values() for finding in found),
    }


def _about_absent(dataset: Dataset, split: str, why: DataError) -> Finding:
    """A split that is named and cannot be had. Few have a test split; a training takes the others."""
    severity: Severity = "warning" if split == "test" else "error"
    return Finding(str(dataset.file), None, "absent", severity, f"split '{split}': {why.what}", "kept", why.remedy)


def _about_split(dataset: Dataset, split: str, index: Index) -> list[Finding]:
    """Faults of the split as a whole."""
    places: dict[str, Any] = {"file": str(dataset.file), "line": None, "action": "kept"}
    found = [
        Finding(**places, rule="misread", severity="error", text=f"split '{split}': {guess.text}", fix=guess.fix)
        for guess in guesses(dataset, split, index)
    ]
    if not len(index):
        text, fix = f"split '{split}' has no image that can be used", "Mend its images"
        found.append(Finding(**places, rule="no-images", severity="error", text=text, fix=fix))
    elif not len(index.classes):
        text, fix = about_no_objects(index, dataset, split)
        none = Finding(**places, rule="no-labels", severity="warning", text=f"split '{split}': {text}", fix=fix)
        found.append(replace(none, severity="error") if split == "train" else none)
    return found
