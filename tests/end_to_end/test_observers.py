# SPDX-License-Identifier: Apache-2.0
"""Those who watch a run, and those who end it: observers, the time budget, the dry run, the replay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import boxwright
from boxwright.commands.train import run
from boxwright.config.assemble import resolve_train
from boxwright.errors import SettingError
from boxwright.track.sinks.callbacks import CALLBACKS
from boxwright.track.sinks.event_log import read_log
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, done
from tests.support.runs import Ground, Trained, train, training_state

EPOCHS = 2
# How many values each callback is called with; the others with none.
ARGUMENTS = {
    "on_train_batch_end": 6,
    "on_train_epoch_end": 1,
    "on_fit_epoch_end": 4,
    "on_model_save": 5,
    "on_train_end": 5,
    "on_params_update": 1,
}
COLUMNS = (
    *("train/box_loss", "train/obj_loss", "train/cls_loss"),
    *("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss"),
    *("x/lr0", "x/lr1", "x/lr2"),
)


def settings(ground: Ground, project: Path) -> dict[str, object]:
    usual = {
        "data": str(ground.data),
        "cfg": str(ground.cfg),
        "hyp": "small-data",
        "imgsz": 64,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
    }
    return usual | {"epochs": EPOCHS, "project": str(project), "noplots": True, "quiet": True}


class Watcher:
    """Has every callback that a training calls, and writes down what it was given."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        if name not in CALLBACKS:
            raise AttributeError(name)
        return lambda *values: self.calls.append((name, values))


def test_an_observer_sees_every_moment_in_order_with_its_values(ground, tmp_path):
    watcher = Watcher()
    result = boxwright.train(**settings(ground, tmp_path), observers=[watcher])
    names = [name for name, _ in watcher.calls]
    assert names[:3] == ["on_pretrain_routine_start", "on_pretrain_routine_end", "on_train_start"]
    assert names[-1] == "on_train_end"
    epoch = [
        name
        for name in names[3:]
        if name.startswith("on_train_") or name in {"on_val_start", "on_val_end", "on_fit_epoch_end", "on_model_save"}
    ]
    batches = ["on_train_batch_start", "on_train_batch_end"] * 3
    whole = [
        "on_train_epoch_start",
        *batches,
        "on_train_epoch_end",
        "on_val_start",
        "on_val_end",
        "on_fit_epoch_end",
        "on_model_save",
    ]
    assert epoch == [*whole * EPOCHS, "on_val_start", "on_val_end", "on_train_end"]
    assert names.count("on_val_image_end") == 6 * (EPOCHS + 1)
    ends = [values for name, values in watcher.calls if name == "on_train_batch_end"]
    assert [values[0] for values in ends] == list(range(3 * EPOCHS))
    number, _, images, targets, paths, plots = ends[0]
    assert (number, tuple(images.shape), targets.shape[1], len(paths), plots) == (0, (4, 3, 64, 64), 6, 4, False)
    assert all(len(values) == ARGUMENTS.get(name, 0) for name, values in watcher.calls)
    table = read(result.folder / "results.csv")
    fits = [values for name, values in watcher.calls if name == "on_fit_epoch_end"]
    for epoch, (values, told, _, _) in enumerate(fits):
        assert told == epoch
        assert [float(f"{value:.5g}") for value in values] == [table[key][epoch] for key in COLUMNS]
    fitness = [values[3] for values in fits]
    assert [values[2] for values in fits] == [max(fitness[: epoch + 1]) for epoch in range(EPOCHS)]
    saves = [values for name, values in watcher.calls if name == "on_model_save"]
    assert [values[1:] for values in saves] == [(epoch, epoch == EPOCHS - 1, best, now) for _, epoch, best, now in fits]
    assert {str(values[0]) for values in saves} == {str(result.last)}
    assert [values for name, values in watcher.calls if name == "on_train_epoch_end"] == [(0,), (1,)]
    last, best, plots, final_epoch, results = watcher.calls[-1][1]
    assert (last, best, plots, final_epoch) == (result.last, result.best, False, EPOCHS - 1)
    assert results == [result.results[key] for key in COLUMNS[3:10]]


def test_an_observer_hears_of_every_setting_that_the_program_changes_itself(ground, tmp_path):
    watcher, bare = Watcher(), Watcher()
    asked = {**settings(ground, tmp_path), "epochs": 1, "batch_size": -1, "imgsz": 70}
    boxwright.train(**asked, observers=[watcher])
    told = [values for name, values in watcher.calls if name == "on_params_update"]
    assert told == [({"batch_size": 16, "imgsz": (96,)},)]
    assert [name for name, _ in watcher.calls].index("on_params_update") == 1
    boxwright.train(**{**settings(ground, tmp_path), "epochs": 1}, observers=[bare])
    assert "on_params_update" not in {name for name, _ in bare.calls}


