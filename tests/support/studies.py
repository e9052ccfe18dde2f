# SPDX-License-Identifier: Apache-2.0
"""Studies that were never trained, drawn from a made-up objective: content for a page, as real as numbers can be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

ETA, RUNGS, SIZE = 3, (3, 9, 27), 10  # of successive halving, in epochs; sets in a generation
SEEDS = range(101, 106)  # of the verdict
NAMES = {"precision": 1.4, "recall": 1.2, "mAP_0.5": 1.6, "mAP_0.5:0.95": 0.95}  # and what they are of the fitness
FAULTS = [
    ("out of memory", "CUDA out of memory at batch 16: 10.9 of 11.0 GiB were in use"),
    ("not finite", "the loss is nan in epoch 2; the last finite one was 812.4"),
]


class Key(NamedTuple):
    name: str
    low: float
    high: float
    start: float
    log: bool
    weight: float  # in the made-up objective

    def share(self, value):
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value(self, share):
        exact = self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        return float(f"{exact:.5g}")


KEYS = [
    Key("lr0", 1e-5, 0.1, 0.01, True, 0.5),
    Key("lrf", 0.01, 1.0, 0.01, True, 0.03),
    Key("momentum", 0.6, 0.98, 0.937, False, 0.1),
    Key("weight_decay", 0.0, 0.001, 0.0005, False, 0.01),
    Key("warmup_epochs", 0.0, 5.0, 3.0, False, 0.02),
    Key("warmup_momentum", 0.0, 0.95, 0.8, False, 0.0),
    Key("warmup_bias_lr", 0.0, 0.2, 0.1, False, 0.01),
    Key("box", 0.02, 0.2, 0.05, True, 0.08),
    Key("cls", 0.2, 4.0, 0.5, True, 0.12),
    Key("cls_pw", 0.5, 2.0, 1.0, True, 0.0),
    Key("obj", 0.2, 4.0, 1.0, True, 0.1),
    Key("obj_pw", 0.5, 2.0, 1.0, True, 0.0),
    Key("iou_t", 0.1, 0.7, 0.2, False, 0.0),
    Key("anchor_t", 2.0, 8.0, 4.0, True, 0.03),
    Key("anchors", 2.0, 10.0, 3.0, True, 0.0),
    Key("fl_gamma", 0.0, 2.0, 0.0, False, 0.02),
    Key("hsv_h", 0.0, 0.1, 0.015, False, 0.01),
    Key("hsv_s", 0.0, 0.9, 0.7, False, 0.0),
    Key("hsv_v", 0.0, 0.9, 0.4, False, 0.01),
    Key("degrees", 0.0, 45.0, 0.0, False, 0.02),
    Key("translate", 0.0, 0.9, 0.1, False, 0.05),
    Key("scale", 0.0, 0.9, 0.5, False, 0.06),
    Key("shear", 0.0, 10.0, 0.0, False, 0.0),
    Key("perspective", 0.0, 0.001, 0.0, False, 0.0),
    Key("flipud", 0.0, 1.0, 0.0, False, 0.01),
    Key("fliplr", 0.0, 1.0, 0.5, False, 0.0),
    Key("mosaic", 0.0, 1.0, 1.0, False, 0.05),
    Key("mixup", 0.0, 1.0, 0.0, False, 0.03),
    Key("copy_paste", 0.0, 1.0, 0.0, False, 0.0),
]
ALL = tuple(key.name for key in KEYS)
FEW = ("lr0", "momentum", "box", "cls", "obj", "translate", "scale", "mosaic")


@dataclass
class Maker:
    """Trains nothing. `failing` is the share of trainings that fail; at 1 the start set does too."""

    keys: list[Key]
    random: np.random.Generator
    failing: float
    noise: float = 0.006
    trials: list[dict] = field(default_factory=list)

    @property
    def start(self):
        return {key.name: key.start for key in self.keys}

    def train(self, name, trial, values, epochs, **more):
        fails = self.random.random() < self.failing and (trial or self.failing >= 1)
        failure, reason = FAULTS[int(self.random.integers(len(FAULTS)))] if fails else ("", "")
        fitness = 0.0 if fails else self._fitness(values, epochs)
        results = {f"metrics/{key}": round(fitness * factor, 5) for key, factor in NAMES.items()}
        one = {
            "name": name,
            "trial": trial,
            "stage": "trial",
            "values": values,
            "epochs": epochs,
            "horizon": RUNGS[-1],
            "seed": 0,
            "fitness": fitness,
            "results": {} if fails else results,
            "failure": failure,
            "reason": reason,
            "seconds": epochs * 41.0,
            "origin": "",
            "made_from": [],
            "goes_on_from": "",
            "worker": f"gpu-{trial % 2}-4711-9f3a",
            "plan_hash": "5e1f",
            "attempt": 0,
        }
        self.trials.append(one | more)
        return self.trials[-1]

    def _fitness(self, values, epochs):
        """Highest somewhere between the limits, higher after more epochs, and never twice the same."""
        loss = sum(key.weight * (key.share(values[key.name]) - 0.35) ** 2 for key in self.keys)
        return max(0.0, (0.52 - loss) * (1 - math.exp(-epochs / 6)) + float(self.random.normal(0, self.noise)))

    def anywhere(self):
        return {key.name: key.value(float(self.random.random())) for key in self.keys}

    def near(self, values, width):
        shares = {key: key.share(values[key.name]) + float(self.random.normal(0, width)) for key in self.keys}
        return {key.name: key.value(min(max(share, 0.0), 1.0)) for key, share in shares.items()}

    def good(self, among, count=5):
        return sorted((one for one in among if not one["failure"]), key=lambda one: -one["fitness"])[:count]

    def one_of(self, given):
        return given[int(self.random.integers(len(given)))]

    def whole(self):
        return [one for one in self.trials if one["epochs"] == RUNGS[-1] and one["stage"] == "trial"]

    # -- methods

    def mutation(self, trial):
        parents = self.good(self.trials)
        parent = self.one_of(parents) if parents else None
        values = self.near(parent["values"], 0.08) if parent and trial else self.start
        origin = f"mutated from trial {parent['name']}" if parent else "the start set"
        made_from = [one["name"] for one in parents]
        self.train(str(trial), trial, values, RUNGS[-1], origin=origin, made_from=made_from)

    def population(self, trial):
        generation = trial // SIZE
        before = [one for one in self.trials if one["trial"] // SIZE == generation - 1]
        parents = self.good(before)
        values = self.near(self.one_of(parents)["values"], 0.08) if parents else self.anywhere()
        origin = f"generation {generation}: {'crossed' if parents else 'drawn'}"
        made_from = [one["name"] for one in before]
        self.train(str(trial), trial, values, RUNGS[-1], origin=origin, made_from=made_from)

    def search(self, trial):
        parents = self.good(self.trials)
        parent = self.one_of(parents) if parents and self.random.random() < 0.7 else None
        values = self.near(parent["values"], 0.12) if parent else self.anywhere()
        origin = "proposed by tpe" if parent else "drawn"
        if trial == 0:
            values, origin = self.start, "the start set"
        before = self.train(f"{trial}-r0", trial, values, RUNGS[0], origin=origin)
        for rung, epochs in enumerate(RUNGS[1:], 1):
            beside = sorted(one["fitness"] for one in self.trials if one["epochs"] == before["epochs"])
            if before["failure"] or (trial and before["fitness"] < beside[-max(1, len(beside) // ETA)]):
                break
            before = self.train(f"{trial}-r{rung}", trial, values, epochs, origin=origin, goes_on_from=before["name"])

    # -- what a search adds

    def verdict(self, gain):
        """The best three against the start set, each over the same seeds; the best is better by about `gain`."""
        again = {"stage": "verdict", "origin": "with another seed"}
        chosen = self.good(self.whole(), 3)
        before = [self.train(f"v-start-s{seed}", 0, self.start, RUNGS[-1], seed=seed, **again) for seed in SEEDS]
        found = []
        for place, one in enumerate(chosen):
            trial, gaps = one["name"].split("-")[0], self.random.normal(gain * (1 - 0.4 * place), 0.006, len(SEEDS))
            for seed, gap, begun in zip(SEEDS, gaps.tolist(), before, strict=True):
                more = {"seed": seed, "made_from": [one["name"]], **again}
                judged = self.train(f"v-{trial}-s{seed}", one["trial"], one["values"], RUNGS[-1], **more)
                judged |= {"fitness": begun["fitness"] + gap, "failure": "", "reason": ""}
            found.append(_finalist(trial, one["values"], gaps))
        return _answered(found, self.start, self.trials)


def _finalist(trial, values, gaps):
    middle, half = float(gaps.mean()), 2.78 * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    return {
        "trial": trial,
        "verdict": "better" if middle > half else "not shown to be better",
        "values": values,
        "fitness": 0.4 + middle,
        "difference": {"value": middle, "low": middle - half, "high": middle + half},
        "probability": 0.5 + 0.5 * math.erf(middle / half * 1.39),
        "by_luck": 0.03,
        "won": int((gaps > 0).sum()),
        "pairs": len(gaps),
        "failed": 0,
    }


def _answered(found, start, trials):
    better = [one for one in found if one["verdict"] == "better"]
    answer = "Nothing that was found is shown to be better than what you had: keep your set."
    if better:
        effect = better[0]["difference"]
        answer = (
            f"Trial {better[0]['trial']} is better than what you had: {effect['value']:+.4f} fitness (95 % interval "
            f"{effect['low']:+.4f} to {effect['high']:+.4f}), better with {better[0]['won']} of {len(SEEDS)} seeds."
        )
    costs = {
        stage: {"trainings": len(mine), "epochs": sum(one["epochs"] for one in mine), "seconds": 41.0 * len(mine)}
        for stage, mine in (
            ("search", [one for one in trials if one["stage"] == "trial"]),
            ("verdict", [one for one in trials if one["stage"] == "verdict"]),
        )
    }
    return {
        "is_whole": True,
        "winner": better[0]["trial"] if better else None,
        "answer": answer,
        "seeds": len(SEEDS),
        "missing": 0,
        "start": {"values": start, "fitness": 0.4},
        "finalists": found,
        "trials": len({one["trial"] for one in trials}),
        "cost": costs,
    }


def _insight(keys):
    whole = sum(key.weight for key in keys) or 1.0
    pairs = ((0, 1, 22, 0.71, "reliable"), (1, 2, 8, 0.43, "unreliable: begin with longer trainings"))
    return {
        "rank_correlations": [
            {"epochs": RUNGS[low], "more_epochs": RUNGS[high], "trials": count, "spearman": value, "word": word}
            for low, high, count, value, word in pairs
        ],
        "keys": {key.name: {"importance": key.weight / whole, "matters": key.weight / whole > 0.05} for key in keys},
    }


def study(method="search", trials=60, keys=FEW, *, seed=0, failing=0.05, gain=0.03, state="over"):
    """The content of the page of a study: so many trials by a method, and of a search that is over its verdict."""
    maker = Maker([key for key in KEYS if key.name in keys], np.random.default_rng(seed), failing)
    for trial in range(trials):
        getattr(maker, method)(trial)
    best = next(iter(maker.good(maker.whole(), 1)), None)
    start = next((one for one in maker.whole() if one["values"] == maker.start), None)
    judged = method == "search" and state == "over" and best and start
    verdict = maker.verdict(gain) if judged else None
    return {
        "name": "bccd-nightly",
        "method": method,
        "state": state,
        "reason": "the study is done" if state == "over" else "",
        "lines": [f"searched: {', '.join(key.name for key in maker.keys)}", "every trial sees the same batches"],
        "facts": {
            "network": "yolov5n",
            "data": "/data/bccd.yaml",
            "images": {"train": 292, "val": 72},
            "classes": ["WBC", "RBC", "Platelets"],
            "budget": "",
            "workers": 2,
        },
        "epochs": RUNGS[-1],
        "trials_planned": max(trials, 60),
        "seconds": sum(one["seconds"] for one in maker.trials),
        "seconds_left": 4000.0 if state == "running" else None,
        "generation_size": SIZE if method == "population" else 0,
        "keys": [
            {
                "name": key.name,
                "low": key.low,
                "high": key.high,
                "log": key.log,
                "start": key.start,
                "best": best["values"][key.name] if best else None,
            }
            for key in maker.keys
        ],
        "fixed": [
            {"name": "iou_t", "why": "no trainer of this family reads it"},
            {"name": "fl_gamma", "why": "stands at 0, which no factor moves: give it a start value"},
        ],
        "trials": maker.trials,
        "running": [
            {"name": "61-r0", "worker": "gpu-0-4711-9f3a", "at": "epoch 2 of 3"},
            {"name": "17-r2", "worker": "gpu-1-4712-07bc", "at": "epoch 21 of 27"},
        ]
        if state == "running"
        else [],
        "best": best["name"] if best else None,
        "start": start["name"] if start else None,
        "verdict": verdict,
        "insight": _insight(maker.keys) if judged else None,
        "damaged": {},
        "command": "boxwright train --hyp runs/evolve/bccd-nightly/hyp_evolve.yaml --data bccd.yaml --cfg yolov5n.yaml",
    }
