# SPDX-License-Identifier: Apache-2.0
"""Studies that were never trained, drawn from a made-up objective: content for a page, as real as numbers can be."""

from __future__ import annotations

import math

import numpy as np

# name, low, high, start, is logarithmic, and how much it matters to the made-up objective
KEYS = [
    ("lr0", 1e-5, 0.1, 0.01, True, 0.5), ("lrf", 0.01, 1.0, 0.01, True, 0.03), ("momentum", 0.6, 0.98, 0.937, False, 0.1),
    ("weight_decay", 0.0, 0.001, 0.0005, False, 0.01), ("warmup_epochs", 0.0, 5.0, 3.0, False, 0.02),
    ("warmup_momentum", 0.0, 0.95, 0.8, False, 0.0), ("warmup_bias_lr", 0.0, 0.2, 0.1, False, 0.01),
    ("box", 0.02, 0.2, 0.05, True, 0.08), ("cls", 0.2, 4.0, 0.5, True, 0.12), ("cls_pw", 0.5, 2.0, 1.0, True, 0.0),
    ("obj", 0.2, 4.0, 1.0, True, 0.1), ("obj_pw", 0.5, 2.0, 1.0, True, 0.0), ("iou_t", 0.1, 0.7, 0.2, False, 0.0),
    ("anchor_t", 2.0, 8.0, 4.0, True, 0.03), ("anchors", 2.0, 10.0, 3.0, True, 0.0),
    ("fl_gamma", 0.0, 2.0, 0.0, False, 0.02), ("hsv_h", 0.0, 0.1, 0.015, False, 0.01), ("hsv_s", 0.0, 0.9, 0.7, False, 0.0),
    ("hsv_v", 0.0, 0.9, 0.4, False, 0.01), ("degrees", 0.0, 45.0, 0.0, False, 0.02), ("translate", 0.0, 0.9, 0.1, False, 0.05),
    ("scale", 0.0, 0.9, 0.5, False, 0.06), ("shear", 0.0, 10.0, 0.0, False, 0.0),
    ("perspective", 0.0, 0.001, 0.0, False, 0.0), ("flipud", 0.0, 1.0, 0.0, False, 0.01),
    ("fliplr", 0.0, 1.0, 0.5, False, 0.0), ("mosaic", 0.0, 1.0, 1.0, False, 0.05), ("mixup", 0.0, 1.0, 0.0, False, 0.03),
    ("copy_paste", 0.0, 1.0, 0.0, False, 0.0),
]  # fmt: skip
SHORT = ("lr0", "momentum", "box", "cls", "obj", "translate", "scale", "mosaic")
NAMES = [f"metrics/{name}" for name in ("precision", "recall", "mAP_0.5", "mAP_0.5:0.95")]
ETA, RUNGS, SIZE = 3, (3, 9, 27), 10  # of successive halving, in epochs; sets in a generation
FAULTS = [
    ("out of memory", "CUDA out of memory at batch 16: 10.9 of 11.0 GiB were in use"),
    ("not finite", "the loss is nan in epoch 2; the last finite one was 812.4"),
]


def _share(key, value):
    _, low, high, _, log, _ = key
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)


def _value(key, share):
    _, low, high, _, log, _ = key
    return float(f"{low * (high / low) ** share if log else low + share * (high - low):.5g}")


def _fitness(keys, values, epochs, random, noise):
    """Highest somewhere between the limits, higher after more epochs, and never twice the same."""
    loss = sum(key[5] * (_share(key, values[key[0]]) - 0.35) ** 2 for key in keys)
    return max(0.0, (0.52 - loss) * (1 - math.exp(-epochs / 6)) + float(random.normal(0, noise)))