def test_a_save_within_the_last_epoch_is_not_its_final_one(ground, tmp_path):
    watcher = Watcher()
    boxwright.train(**{**settings(ground, tmp_path), "epochs": 2, "save_steps": 1}, observers=[watcher])
    saves = [values for name, values in watcher.calls if name == "on_model_save"]
    assert len(saves) > 4
    assert [values[2] for values in saves] == [False] * (len(saves) - 1) + [True]


def test_an_observer_does_not_change_a_bit(ground, tmp_path):
    plain = boxwright.train(**settings(ground, tmp_path))
    watched = boxwright.train(**settings(ground, tmp_path), observers=[Watcher()])
    assert (plain.folder / "results.csv").read_bytes() == (watched.folder / "results.csv").read_bytes()


def test_an_observer_that_fails_is_told_once_and_the_run_goes_on(ground, tmp_path, capsys):
    class Failing:
        calls = 0

        def on_train_batch_end(self, *_values):
            self.calls += 1
            raise ValueError("no\nluck")

    failing = Failing()
    result = boxwright.train(**settings(ground, tmp_path), observers=[failing])
    assert (failing.calls, result.epochs_done) == (1, EPOCHS)
    told = [line for line in capsys.readouterr().out.splitlines() if "Failing" in line]
    assert told == [
        "warning: observer Failing failed in on_train_batch_end and is no longer called (no luck); the run goes on"
    ]


def test_an_observer_can_stop_a_run_which_is_then_done(ground, tmp_path):
    class Enough:
        stop_requested = ""

        def on_train_batch_end(self, number, *_values):
            self.stop_requested = "seen enough" if number == 0 else ""

        def on_train_batch_start(self):
            self.stop_requested = "seen enough"

    result = boxwright.train(**settings(ground, tmp_path), observers=[Enough()])
    assert (result.reason, result.epochs_done, result.exit_code) == ("seen enough", 0, 0)
    assert json.loads((result.folder / "done.json").read_text())["reason"] == "seen enough"
    assert "seen enough" in (result.folder / "run.log").read_text()
    assert training_state(result.last)["state"]["batch"] > 0


def test_a_method_that_nothing_calls_is_refused_with_the_nearest_name(ground, tmp_path):
    class Misspelt:
        def on_fit_epoch_ended(self, *_values): ...

    with pytest.raises(SettingError, match=r"nothing calls\. Did you mean on_fit_epoch_end\?"):
        boxwright.train(**settings(ground, tmp_path), observers=[Misspelt()])
    assert not list(tmp_path.glob("exp*"))


