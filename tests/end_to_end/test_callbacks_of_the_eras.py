# SPDX-License-Identifier: Apache-2.0
"""The 16 callbacks as the trainers of the years document them: when each is called, and with what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boxwright
from boxwright.model.detector import Detector
from boxwright.track.sinks.callbacks import CALLBACKS
from boxwright.track.sinks.results_table import read

EPOCHS, BATCHES, IMAGES = 2, 3, 6
# Names and arguments as documented; the order of the numbers below is documented too.
DOCUMENTED = {
    "on_pretrain_routine_start": "",
    "on_pretrain_routine_end": "",
    "on_train_start": "",
    "on_train_epoch_start": "",
    "on_train_batch_start": "",
    "on_train_batch_end": "ni model images targets paths plots",
    "on_train_epoch_end": "epoch",
    "on_val_start": "",
    "on_val_batch_start": "",
    "on_val_image_end": "",
    "on_val_batch_end": "",
    "on_val_end": "",
    "on_fit_epoch_end": "values epoch best_fitness fitness",
    "on_model_save": "last epoch final best_fitness fitness",
    "on_train_end": "last best plots epoch results",
    "on_params_update": "mapping",
}
VALUES = (
    *("train/box_loss", "train/obj_loss", "train/cls_loss"),
    *("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss"),
    *("x/lr0", "x/lr1", "x/lr2"),
)
RESULTS = VALUES[3:10]
# Which of the three rates is that of the biases: it falls while it warms up, and the others rise.
BIAS_RATE = {"6.0": "x/lr2", "6.2": "x/lr0", "7.0": "x/lr0"}
VALIDATION = [
    "on_val_start",
    "on_val_batch_start",
    *["on_val_image_end"] * IMAGES,
    "on_val_batch_end",
    "on_val_end",
]
EPOCH = [
    "on_train_epoch_start",
    *["on_train_batch_start", "on_train_batch_end"] * BATCHES,
    "on_train_epoch_end",
    *VALIDATION,
    "on_fit_epoch_end",
    "on_model_save",
]


class Recorder:
    """Has every callback, takes exactly the documented arguments, and keeps them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        for name, words in DOCUMENTED.items():
            setattr(self, name, self._taking(name, words.split()))

    def _taking(self, name: str, words: list[str]):
        def callback(*values: object) -> None:
            self.calls.append((name, dict(zip(words, values, strict=True))))

        return callback

    def of(self, name: str) -> list[dict[str, object]]:
        return [values for called, values in self.calls if called == name]


def settings(ground, project: Path, **more: object) -> dict[str, object]:
    usual = {"data": str(ground.data), "cfg": str(ground.cfg), "imgsz": 64, "batch_size": 4, "workers": 0}
    quick = {"device": "cpu", "epochs": EPOCHS, "noplots": True, "quiet": True, "project": str(project)}
    return {**usual, **quick, **more}


def test_there_are_the_sixteen_that_are_documented():
    assert tuple(DOCUMENTED) == CALLBACKS
    assert len(CALLBACKS) == 16


@pytest.mark.parametrize("era", BIAS_RATE)
def test_an_era_calls_what_it_documents_in_its_order_with_its_values(ground, tmp_path, era):
    seen = Recorder()
    result = boxwright.train(**settings(ground, tmp_path, recipe=era), observers=[seen])
    names = [name for name, _ in seen.calls]
    assert names == [
        "on_pretrain_routine_start",
        "on_pretrain_routine_end",
        "on_train_start",
        *EPOCH * EPOCHS,
        *([] if era == "6.0" else VALIDATION),  # of the best weights, which 6.0 does for COCO alone
        "on_train_end",
    ]
    table = read(result.folder / "results.csv")

    batches = seen.of("on_train_batch_end")
    assert [one["ni"] for one in batches] == list(range(EPOCHS * BATCHES))
    for one in batches:
        assert isinstance(one["model"], Detector)
        assert (one["images"].shape, one["plots"]) == ((4, 3, 64, 64), False)
        assert 0 <= float(one["images"].min()) < float(one["images"].max()) <= 1
        assert (one["targets"].ndim, one["targets"].shape[1]) == (2, 6)
        assert [Path(path).is_file() for path in one["paths"]] == [True] * 4

    assert [one["epoch"] for one in seen.of("on_train_epoch_end")] == [0, 1]
    fits, saves, (end,) = seen.of("on_fit_epoch_end"), seen.of("on_model_save"), seen.of("on_train_end")
    for epoch, fit in enumerate(fits):
        assert [float(f"{value:.5g}") for value in fit["values"]] == [table[key][epoch] for key in VALUES]
        assert all(isinstance(value, float) for value in fit["values"])
        fitness = 0.1 * fit["values"][5] + 0.9 * fit["values"][6]
        assert (fit["epoch"], fit["fitness"]) == (epoch, pytest.approx(fitness))
        assert fit["best_fitness"] == max(one["fitness"] for one in fits[: epoch + 1])
        assert saves[epoch] == {
            "last": str(result.folder / "weights" / "last.pt"),
            "epoch": epoch,
            "final": epoch + 1 == EPOCHS,
            "best_fitness": fit["best_fitness"],
            "fitness": fit["fitness"],
        }
    rates = {key: [fit["values"][VALUES.index(key)] for fit in fits] for key in VALUES[10:]}
    falling = [key for key, (first, second) in rates.items() if second < first]
    assert falling == [BIAS_RATE[era]], rates

    assert {key: end[key] for key in ("last", "best", "plots", "epoch")} == {
        "last": result.last,
        "best": result.best,
        "plots": False,
        "epoch": EPOCHS - 1,
    }
    assert end["results"] == [result.results[key] for key in RESULTS]


def test_what_the_program_sets_itself_is_told_before_the_training_begins(ground, tmp_path):
    seen = Recorder()
    result = boxwright.train(**settings(ground, tmp_path, batch_size=-1, epochs=1), observers=[seen])
    assert seen.of("on_params_update") == [{"mapping": {"batch_size": 16}}]
    names = [name for name, _ in seen.calls]
    assert names[:3] == ["on_pretrain_routine_start", "on_params_update", "on_pretrain_routine_end"]
    assert "batch_size: 16" in (result.folder / "opt.yaml").read_text()


def test_a_stop_that_is_asked_for_after_any_batch_is_heard_though_nobody_asks_again(ground, tmp_path):
    class Once:
        """Asks behind the first batch, which takes no step, and has forgotten it when the second one begins."""

        stop_requested = ""
        batches = 0

        def on_train_batch_start(self) -> None:
            self.stop_requested = ""

        def on_train_batch_end(self, ni: int, *_: object) -> None:
            self.batches = ni + 1
            self.stop_requested = "seen enough" if ni == 0 else ""

        ended: tuple[object, ...] = ()

        def on_train_end(self, *values: object) -> None:
            self.ended = values

    once = Once()
    asked = {"nominal_batch": 8, "warmup_epochs": 0, "warmup_min_batches": 0}  # a step at every second batch
    result = boxwright.train(**settings(ground, tmp_path, **asked), observers=[once])
    assert (once.batches, result.reason, result.epochs_done, result.exit_code) == (2, "seen enough", 0, 0)
    assert once.ended[0] == result.last
    assert result.last.is_file()
    assert "seen enough" in (result.folder / "run.log").read_text()
    ended = json.loads((result.folder / "events.jsonl").read_text().splitlines()[-1])
    assert (ended["event"], ended["ended"], ended["reason"]) == ("RunEnded", "stopped", "seen enough")
