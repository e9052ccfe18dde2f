# SPDX-License-Identifier: Apache-2.0
"""How a study stands: plain values for its page and for programs, and lines for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.evolution.place import StudyFolder
from boxwright.evolution.time_left import seconds_left
from boxwright.search.insight import insight_of
from boxwright.search.job import Result, Stage
from boxwright.search.ledger import Ledger, Running
from boxwright.search.ranking import is_old, ranked, trials
from boxwright.search.records import command_of
from boxwright.search.verdict import Verdict, verdict_of
from boxwright.structures.answer import counted, table
from boxwright.track.sinks.epoch_row import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

BEST_SHOWN = 5
DAMAGED_SHOWN = 3
MAP50, MAP = "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"


def whole_trials(ledger: Ledger) -> dict[str, Result]:
    """Results of trials that were trained to the end, and those of earlier records: their numbers can be compared."""
    return {
        name: result
        for name, result in ledger.results().items()
        if result.job.stage is Stage.TRIAL and (result.job.epochs >= ledger.plan.epochs or is_old(result))
    }


class Overview:
    """How a study stands now, as `ledger` knows it since it looked last.

    `reason`: why whoever looks ends; `is_over`: nothing more will come.
    """

    def __init__(self, folder: StudyFolder, ledger: Ledger, reason: str = "", *, is_over: bool = False) -> None:
        self.folder, self.ledger, self.plan = folder, ledger, ledger.plan
        self.reason, self.is_over = reason, is_over
        self.done: Mapping[str, Result] = ledger.results()
        self.running = ledger.running()
        self.verdict = self._verdict()
        self.whole = whole_trials(ledger)
        self.ranking = ranked(result for result in self.whole.values() if not result.is_failed)

    def _verdict(self) -> Verdict | None:
        """What the verdict says; None before there is anything to judge."""
        judged = any(one.job.stage is Stage.VERDICT for one in self.done.values())
        if self.plan.verdict.seeds == 0 or not (judged or self.is_over):
            return None
        found = verdict_of(self.plan, self.done)
        return found if found.finalists or self.is_over else None  # whether nothing beats the start set is known last

    @property
    def start(self) -> Result | None:
        """What the start set came to, trained to the end; None before that is known."""
        found = [one for one in self.whole.values() if one.job.trial == 0 and not is_old(one)]
        return found[0] if found else None

    def left_s(self, workers: int) -> float | None:
        """Seconds that so many workers need for the rest."""
        return seconds_left(self.plan, self.done, workers)

    # -- for people

    def lines(self) -> list[str]:
        """A page of a terminal."""
        plan = self.plan
        network, data = plan.facts.get("network", ""), Path(str(plan.facts.get("data", ""))).name
        begun = len({job.trial for job in self.ledger.taken().values() if job.stage is Stage.TRIAL and job.trial >= 0})
        lines = [
            f"study {self.folder.path}: {plan.method}, {counted(plan.epochs, 'epoch')} a trial, {network} on {data}",
            self._about_trials(begun),
            *self._about_best(),
            *self._about_running(),
            *self._about_verdict(),
        ]
        damaged = list(self.ledger.damaged().items())
        lines += [f"passed over: {name} {why}" for name, why in damaged[:DAMAGED_SHOWN]]
        if stop := self.ledger.stopped():
            lines.append(f"stopped: {stop.reason}. The same command lets it go on")
        return lines

    def _about_trials(self, begun: int) -> str:
        known = trials(self.done)
        failed = sum(one.is_failed for one in known)
        own = [one for one in self.whole.values() if not is_old(one)]
        parts = [f"{counted(len(own), 'trial')} done" + (f" ({failed} failed)" if failed else "")]
        if len(own) < len(self.whole):
            parts.append(f"{len(self.whole) - len(own)} taken over")
        parts.append(f"{begun} begun")
        left = None if self.is_over else self.left_s(len(self.running))
        if left:
            parts.append(f"about {clock(left)} left with {counted(max(len(self.running), 1), 'worker')}")
        return ", ".join([*parts, *([self.reason] if self.reason else [])])

    def _about_best(self) -> list[str]:
        if not self.ranking:
            return []
        rows = [
            (one.job.name, f"{one.fitness:.4g}", _number(one, MAP50), _number(one, MAP), one.job.origin)
            for one in self.ranking[:BEST_SHOWN]
        ]
        start = self.start
        if start is not None and start not in self.ranking[:BEST_SHOWN]:
            rows.append(
                (start.job.name, f"{start.fitness:.4g}", _number(start, MAP50), _number(start, MAP), "start set")
            )
        return ["", *table(rows, ("trial", "fitness", "mAP50", "mAP50-95", "made as"))]

    def _about_running(self) -> list[str]:
        if not self.running:
            return []
        rows = [(one.job.name, one.worker, one.progress or "beginning", _silence(one)) for one in self.running]
        return ["", *table(rows, ("in training", "by", "at", ""))]

    def _about_verdict(self) -> list[str]:
        return [] if self.verdict is None else ["", *self.verdict.lines()]

    # -- for programs

    def document(self) -> dict[str, Any]:
        """The whole of it, as the page shows it and as programs get it."""
        plan, best, start = self.plan, next(iter(self.ranking), None), self.start
        best_values = {} if best is None else {**plan.start, **best.job.values}
        stop = self.ledger.stopped()
        return {
            "name": self.folder.path.name,
            "folder": str(self.folder.path),
            "method": plan.method,
            "state": "stopped" if stop else "over" if self.is_over else "running",
            "reason": stop.reason if stop else self.reason,
            "epochs": plan.epochs,
            "trials_planned": plan.trials,
            "seconds": sum(one.seconds for one in self.done.values()),
            "seconds_left": None if self.is_over else self.left_s(len(self.running)),
            "facts": plan.facts,
            "keys": [
                {
                    "name": key.name,
                    "low": key.low,
                    "high": key.high,
                    "start": plan.start.get(key.name),
                    "best": best_values.get(key.name),
                }
                for key in plan.keys
            ],
            "trials": [_row(one) for one in self.done.values()],
            "running": [{"name": one.job.name, "worker": one.worker, "at": one.progress} for one in self.running],
            "best": None if best is None else best.job.name,
            "start": None if start is None else start.job.name,
            "verdict": None if self.verdict is None else self.verdict.document(),
            "insight": insight_of(plan, self.done).document() if self.done else None,
            "fixed": [{"name": name, "why": why} for name, why in plan.facts.get("stays", [])],
            "command": command_of(self.folder.path, plan, self.folder.form) if best else "",
            **({"generation_size": plan.population.size} if plan.method == "population" else {}),
            "damaged": self.ledger.damaged(),
        }


def _row(result: Result) -> dict[str, Any]:
    job = result.job.document()
    more = {key: value for key, value in result.document().items() if key != "job"}
    return {**job, **more}


def _number(result: Result, key: str) -> str:
    value = result.results.get(key)
    return "" if value is None else f"{value:.4g}"


def _silence(one: Running) -> str:
    return f"silent for {one.silent_s:.0f} s" if one.silent_s > 30 else ""  # noqa: PLR2004 -- three signs of life
