# SPDX-License-Identifier: Apache-2.0
"""The page of a hyperparameter study: one HTML file with the verdict on top and every trial in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.report.page import UNKNOWN, as_script, clear, rendered
from boxwright.report.study_content import (
    KeyInsight,
    RunningTrial,
    SearchedKey,
    StudyContent,
    StudyTrial,
)
from boxwright.report.study_numbers import counted, duration, finite, fitness_of, fitness_words, judges, number, short
from boxwright.report.study_verdict import verdict_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

METHODS = {
    "mutation": "Evolution by mutation",
    "population": "Evolution of a population",
    "search": "Search by successive halving",
}
BAR_PX = 120
FAR_APART = 4.0  # high over low, from which on a key goes by factors


def study_page(content: dict[str, Any]) -> str:
    """The whole page of what `StudyContent` describes. Texts are shown as text, whatever stands in them."""
    study = StudyContent.of(content)
    trials = study.trials
    keys = list({key["name"]: key for key in study.keys}.values())
    taught = study.insight.get("keys") or {}
    shares = {name: finite(one["importance"]) for name, one in taught.items()}
    verdict = study.verdict
    shown = {
        "name": study.name,
        "headline": _headline(study),
        "is_running": study.state == "running",
        "lines": study.lines,
        "facts": _facts(study),
        "command": study.command,
        "fixed": study.fixed,
        "searched": [_searched(key) for key in keys],
        "running": [_running(one) for one in study.running],
        "damaged": list(study.damaged.items()),
        "cards": _cards(study, trials),
        "verdict": verdict_shown(verdict, trials) if verdict else None,
        "differences": _differences(keys, taught),
        "has_best": study.best is not None,
        "best_is_start": study.best is not None and study.best == study.start,
        "has_importance": any(share is not None for share in shares.values()),
        "rungs": [
            (one["epochs"], one["more_epochs"], number(one["spearman"], "+.2f"), one["trials"], one.get("word", ""))
            for one in study.insight.get("rank_correlations") or []
        ],
        "generations": _generations(study, trials),
    }
    order = sorted(range(len(keys)), key=lambda i: -(shares.get(keys[i]["name"]) or 0.0))
    data = as_script(clear(_drawn(study, trials, keys) | {"order": order}))
    return rendered("study.html", "study.js", study=clear(shown), data=data)


def _headline(study: StudyContent) -> str:
    """By which method, and how it stands."""
    method = study.method
    words = ", ".join(filter(None, (METHODS.get(method, method), study.state)))
    return f"{words}: {study.reason}" if study.reason else words


def _facts(study: StudyContent) -> list[tuple[str, str]]:
    """What was trained on what, as far as it is known."""
    known = study.facts
    images = known.get("images") or {}
    epochs = study.epochs
    rows = (
        ("network", str(known.get("network") or "")),
        ("data", str(known.get("data") or "")),
        ("images", ", ".join(f"{split} {count:,}" for split, count in images.items())),
        ("classes", f"{len(known['classes']):,}" if known.get("classes") else ""),
        ("a whole training", counted(epochs, "epoch") if epochs else ""),
        ("budget", str(known.get("budget") or "")),
    )
    return [(name, text) for name, text in rows if text]


def _running(one: RunningTrial) -> tuple[str, str, str]:
    """Name, worker, how far it is."""
    return one["name"], one.get("worker", ""), one.get("at") or duration(one.get("seconds"))


def _cards(study: StudyContent, trials: Sequence[StudyTrial]) -> list[dict[str, str]]:
    """The study in a few numbers: name, value, and what belongs to it."""
    fitness = {trial["name"]: fitness_of(trial) for trial in trials}
    best, start = study.best, study.start
    known = fitness_words(fitness.get(start)) if start is not None else UNKNOWN
    of_start = "start set not measured" if known == UNKNOWN else f"start set {known}"
    judged = sum(judges(trial) for trial in trials)
    failed = sum(bool(trial.get("failure")) for trial in trials)
    tried = {(_is_old(trial), trial["trial"]) for trial in trials if not judges(trial)}
    planned, facts = study.trials_planned, study.facts
    running = len(study.running)
    about_trials = [
        f"of {planned:,}" if planned and not facts.get("budget") else "",
        counted(len(trials), "training"),
        f"{judged:,} of them for the verdict" if judged else "",
        f"{running:,} running" if running else "",
    ]
    left = study.seconds_left
    about_time = [
        counted(_spent(trials), "epoch"),
        counted(facts["workers"], "worker") if facts.get("workers") else "",
        f"about {duration(left)} left" if left else "",
    ]
    rows = (
        (
            "best fitness" + (" so far" if study.state == "running" else ""),
            fitness_words(fitness.get(best)) if best is not None else UNKNOWN,
            f"trial {best}; {of_start}" if best is not None else of_start,
        ),
        ("trials ended", f"{len(tried):,}", ", ".join(filter(None, about_trials))),
        ("trainings failed", f"{failed:,}", _kinds(trials)),
        ("of training", duration(study.seconds), ", ".join(filter(None, about_time))),
    )
    return [{"name": name, "value": value, "text": text} for name, value, text in rows]


def _is_old(trial: StudyTrial) -> bool:
    """Whether an earlier record brought it along, which does not say how long it was trained."""
    return not trial.get("epochs", 0) and not trial.get("horizon", 0)


def _spent(trials: Sequence[StudyTrial]) -> int:
    """Epochs that were trained: one that goes on from another adds only what follows."""
    until = {trial["name"]: trial.get("epochs", 0) for trial in trials}
    return sum(one.get("epochs", 0) - until.get(one.get("goes_on_from", ""), 0) for one in trials)


MAX_KINDS, LONGEST_KIND = 3, 60


def _kinds(trials: Iterable[StudyTrial]) -> str:
    """Kinds of failures, the most frequent first."""
    kinds = [trial.get("failure", "") for trial in trials if trial.get("failure")]
    each = sorted({kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}.items(), key=lambda one: -one[1])
    words = [f"{count:,} {kind[:LONGEST_KIND]}" for kind, count in each[:MAX_KINDS]]
    return ", ".join([*words, *(["others"] if len(each) > MAX_KINDS else [])]) or "none"


# -- hyperparameters


def _searched(key: SearchedKey) -> dict[str, str]:
    return {
        "name": key["name"],
        "low": short(key["low"]),
        "high": short(key["high"]),
        "start": short(key.get("start")),
        "steps": "factors" if _is_logarithmic(key) else "differences",
    }


def _is_logarithmic(key: SearchedKey) -> bool:
    """As it is said, and where nothing is said, whether its limits are far apart. A key that may be 0 is not."""
    return key["low"] > 0 and key.get("log", key["high"] >= FAR_APART * key["low"])


def _differences(keys: Iterable[SearchedKey], taught: Mapping[str, KeyInsight]) -> list[dict[str, Any]]:
    """What the best set has in place of the start set, the most important keys first, then those that moved most."""
    rows = []
    for key in keys:
        start, best = finite(key.get("start")), finite(key.get("best"))
        known = taught.get(key["name"]) or KeyInsight(importance=None)
        share = finite(known["importance"])
        width = abs(key["high"] - key["low"])
        moved = 0.0 if start is None or best is None else abs(best - start) / (width or 1.0)
        row = {
            "name": key["name"],
            "start": short(start),
            "best": short(best),
            "change": _change(start, best),
            "is_same": start == best,
            "share": "" if share is None else f"{100 * share:.0f} %",
            "width": 0 if share is None else round(BAR_PX * min(max(share, 0.0), 1.0)),
            "is_chance": share is not None and not known.get("matters", True),
        }
        rows.append((-(share or 0.0), -moved, row))
    return [row for _, _, row in sorted(rows, key=lambda one: one[:2])]


def _change(start: float | None, best: float | None) -> str:
    """By how much, and by which factor where there is one."""
    if start is None or best is None:
        return UNKNOWN
    if start == best:
        return "same"
    factor = f" (\N{MULTIPLICATION SIGN}{best / start:.3g})" if start * best > 0 else ""
    return f"{best - start:+.4g}{factor}"


def _generations(study: StudyContent, trials: Sequence[StudyTrial]) -> int:
    """How many generations there are to draw."""
    size = study.generation_size
    tried = [trial["trial"] for trial in trials if not judges(trial) and not _is_old(trial)]
    return max(tried, default=-1) // size + 1 if size > 0 else 0


# -- for the script


def _drawn(study: StudyContent, trials: Sequence[StudyTrial], keys: Sequence[SearchedKey]) -> dict[str, Any]:
    """What is drawn and searched, by column, so that thousands of trials stay small."""
    of_trials = dict.fromkeys(name for one in trials for name in one.get("values", {}))
    names = list(dict.fromkeys([*(key["name"] for key in keys), *of_trials]))
    results = list(dict.fromkeys(name for one in trials for name in one.get("results", {})))
    families: dict[tuple[str, ...], int] = {(): 0}  # sets that were made from the same ones share their names
    columns: dict[str, list[Any]] = {
        **{name: [one.get(name, 0) for one in trials] for name in ("trial", "epochs", "horizon")},
        **{name: [one.get(name, "") for one in trials] for name in ("name", "failure", "reason", "origin", "worker")},
        "before": [one.get("goes_on_from", "") for one in trials],
        "judges": [int(judges(one)) for one in trials],
        "old": [int(_is_old(one)) for one in trials],
        "seed": [one.get("seed") for one in trials],
        "fitness": [fitness_of(one) for one in trials],
        "seconds": [finite(one.get("seconds")) for one in trials],
        "family": [families.setdefault(tuple(one.get("made_from", [])), len(families)) for one in trials],
        "values": [[finite(one.get("values", {}).get(name)) for name in names] for one in trials],
        "results": [[finite(one.get("results", {}).get(name)) for name in results] for one in trials],
    }
    limits = [
        {name: finite(key.get(name)) for name in ("low", "high", "start", "best")}
        | {"name": key["name"], "log": _is_logarithmic(key)}
        for key in keys
    ]
    places = {one["name"]: i for i, one in enumerate(trials)}
    return {
        "keys": limits,
        "others": names[len(keys) :],
        "results": results,
        "columns": columns,
        "families": list(families),
        "epochs": study.epochs or max((one.get("horizon", 0) for one in trials), default=0),
        "best": places.get(study.best or "", -1),
        "start": places.get(study.start or "", -1),
        "generation_size": study.generation_size,
    }