def study(method="search", trials=60, keys=SHORT, *, seed=0, failing=0.05, noise=0.006, claimed=True, state="over"):
    """A study of so many trials by a method. `failing` is the share of trainings that fail."""
    random = np.random.default_rng(seed)
    chosen = [key for key in KEYS if key[0] in keys]
    start = {key[0]: key[3] for key in chosen}
    listed = []

    def train(name, trial, values, epochs, **more):
        failure, reason = FAULTS[int(random.integers(2))] if random.random() < failing and (trial or failing >= 1) else ("", "")
        fitness = 0.0 if failure else _fitness(chosen, values, epochs, random, noise)
        results = {} if failure else {key: round(fitness * factor, 5) for key, factor in zip(NAMES, (1.4, 1.2, 1.6, 0.95), strict=True)}
        horizon = RUNGS[-1]
        one = {"name": name, "trial": trial, "stage": "trial", "values": values, "epochs": epochs, "horizon": horizon, "seed": 0,
               "fitness": fitness, "results": results, "failure": failure, "reason": reason, "seconds": epochs * 41.0 + float(random.random()),
               "origin": "", "made_from": [], "goes_on_from": "", "worker": f"gpu-{trial % 2}-4711-9f3a", "plan_hash": "5e1f", "attempt": 0, **more}  # fmt: skip
        listed.append(one)
        return one

    {"search": _search, "mutation": _mutation, "population": _population}[method](train, listed, chosen, start, trials, random)
    whole = [one for one in listed if one["epochs"] == RUNGS[-1] and not one["failure"]]
    best = max(whole, key=lambda one: one["fitness"], default=None)
    first = next((one for one in reversed(listed) if one["trial"] == 0 and method != "population"), None)
    content = _plan(method, chosen, start, best, first, listed, state, trials)
    if method == "search" and best and first and state == "over":
        content["verdict"] = _verdict(content, train, whole, start, claimed, random)
        content["insight"] = _insight(chosen)
    content["seconds"] = sum(one["seconds"] for one in listed)
    return content


def _insight(chosen):
    whole = sum(key[5] for key in chosen) or 1.0
    pairs = ((0, 1, 22, 0.71, "reliable"), (1, 2, 8, 0.43, "unreliable: begin with longer trainings"))
    return {
        "rank_correlations": [
            {"epochs": RUNGS[low], "more_epochs": RUNGS[high], "trials": count, "spearman": value, "word": word}
            for low, high, count, value, word in pairs
        ],
        "keys": {key[0]: {"importance": key[5] / whole, "matters": key[5] / whole > 0.05} for key in chosen},
    }


def _plan(method, chosen, start, best, first, listed, state, trials):
    fixed = [{"name": "iou_t", "why": "has no effect in this recipe"}, {"name": "fl_gamma", "why": "stands at 0, which no factor moves: give it a start value"}]
    return {
        "name": "bccd-nightly", "method": method, "state": state, "reason": "the study is done" if state == "over" else "",
        "lines": [f"{len(chosen)} hyperparameters of yolov5n on bccd.yaml at 160 pixels, 27 epochs", "ends after 2,000 epochs or with the last trial", "seed 0; every trial sees the same batches"],
        "facts": {"network": "yolov5n", "data": "/data/bccd.yaml", "images": {"train": 292, "val": 72}, "classes": ["WBC", "RBC", "Platelets"], "budget": "", "workers": 2},
        "epochs": RUNGS[-1], "trials_planned": max(trials, 60), "seconds_left": 4000.0 if state == "running" else None,
        "generation_size": SIZE if method == "population" else 0,
        "keys": [{"name": key[0], "low": key[1], "high": key[2], "log": key[4], "start": start[key[0]], "best": best["values"][key[0]] if best else None} for key in chosen],
        "fixed": [one for one in fixed if one["name"] not in start],
        "trials": listed,
        "running": [{"name": "61-r0", "worker": "gpu-0-4711-9f3a", "at": "epoch 2 of 3"}, {"name": "17-r2", "worker": "gpu-1-4712-07bc", "at": "epoch 21 of 27"}] if state == "running" else [],
        "best": best["name"] if best else None, "start": first["name"] if first else None, "verdict": None, "insight": None, "damaged": {},
        "command": "boxwright train --data bccd.yaml --cfg yolov5n.yaml --hyp runs/evolve/bccd-nightly/hyp_evolve.yaml --imgsz 160 --epochs 27",
    }  # fmt: skip


def _drawn_around(chosen, values, random, width):
    """A set near another one, within the limits."""
    shares = {key[0]: min(max(_share(key, values[key[0]]) + float(random.normal(0, width)), 0.0), 1.0) for key in chosen}
    return {key[0]: _value(key, shares[key[0]]) for key in chosen}