def test_a_time_budget_stops_a_run_that_goes_on_later(ground, tmp_path):
    said = command(*ground.words(tmp_path, "--noplots", "--time", "0.0000001", epochs=EPOCHS))
    folder = Path(said.lines[-1])
    assert said.code == 75
    assert "stopped: the time budget of 1e-07 hours is used up" in said.out
    assert not (folder / "done.json").exists()
    calm = train(ground, tmp_path / "calm", "--noplots", epochs=EPOCHS)
    done("train", "--resume", folder, "--time", 0)
    assert (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()


def every_file(folder: Path) -> dict[str, bytes]:
    """Caches of ours too; not what libraries keep for themselves in the home folder."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.relative_to(folder).parts[0] not in {".cache", ".config"}
    }


def test_a_dry_run_prints_the_whole_plan_and_writes_nothing(tmp_path):
    fresh = Ground.laid(tmp_path / "ground")  # never opened before: there is no index of it in any cache
    before = every_file(tmp_path)
    said = done(*fresh.words(tmp_path / "runs", "--dry-run", "--freeze", 2, "lr0=0.003"))
    assert every_file(tmp_path) == before
    for word in (
        "dry run: nothing is written",
        "run folder ",
        "12 ",
        "model.0 ",
        "8 epochs of 3 batches of 4",
        "optimizer steps",
        "lr bias",
        "the warm-up of 100 batches outlasts the run of 24; ",
        "memory (estimated from shapes): ",
        "time (estimated from a few steps on random pixels): ",
    ):
        assert word in said.out, word
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in said.lines if line}
    assert rows["freeze"] == ["2", "--freeze"]
    assert rows["lr0"] == ["0.003", "lr0=value"]
    assert rows["epochs"] == ["8", "--epochs"]
    assert float(rows["momentum"][0]) > 0
    assert rows["momentum"][1].startswith("hyp file (")


def test_a_dry_run_does_not_draw_the_sample_set(tmp_path):
    before = every_file(tmp_path)
    said = command("train", "--dry-run", "--device", "cpu")
    assert (said.code, "the sample set is not drawn yet" in said.err) == (2, True)
    assert every_file(tmp_path) == before


def test_the_estimates_of_a_dry_run_grow_with_what_is_asked_for(ground, tmp_path):
    def estimate(**more):
        asked = {**settings(ground, tmp_path), "epochs": 8, "dry_run": True, "amp": "off", **more}
        return run(resolve_train(asked), print).document["estimate"]

    small, large, other = estimate(), estimate(batch_size=8, multi_scale=True), estimate(amp="bf16", optimizer="SGD")
    assert large["memory_bytes"]["held"] == small["memory_bytes"]["held"]
    assert large["memory_bytes"]["batch"] == pytest.approx(
        2 * small["memory_bytes"]["batch"] * (96 / 64) ** 2, rel=0.01
    )
    assert other["memory_bytes"]["batch"] == small["memory_bytes"]["batch"] / 2
    assert other["memory_bytes"]["held"] < small["memory_bytes"]["held"]
    seconds = small["seconds"]
    assert min(seconds.values()) > 0
    validation = seconds["validated_image"] * 6
    assert seconds["epoch"] == pytest.approx(3 * seconds["batch"] + seconds["step"] * 24 / 8 + validation)
    assert seconds["run"] == pytest.approx(8 * seconds["epoch"])


def test_what_a_dry_run_refuses_a_run_refuses(ground, tmp_path):
    for more in ((), ("--dry-run",)):
        said = command(*ground.words(tmp_path, "--freeze", 99, *more))
        assert (said.code, "there is no row" in said.err) == (2, True)


def test_the_table_and_the_scalars_are_rebuilt_from_the_event_log(ground, tmp_path):
    folder = train(ground, tmp_path, "--noplots", epochs=3).folder
    table = (folder / "results.csv").read_bytes()
    (folder / "results.csv").unlink()
    next(folder.glob("events.out.tfevents.*")).unlink()
    with (folder / "events.jsonl").open("a") as log:
        log.write('{"event": "EpochEnded", "epo')  # torn by a full disk
    said = done("replay", folder)
    assert "of 3 epochs rebuilt" in said.out
    assert "1 lines could not be read" in said.err
    assert (folder / "results.csv").read_bytes() == table
    scalars = EventAccumulator(str(folder)).Reload().Scalars("metrics/mAP_0.5")
    assert [scalar.step for scalar in scalars] == [0, 1, 2]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run of two epochs with its pictures, one for each recipe, made when it is asked for; and a copy to write in."""
    made: dict[str, Trained] = {}

    def copy_of(recipe: str, to: Path) -> tuple[Path, Ground]:
        if recipe not in made:
            place = tmp_path_factory.mktemp("drawn")
            words = ("--recipe", recipe, "--name", "abc")
            made[recipe] = train(Ground.laid(place), place / "runs", *words, epochs=2, plots=True)
        return Path(shutil.copytree(made[recipe].folder, to / "abc")), made[recipe].ground

    return copy_of


@pytest.mark.parametrize("recipe", ["2020.7", "7.0"])
def test_every_table_and_the_page_are_rebuilt_after_a_resume_too(drawn, tmp_path, recipe):
    folder, ground = drawn(recipe, tmp_path)
    project = ground.folder / "runs"
    done(*ground.words(project, "--recipe", recipe, "--name", "abc", "--resume", folder, epochs=3, plots=True))
    names = [
        "results.csv",
        "results.png",
        "classes.jsonl",
        "report.html",
        *(["results_abc.txt"] if recipe == "2020.7" else []),
    ]
    before = {name: (folder / name).read_bytes() for name in names}
    assert {json.loads(line)["epoch"] for line in before["classes.jsonl"].splitlines()} >= {0, 1, 2}
    for name in names:
        (folder / name).unlink()
    said = done("replay", folder)
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert all(name in said.out for name in names)
    log = folder / "events.jsonl"
    log.write_text(
        "".join(line for line in log.read_text().splitlines(keepends=True) if '"StepLogged"' not in line)
    )  # as older programs wrote it
    done("replay", folder)
    assert {name: (folder / name).read_bytes() for name in names} == before


def pictures(folder: Path) -> dict[str, list[tuple[int, int, int, bytes]]]:
    """Step, height, width and content of every picture in TensorBoard, by its tag."""
    found = EventAccumulator(str(folder), {"images": 0}).Reload()
    return {
        tag: [(one.step, one.height, one.width, one.encoded_image_string) for one in found.Images(tag)]
        for tag in found.Tags()["images"]
    }


@pytest.mark.parametrize("recipe", ["2020.7", "7.0"])
def test_tensorboard_shows_the_pictures_of_the_run_at_the_epoch_they_were_made_in(drawn, tmp_path, recipe):
    folder, _ = drawn(recipe, tmp_path)
    there = {path.stem for pattern in ("*.jpg", "*.png") for path in folder.glob(pattern)}
    first = pictures(folder)
    assert first.keys() == there
    assert {"train_batch0", "results", "PR_curve", "val_batch0_pred"} <= there
    for tag, [(step, height, width, content)] in first.items():
        path = next(folder.glob(f"{tag}.*g"))
        assert content == path.read_bytes()
        with Image.open(path) as picture:
            assert picture.size == (width, height)
        assert step == (0 if tag.startswith(("train_batch", "labels")) else 1)
    before = EventAccumulator(str(folder)).Reload().Tags()
    done("replay", folder)
    assert pictures(folder) == first
    assert EventAccumulator(str(folder)).Reload().Tags() == before
    assert before["histograms"] == (["classes"] if recipe == "2020.7" else [])


def test_a_run_that_goes_on_keeps_its_pictures_in_tensorboard(drawn, tmp_path):
    folder, _ = drawn("7.0", tmp_path)
    (folder / "labels.jpg").unlink()
    done("train", "--resume", folder, "--epochs", 3)
    found = pictures(folder)
    assert [step for step, *_ in found["train_batch0"]] == [0]
    assert [step for step, *_ in found["results"]] == [1, 2]
    assert "labels" not in found


def test_a_torn_line_does_not_take_the_next_one_with_it_and_the_stream_of_events_goes_on(ground, tmp_path):
    folder = train(ground, tmp_path, "--noplots", "--ndjson-file", epochs=1).folder
    for name in ("events.jsonl", "events.ndjson"):
        with (folder / name).open("a") as log:
            log.write('{"event": "Tol')
    done("train", "--resume", folder, "--epochs", 2)
    stream = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    kinds = [line["event"] for line in stream]
    assert kinds.count("StepLogged") == 2 * 3
    assert [line["epoch"] for line in stream if line["event"] == "EpochEnded"] == [0, 1]
    assert {"RunStarted", "EpochStarted", "EpochTrained", "CheckpointSaved", "FileWritten", "RunEnded"} <= {*kinds}
    told = read_log(folder / "events.jsonl")
    assert ([row.epoch for row in told.epochs], told.torn) == ([0, 1], 0)  # the run that goes on cut it off
    assert '"Tol\n' not in (folder / "events.jsonl").read_text()


def test_the_text_log_tells_of_every_epoch(ground, tmp_path):
    run = train(ground, tmp_path, "--noplots", epochs=2)
    rows = [line.split(" ", 2)[2] for line in (run.folder / "run.log").read_text().splitlines() if " epoch " in line]
    row = read(run.folder / "results.csv")
    assert [line.split(": ")[0] for line in rows[:2]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert f"box_loss {row['train/box_loss'][1]:.4g}" in rows[1]
    assert f"mAP50-95 {row['metrics/mAP_0.5:0.95'][1]:.4g}" in rows[1]


def test_in_the_log_of_a_run_that_went_back_every_epoch_counts_once(tmp_path):
    def epoch(number, value):
        row = {"epoch": number, "epochs": 3, "results": {"metrics/recall": value}, "fitness": None}
        return {
            "event": "EpochEnded",
            "time": 1.0,
            **row,
            "best_fitness": 0.0,
            "best_epoch": 0,
            "data_wait": 0.0,
            "seconds": 1.0,
        }

    start = {"event": "RunStarted", "time": 0.0, "folder": "", "lines": [], "first_epoch": 0, "epochs": 3}
    lines = [start, epoch(0, 0.1), epoch(1, 0.2), epoch(2, 0.3), {**start, "first_epoch": 1}, epoch(1, 0.2)]
    log = tmp_path / "events.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = read_log(log)
    assert [(row.epoch, row.results["metrics/recall"]) for row in told.epochs] == [(0, 0.1), (1, 0.2)]
    assert told.torn == 0


def test_image_weights_follow_the_last_validation_and_a_run_goes_on_with_them(ground, tmp_path):
    calm = train(ground, tmp_path, "--noplots", "--image-weights", epochs=3)
    plain = train(ground, tmp_path, "--noplots", epochs=3)
    assert read(calm.folder / "results.csv") != read(plain.folder / "results.csv")
    assert len(training_state(calm.last)["state"]["class_maps"]) == 3


def test_the_anchors_verb_measures_and_fits(ground):
    said = json.loads(done("anchors", "--data", ground.data, "--cfg", ground.cfg, "--imgsz", 64, "--json").out)
    assert said["fitted"]["fitness"] >= said["network"]["fitness"]
    assert len(said["fitted"]["anchors_px"]) == 6
    assert "anchors:\n  - [" in done("anchors", "--data", ground.data, "--cfg", ground.cfg, "--imgsz", 64).out
