# SPDX-License-Identifier: Apache-2.0
"""Trainings with the real packages of five trackers: `make test-trackers`. No service beyond this machine is asked."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.system.tensors import read_tensors
from boxwright.track.events import RESULT_KEYS
from boxwright.track.tracker_state import read_state
from tests.support import wandb_file
from tests.support.mlflow_server import HOST, free_port, served, silent
from tests.support.runs import Ground, differences, training_state

pytestmark = pytest.mark.loopback
ROOT = Path(__file__).parents[2]
FIVE = "wandb,mlflow,clearml,comet,trackio"
EPOCHS = 3
MOST_S = 400.0
PREFIXES = ("WANDB", "MLFLOW", "CLEARML", "COMET", "TRACKIO", "TRAINS", "HF_")


class Done:
    """A command that ended."""

    def __init__(self, said: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = said.returncode, said.stdout, said.stderr
        self.run = RunFolder(Path(said.stdout.splitlines()[-1])) if said.stdout else RunFolder(Path())


def environment(home: Path, more: dict[str, str] | None = None) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    own = {"HOME": str(home), "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TRACKIO_DIR": str(home / "trackio")}
    return {**kept, **own, **(more or {})}


def boxwright(home: Path, *words: object, more: dict[str, str] | None = None) -> Done:
    command = [sys.executable, "-m", "boxwright", *map(str, words)]
    return Done(
        subprocess.run(
            command, env=environment(home, more), check=False, capture_output=True, text=True, timeout=MOST_S, cwd=home
        )
    )


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("tracked"))


@pytest.fixture(scope="module")
def calm(ground) -> Done:
    """A run without trackers."""
    return boxwright(ground.folder / "calm_home", *ground.words(ground.folder / "calm", epochs=EPOCHS, plots=True))


@pytest.fixture(scope="module")
def five(ground) -> Done:
    """A run with all of them at once, and no server."""
    words = ("--track", FIVE, "--bbox-interval", "1", "--save-period", "1", "--artifact-alias", "mine")
    done = boxwright(ground.folder / "home", *ground.words(ground.folder / "five", *words, epochs=EPOCHS, plots=True))
    assert done.code == 0, done.err
    assert "did not arrive" not in done.out + done.err, done.out
    return done


def log_of(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / RunFile.EVENTS).read_text().splitlines()]
    return [line for line in lines if line["event"] == kind]


def told_numbers(run: RunFolder) -> dict[str, list[float]]:
    """What the log has under the names of the results table."""
    rows = [line["results"] for line in log_of(run, "EpochEnded")]
    return {key: [row[key] for row in rows] for key in RESULT_KEYS if rows[0].get(key) is not None}


def test_all_five_at_once_change_no_bit(calm, five):
    assert differences(training_state(calm.run / RunFile.LAST), training_state(five.run / RunFile.LAST)) == []
    best = [read_tensors(done.run / RunFile.BEST)["model"] for done in (calm, five)]
    assert differences(*best) == []
    assert (calm.run / RunFile.RESULTS).read_bytes() == (five.run / RunFile.RESULTS).read_bytes()
    assert "Traceback" not in five.out + five.err


def test_weights_and_biases_has_it_in_a_file(five):
    (path,) = five.run.tracker("wandb").rglob("offline-run-*/run-*.wandb")
    rows, told = wandb_file.rows(path), told_numbers(five.run)
    assert [row["_step"] for row in rows] == [0, 1, 2]
    for key, values in told.items():
        assert [row[key] for row in rows] == pytest.approx(values), key
    boxes = rows[0]["boxes/all_boxes"]
    assert {"ground_truth", "predictions"} == set(boxes[0])
    assert rows[0]["_timestamp"] == pytest.approx(log_of(five.run, "EpochEnded")[0]["time"], abs=60)
    assert {"tables/classes/_type", "pictures/labels/_type", "system/cpu_percent"} <= set(rows[0])
    assert {"pictures/confusion_matrix/_type", "report/_type", "best/mAP_0.5"} <= set(rows[2])
    kept = wandb_file.artifacts(path)
    model = f"run_{read_state(five.run.tracker('wandb')).key}_model"
    assert set(kept[model, "best.pt"]) == {"best", "latest", "mine"}
    assert set(kept[model, "epoch1.pt"]) >= {"epoch 1"}
    assert wandb_file.config(path)["lr0"] == 0.002
    assert "`wandb sync" in five.out


def test_mlflow_has_it_in_a_database_beside_the_runs(five):
    with sqlite3.connect(five.run.path.parent / "mlflow.db") as database:
        ask = lambda text: database.execute(text).fetchall()  # noqa: E731
        assert ask("select name, status from runs") == [("exp", "FINISHED")]
        for key, values in told_numbers(five.run).items():
            rows = ask(f"select step, value from metrics where key = '{key}' order by step")
            assert [step for step, _ in rows] == [0, 1, 2]
            assert [value for _, value in rows] == pytest.approx(values)
        times = ask("select timestamp from metrics where key = 'train/box_loss' order by step")
        assert [time for (time,) in times] == [int(line["time"] * 1000) for line in log_of(five.run, "EpochEnded")]
        assert ask("select value from params where key = 'lr0'") == [("0.002",)]
        assert {alias for (alias,) in ask("select alias from registered_model_aliases")} == {"best", "mine"}
    kept = {path.name for path in (five.run.path.parent / "mlartifacts").rglob("*") if path.is_file()}
    assert {"best.pt", "last.pt", "epoch0.pt", "report.html", "hyp.yaml", "opt.yaml", "confusion_matrix.png"} <= kept
    assert {"epoch0000_00.png", "epoch0002_00.json", "classes_epoch2.json"} <= kept


def test_clearml_has_it_in_a_session(five):
    (path,) = five.run.tracker("clearml").rglob("*.zip")
    with zipfile.ZipFile(path) as session:
        lines = [json.loads(line) for line in session.read("metrics.jsonl").splitlines()]
        task = json.loads(session.read("task.json"))
        files = {Path(name).name for name in session.namelist()}
    events = [event for line in lines for event in (line if isinstance(line, list) else [line])]
    scalars = [event for event in events if event.get("type") == "training_stats_scalar"]
    for key, values in told_numbers(five.run).items():
        title, _, series = key.rpartition("/")
        found = {e["iter"]: e["value"] for e in scalars if (e["metric"], e["variant"]) == (title, series)}
        assert found == pytest.approx(dict(enumerate(values))), key
    assert any(event.get("type") == "plot" and event["metric"] == "tables" for event in events)
    assert task["hyperparams"]["settings"]["lr0"]["value"] == "0.002"
    assert {"best.pt", "last.pt", "epoch1.pt", "report.html", "hyp.yaml"} <= files
    assert any(name.startswith("boxes_00") for name in files)
    assert any(name.startswith("pictures_confusion_matrix") for name in files)


def test_comet_has_it_in_an_archive(five):
    (path,) = five.run.tracker("comet").rglob("*.zip")
    assert path.stem == read_state(five.run.tracker("comet")).key
    with zipfile.ZipFile(path) as archive:
        lines = [json.loads(line) for line in archive.read("messages.json").splitlines()]
    metrics = [line["payload"]["metric"] | line["payload"] for line in lines if line["type"] == "metric_msg"]
    for key, values in told_numbers(five.run).items():
        found = {one["step"]: one["metricValue"] for one in metrics if one["metricName"] == key}
        assert found == pytest.approx(dict(enumerate(values))), key
    text = json.dumps(lines)
    for word in ("lr0", "best.pt", "report.html", "boxes_00", "confusion_matrix", "ground_truth", "classes_epoch"):
        assert word in text


def test_trackio_has_it_in_its_store(five, ground):
    (path,) = (ground.folder / "home" / "trackio").glob("*.db")
    with sqlite3.connect(path) as database:
        rows = database.execute("select step, metrics, run_name from metrics order by id").fetchall()
        (config,) = database.execute("select config from configs").fetchone()
        aliases = {alias for (alias,) in database.execute("select alias from artifact_aliases")}
    values = [(step, json.loads(metrics)) for step, metrics, _ in rows]
    for key, told in told_numbers(five.run).items():
        assert {step: one[key] for step, one in values if key in one} == pytest.approx(dict(enumerate(told))), key
    assert len({name for *_, name in rows}) == 1
    assert json.loads(config)["lr0"] == 0.002
    assert {"best", "latest", "mine", "epoch-1"} <= aliases
    names = {name for _, one in values for name in one}
    assert {"boxes/00", "tables/classes", "pictures/confusion_matrix", "best/mAP_0.5", "end"} <= names


# -- what goes wrong


def killed(ground: Ground, home: Path, project: Path, *words: str) -> None:
    """A run whose tracker is killed after an epoch, and which is killed itself behind it."""
    command = [sys.executable, "-m", "boxwright", *ground.words(project, *words, epochs=12)]
    run, others = RunFolder(project / "exp"), words[words.index("--track") + 1].split(",")
    with subprocess.Popen(command, env=environment(home), stdout=subprocess.DEVNULL, cwd=home) as running:
        waited = threading.Event()
        claims = [run.tracker(name) / RunFile.CLAIM for name in others]
        while running.poll() is None and not all(claim.is_file() for claim in claims):
            waited.wait(0.02)
        for claim in claims:
            os.killpg(json.loads(claim.read_text())["pid"], signal.SIGKILL)
        while running.poll() is None and len(log_of(run, "EpochEnded")) < 4:
            waited.wait(0.02)
        assert running.poll() is None, "it was too quick to be killed"
        running.kill()


def test_a_run_that_is_killed_with_its_trackers_and_goes_on_is_one_run_with_each_step_once(ground, tmp_path):
    home, names = tmp_path / "home", "mlflow,trackio,wandb"
    killed(ground, home, tmp_path, "--track", names)
    done = boxwright(home, "train", "--resume", tmp_path / "exp", "--device", "cpu")
    assert done.code == 0, done.err
    assert "did not arrive" not in done.out + done.err, done.out
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select count(*), max(status) from runs").fetchall() == [(1, "FINISHED")]
        steps = database.execute("select step from metrics where key = 'train/box_loss' order by step").fetchall()
    assert [step for (step,) in steps] == list(range(12))
    (path,) = (home / "trackio").glob("*.db")
    with sqlite3.connect(path) as database:
        rows = database.execute("select step, metrics, run_id from metrics").fetchall()
    assert sorted(step for step, metrics, _ in rows if "train/box_loss" in json.loads(metrics)) == list(range(12))
    assert len({name for *_, name in rows}) == 1
    (path,) = (tmp_path / "exp").rglob("*.wandb")
    assert [row["_step"] for row in wandb_file.rows(path)] == list(range(12))


def test_services_that_take_every_call_and_never_answer_change_no_bit_and_are_told_once(ground, calm, tmp_path):
    with silent() as port:
        address = f"http://{HOST}:{port}"
        more = {
            "WANDB_BASE_URL": address,
            "WANDB_API_KEY": "0123456789" * 4,
            "MLFLOW_TRACKING_URI": address,
            "CLEARML_API_HOST": address,
            "CLEARML_WEB_HOST": address,
            "CLEARML_FILES_HOST": address,
            "CLEARML_API_ACCESS_KEY": "0123456789",
            "CLEARML_API_SECRET_KEY": "0123456789",
            "COMET_URL_OVERRIDE": address,
            "COMET_API_KEY": "0123456789" * 3,
        }
        words = ("--track", "wandb,mlflow,clearml,comet")
        done = boxwright(tmp_path, *ground.words(tmp_path / "runs", *words, epochs=EPOCHS, plots=True), more=more)
    assert done.code == 0, done.err
    assert differences(training_state(calm.run / RunFile.LAST), training_state(done.run / RunFile.LAST)) == []
    for name in ("wandb", "mlflow", "clearml", "comet"):
        assert f"boxwright track push {done.run} --to {name}" in done.out + done.err, (name, done.out)
    assert "Traceback" not in done.out + done.err


def test_a_server_that_was_away_gets_everything_when_it_is_back_and_shows_it(ground, tmp_path):
    port = free_port()
    more = {"MLFLOW_TRACKING_URI": f"http://{HOST}:{port}"}
    done = boxwright(
        tmp_path, *ground.words(tmp_path / "birds", "--track", "mlflow", epochs=EPOCHS, plots=True), more=more
    )
    assert done.code == 0, done.err
    said = done.out + done.err
    assert said.count("mlflow does not answer") == 1
    assert "events did not arrive" in said
    with served(tmp_path / "server", port):
        pushed = boxwright(tmp_path, "track", "push", done.run, "--to", "mlflow", more=more)
        assert pushed.code == 0, pushed.out + pushed.err
        again = boxwright(tmp_path, "track", "push", done.run, "--to", "mlflow", more=more)
        assert "mlflow: 0 events arrived, everything is there" in again.out
        run = read_state(done.run.tracker("mlflow")).id
        history = asked(port, f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=metrics/mAP_0.5:0.95")
        assert [one["step"] for one in history["metrics"]] == list(range(EPOCHS))
        kept = asked(port, f"/api/2.0/mlflow/artifacts/list?run_id={run}&path=weights")
        assert {Path(one["path"]).name for one in kept["files"]} == {"best.pt", "last.pt"}
        assert asked(port, f"/api/2.0/mlflow/runs/get?run_id={run}")["run"]["info"]["status"] == "FINISHED"
        model = asked(port, "/api/2.0/mlflow/registered-models/get?name=birds")["registered_model"]
        assert {one["alias"] for one in model["aliases"]} == {"best"}


def asked(port: int, path: str) -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
