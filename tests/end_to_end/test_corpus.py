# SPDX-License-Identifier: Apache-2.0
"""Every odd or broken data set of the corpus: trained on, predicted on, and nothing happens that must not."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from boxwright.cli import main
from boxwright.data.pixels.image_files import read_rgb
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from tests.support import corpus, datasets

EXPECTED = corpus.expectations()
ONE_GIB_KIB = 1 << 20
MAX_SECONDS = 60


def state_of(folder: Path) -> dict[str, str]:
    """What is in a folder; caches may come and go."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        elif path.is_file() and not path.name.endswith(".cache"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Watch:
    """Runs the program and looks at what it did."""

    def __init__(self, case: Path, tmp_path: Path, capsys) -> None:
        self.case, self.tmp_path, self.capsys = case, tmp_path, capsys

    def run(self, *words: str) -> tuple[int, str]:
        before, memory, began = state_of(self.case), peak_kib(), time.monotonic()
        code = main(list(words))
        printed = self.capsys.readouterr()
        text = printed.out + printed.err
        assert time.monotonic() - began < MAX_SECONDS, "hang"
        assert peak_kib() - memory < ONE_GIB_KIB, "memory"
        assert state_of(self.case) == before, "modify"
        assert "Traceback" not in text, "traceback"
        assert code in {0, 2, 3}, f"our fault: {text}"
        assert not list(self.tmp_path.rglob("PWNED*")), "execute"
        outside = {path.name for path in self.tmp_path.iterdir()} - {"case", "work", "cache", "out", "tiny.yaml"}
        assert not outside, "outside"
        assert not list((self.tmp_path / "work").iterdir()), "outside"
        return code, text


@pytest.fixture(autouse=True)
def library_folders(tmp_path, monkeypatch):
    """Where the plotting library keeps its fonts is no affair of a run."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint of the tiny network."""
    folder = tmp_path_factory.mktemp("weights")
    corpus.write_sound(folder / "set")
    model = datasets.write_model(folder)
    assert main(["train", *training(folder / "set/data.yaml", model, folder / "out")]) == 0
    return next((folder / "out").rglob("best.pt"))


def training(data: Path, model: Path, out: Path) -> list[str]:
    fixed = [
        "--epochs",
        "1",
        "--batch-size",
        "4",
        "--imgsz",
        "64",
        "--workers",
        "0",
        "--device",
        "cpu",
        "--noplots",
        "--quiet",
        "--amp",
        "off",
    ]
    return ["--data", str(data), "--cfg", str(model), "--project", str(out), *fixed]


def outcome(code: int, text: str) -> str:
    if code:
        return "error"
    return "warn_skip" if re.search(r"image skipped|box dropped|box clipped", text) else "ok"


def require_said(expectation: dict, found: str, text: str) -> None:
    if found == "ok" and expectation["expected"] != "ok":
        return
    for pattern in expectation.get("say", []):
        assert re.search(pattern, text, re.IGNORECASE), f"{pattern} is not in: {text}"
    for pattern in expectation.get("say_not", []):
        assert not re.search(pattern, text, re.IGNORECASE), pattern


@pytest.mark.parametrize("name", EXPECTED)
def test_training_on_an_odd_data_set_ends_as_it_should(name, tmp_path, capsys):
    expectation, case = EXPECTED[name], tmp_path / "case"
    corpus.place(name, case)
    model = datasets.write_model(tmp_path)
    watch = Watch(case, tmp_path, capsys)
    entry = case / expectation["entry"]
    code, text = watch.run("train", *training(entry, model, tmp_path / "out"))
    found = outcome(code, text)
    assert found in expectation["accept"] or (found == "warn_skip" and "ok" in expectation["accept"]), text
    assert text.count("error: ") == (1 if code else 0)
    require_said(expectation, found, text)
    if not code:
        require_counts(expectation, tmp_path / "out")
        require_truth(expectation, case)
    checked, _ = watch.run("data", "check", str(entry))
    assert code or not checked  # what trains passes the check


def require_counts(expectation: dict, out: Path) -> None:
    counts = json.loads(next(out.rglob("data.json")).read_text())["train"]
    for key, allowed in expectation.get("counts", {}).items():
        assert counts[key] in allowed, (key, counts)


def require_truth(expectation: dict, case: Path) -> None:
    """Sizes, boxes and pixels as they lie upright."""
    dataset = read_dataset(case / expectation["entry"])
    index = open_split(dataset, "train")
    records = {str(Path(record.path).relative_to(case.resolve())): record for record in index}
    for truth in expectation.get("truth", []):
        record = records.get(truth["image"])
        if record is None and expectation["accept"] != ["ok"]:
            continue
        assert list(record.size_wh) == truth["size"]
        if "boxes" in truth:
            rows = np.concatenate((record.classes[:, None], record.boxes_cxcywh_norm), axis=1)
            wanted = np.array(truth["boxes"], np.float64).reshape(-1, 5)
            assert rows.shape == wanted.shape
            assert np.abs(rows - wanted).max(initial=0) < 0.01
        image = read_rgb(record.path)
        assert list(image.shape[1::-1]) == truth["size"]
        for spot in truth.get("pixels", []):
            x, y = spot["xy"]
            assert np.abs(image[y, x].astype(int) - spot["rgb"]).max() <= spot["tol"], truth["image"]


@pytest.mark.parametrize("name", [name for name, case in EXPECTED.items() if "source" in case])
def test_prediction_on_an_odd_picture_ends_as_it_should(name, tmp_path, capsys, weights):
    expectation, case = EXPECTED[name], tmp_path / "case"
    corpus.place(name, case)
    watch = Watch(case, tmp_path, capsys)
    words = [
        "--source",
        str(case / expectation["source"]),
        "--weights",
        str(weights),
        "--project",
        str(tmp_path / "out"),
        "--imgsz",
        "64",
    ]
    code, text = watch.run("predict", *words, "--device", "cpu")
    allowed = {expectation["source_expected"], *expectation.get("source_expected_also", [])}
    assert ("error" if code else "ok") in allowed, text
    if code:
        assert Path(expectation["source"]).name in text
