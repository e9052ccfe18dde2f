# SPDX-License-Identifier: Apache-2.0
"""`boxwright data check`: every finding as file:line, rule, what is done about it and how to mend it; a gate for CI."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import CheckSettings
from boxwright.data.labels.findings import Finding, summary
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS
from boxwright.runs.datasets.scan_dataset import document_of, scan_dataset
from boxwright.structures.answer import Answer

SHOWN_NAMES = 8


def run(resolved: Resolved[CheckSettings]) -> Answer:
    """Look at every image and label of every split."""
    scanned = scan_dataset(resolved.settings.data, "checking")
    dataset, findings = scanned.dataset, scanned.findings()
    every = [finding for found in findings.values() for finding in found]
    bad = [one for one in every if one.severity == "error" or (resolved.settings.strict and one.severity == "warning")]
    more = ", ..." if dataset.num_classes > SHOWN_NAMES else ""
    lines = [f"{dataset.file}: {dataset.num_classes} classes ({', '.join(dataset.names[:SHOWN_NAMES])}{more})"]
    for split, index in scanned.indexes.items():
        counts = index.counts()
        lines.append(
            f"{split}: {counts['used']} images used, {counts['skipped']} left out, {counts['background']} without "
            f"objects, {counts['boxes']} objects"
        )
        lines += [_line(finding) for finding in findings[split]]
    lines += [_line(finding) for split in dataset.absent for finding in findings[split]]
    told = summary(every)
    lines.append(f"{len(every)} findings{f': {told}' if told else ''}" if every else "no findings")
    document = {**document_of(scanned, findings), "ok": not bad}
    return Answer(lines, document, dataset.notes, EXIT_FINDINGS if bad else EXIT_DONE)


def _line(finding: Finding) -> str:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    fix = f". {finding.fix}" if finding.fix else ""
    return f"{place}: {finding.severity} [{finding.rule}] {finding.text} ({finding.action}){fix}"