def _search(train, listed, chosen, start, trials, random):
    for trial in range(trials):
        good = sorted((one for one in listed if not one["failure"]), key=lambda one: -one["fitness"])[:5]
        parent = good[int(random.integers(len(good)))] if good and random.random() < 0.7 else None
        values = dict(start) if trial == 0 else _drawn_around(chosen, parent["values"], random, 0.12) if parent else {key[0]: _value(key, float(random.random())) for key in chosen}
        origin = "the start set" if trial == 0 else "proposed by tpe" if parent else "drawn"
        before = train(f"{trial}-r0", trial, values, RUNGS[0], origin=origin, made_from=[parent["name"]] if parent else [])
        for rung, epochs in enumerate(RUNGS[1:], 1):
            beside = sorted(one["fitness"] for one in listed if one["epochs"] == before["epochs"])
            if before["failure"] or (trial and before["fitness"] < beside[-max(1, len(beside) // ETA)]):
                break
            before = train(f"{trial}-r{rung}", trial, values, epochs, origin=origin, goes_on_from=before["name"])


def _mutation(train, listed, chosen, start, trials, random):
    for trial in range(trials):
        good = sorted((one for one in listed if not one["failure"]), key=lambda one: -one["fitness"])[:5]
        parent = good[int(random.integers(len(good)))] if good else None
        values = _drawn_around(chosen, parent["values"], random, 0.08) if parent and trial else dict(start)
        train(str(trial), trial, values, RUNGS[-1], origin=f"mutated from trial {parent['name']}" if parent else "the start set", made_from=[one["name"] for one in good])


def _population(train, listed, chosen, start, trials, random):
    for trial in range(trials):
        generation = trial // SIZE
        before = [one for one in listed if one["trial"] // SIZE == generation - 1]
        good = sorted(before, key=lambda one: -one["fitness"])[: SIZE // 2]
        values = _drawn_around(chosen, good[int(random.integers(len(good)))]["values"], random, 0.08) if good else {key[0]: _value(key, float(random.random())) for key in chosen}
        train(str(trial), trial, values, RUNGS[-1], origin=f"generation {generation}: {'crossed' if good else 'drawn'}", made_from=[one["name"] for one in before])


def _verdict(content, train, whole, start, claimed, random):
    """The best three against the start set, each over the same five seeds."""
    seeds = range(101, 106)
    again = {"stage": "verdict", "worker": "gpu-0-4711-9f3a"}
    before = [train(f"v-start-s{seed}", 0, start, RUNGS[-1], seed=seed, origin="the start set, with another seed", **again) for seed in seeds]
    found = []
    for place, one in enumerate(sorted(whole, key=lambda one: -one["fitness"])[:3]):
        trial = one["name"].split("-")[0]
        gaps = [float(random.normal(0.03 - 0.012 * place if claimed else 0.002, 0.008)) for _ in seeds]
        for seed, gap, begun in zip(seeds, gaps, before, strict=True):
            again_one = train(f"v-{trial}-s{seed}", one["trial"], one["values"], RUNGS[-1], seed=seed, origin=f"trial {trial}, with another seed", made_from=[one["name"]], **again)
            again_one["fitness"] = begun["fitness"] + gap
        middle, half = float(np.mean(gaps)), 2.78 * float(np.std(gaps, ddof=1)) / math.sqrt(len(gaps))
        better = claimed and middle > half
        found.append({"trial": trial, "verdict": "better" if better else "not shown to be better", "values": one["values"], "fitness": float(np.mean([one["fitness"] for one in before])) + middle,
                      "difference": {"value": middle, "low": middle - half, "high": middle + half}, "probability": 0.5 + 0.5 * math.erf(middle / half * 1.39),
                      "by_luck": 0.03, "won": sum(gap > 0 for gap in gaps), "pairs": len(gaps), "failed": 0})  # fmt: skip
    top = found[0] if found and found[0]["verdict"] == "better" else None
    answer = f"Trial {top['trial']} is better than what you had: {top['difference']['value']:+.4f} fitness (95 % interval {top['difference']['low']:+.4f} to {top['difference']['high']:+.4f}), better with {top['won']} of 5 seeds." if top else "Nothing that was found is shown to be better than what you had: keep your set."
    spent = {"trainings": 20, "epochs": 20 * RUNGS[-1], "seconds": 20 * RUNGS[-1] * 41.0}
    cost = {"search": {"trainings": len(content["trials"]) - 20, "epochs": 1311, "seconds": 1311 * 41.0}, "verdict": spent}
    return {"is_whole": True, "winner": top["trial"] if top else None, "answer": answer, "seeds": len(seeds), "missing": 0, "start": {"values": start, "fitness": 0.4}, "finalists": found, "trials": 60, "cost": cost}
