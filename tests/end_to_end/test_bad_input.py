# SPDX-License-Identifier: Apache-2.0
"""Bad input: one line that names culprit and remedy, exit code 2, nothing made, nothing of the user changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.support.commands import command, contents
from tests.support.datasets import TINY_MODEL
from tests.support.runs import Ground, Trained

GOOD = "path: .\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n"


def refused(ground: Ground, words: list[str], says: tuple[str, ...]) -> None:
    """The command fails as it should, and the world is as before."""
    before, here = contents(ground.folder), contents(Path())
    said = command(*words)
    assert said.code == 2, said.out + said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    where, _, rest = said.err.removeprefix("error: ").partition(": ")
    assert where
    assert ". " in rest, "a remedy follows what is wrong"
    for word in says:
        assert word in said.err
    assert contents(ground.folder) == before
    assert contents(Path()) == here, "no run folder, no file"


# -- the command line

FLAGS = {
    "--imgsz 0": ("--imgsz: imgsz is 0", "Give a list of: a whole number from 1 to 8192"),
    "--imgsz -1": ("imgsz is -1",),
    "--imgsz 100000000": ("imgsz is 100000000", "to 8192"),
    "--imgsz big": ("imgsz is 'big'",),
    "--imgsz 64 64 64": ("--imgsz: imgsz is (64, 64, 64)",),
    "--batch 0": ("batch_size is 0", "Give a whole number from 1"),
    "--batch -5": ("--batch: batch_size is -5",),
    "--batch 1.5": ("batch_size is 1.5",),
    "--epochs 0": ("--epochs: epochs is 0. Give a whole number above 0",),
    "--epochs -1": ("epochs is -1",),
    "--epochs nan": ("epochs is 'nan'",),
    "--workers -2": ("--workers", "from 0 to 1024"),
    "--seed -1": ("--seed",),
    "--seed 99999999999999999999999999": ("--seed",),
    "--epcohs 3": ("unknown flag '--epcohs'", "Did you mean '--epochs'?"),
    "lr00=0.1": ("unknown setting 'lr00'", "Did you mean 'lr0'?"),
    "lr0=fast": ("lr0 is 'fast'", "Give a number from 0 to 10"),
    "lr0=nan": ("lr0 is 'nan'",),
    "lr0=inf": ("lr0 is 'inf'",),
    "momentum=1.5": ("momentum is 1.5", "below 1"),
    "mosaic=yes": ("mosaic is 'yes'",),
    "--optimizer sgdd": ("optimizer is 'sgdd'", "SGD, Adam, AdamW, RMSProp"),
    "--recipe 9.0": ("--recipe 9.0", "7.0"),
    "--device 99": ("--device 99: there is no such GPU", "There is: "),
    "--device gpu": ("--device gpu: is no device",),
    "--rect --image-weights": ("--rect + --image-weights", "Leave one of them out"),
    "--cos-lr --linear-lr": ("--cos-lr + --linear-lr", "Keep one of them"),
    "--data nope.yaml": ("--data nope.yaml: there is no such file",),
    "--data .": ("--data .: is a folder",),
    "--cfg nope.yaml": ("--cfg nope.yaml", "Packaged: yolov3"),
    "--cfg yolov5q": ("Did you mean 'yolov5",),
    "--weights nope.pt": ("--weights nope.pt: there is no such file",),
    "--weights .": ("--weights .: is a folder", "weights/best.pt"),
    "--hyp nope": ("--hyp nope", "Packaged: "),
    "--config nope.yaml": ("--config nope.yaml",),
    "--resume nope.pt": ("--resume nope.pt: there is no such file",),
    "--resume": ("--resume: there is no last.pt below",),
    "--resume --weights x.pt": ("resume + weights",),
    "--project ''": ("--project: is missing",),
}


@pytest.mark.parametrize("words", FLAGS)
def test_a_command_line_that_cannot_be_meant_is_refused(ground, words):
    given = [word.strip("'") for word in words.split()]
    refused(
        ground,
        ground.words("runs", *given, epochs=1) if "--epochs" not in given else [*ground.words("runs"), *given],
        FLAGS[words],
    )


# -- the data set

YAMLS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "no split": (GOOD.replace("val: images/val\n", ""), ("has no key 'val'", "Add 'val:'")),
    "split misspelt": (GOOD.replace("val:", "vall:"), ("has no key 'val'", "Is 'vall' meant to be it?")),
    "split not there": (
        GOOD.replace("images/val", "images/valid"),
        ("data.yaml:3", "'images/valid' of split 'val' is not there", "Did you mean 'images/val'?"),
    ),
    "root not there": (
        GOOD.replace("path: .", "path: nowhere"),
        ("data.yaml:1", "the folder 'nowhere' is not there (tried "),
    ),
    "no names": (GOOD.partition("names")[0], ("the classes have no names", "Add 'names:'")),
    "names and nc differ": (GOOD + "nc: 5\n", ("data.yaml:5", "nc is 5, but names lists 3")),
    "a gap in names": (GOOD.partition("names")[0] + "names: {0: a, 2: b}\n", ("names has no class 1",)),
    "names are a number": (GOOD.partition("names")[0] + "names: 3\n", ("names are 3", "Give a list")),
    "a list": ("- train\n- val\n", ("the file is a list",)),
    "empty": ("", ("the file is empty",)),
    "binary": (bytes(range(256)), ("is not UTF-8 text",)),
    "indented by a tab": ("path: .\n\ttrain: x\n", ("data.yaml:2", "tab")),
    "not closed": ("names: [a\n", ("is not valid YAML",)),
    "twice the same key": (GOOD + "train: x\n", ("data.yaml:5", "key 'train' stands twice (first in line 2)")),
    "code": (
        GOOD + "x: !!python/object/apply:os.system ['touch PWNED']\n",
        ("data.yaml:5", "is not allowed", "nothing is run"),
    ),
    "text to be run": (
        GOOD.replace("path: .", "path: nowhere") + "download: touch PWNED\n",
        ("which this program never does", "touch PWNED"),
    ),
}


@pytest.mark.parametrize("case", YAMLS)
def test_a_data_yaml_that_cannot_be_used_is_refused(ground, case):
    text, says = YAMLS[case]
    ground.data.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(ground, ground.words("runs", epochs=1), ("data.yaml", *says))


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def overwritten(folder: Path, content: bytes) -> None:
    for path in folder.iterdir():
        path.write_bytes(content)


DATA = {
    "no images": (lambda data: emptied(data / "images" / "train"), ("split 'train': no images in ", ".jpg")),
    "all images broken": (
        lambda data: overwritten(data / "images" / "val", b"no picture"),
        ("split 'val'", "none of its 6 images can be used", "000.png"),
    ),
    "no labels": (
        lambda data: shutil.rmtree(data / "labels"),
        ("split 'train'", "none of its 12 images has a label", "labels/train/000.txt"),
    ),
    "no boxes": (lambda data: overwritten(data / "labels" / "train", b""), ("none of its 12 images has an object",)),
    "a class without a name": (
        lambda data: (data / "labels" / "train" / "003.txt").write_text("0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.2 0.2\n"),
        ("003.txt:2", "Label class 7 exceeds nc=3", "data.yaml", "Possible classes are 0 to 2"),
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_a_data_set_that_cannot_teach_is_refused(ground, case):
    spoil, says = DATA[case]
    spoil(ground.data.parent)
    refused(ground, ground.words("runs", epochs=1), says)


def test_what_is_broken_in_part_is_left_out_named_and_counted(ground):
    data = ground.data.parent
    (data / "images" / "train" / "000.png").write_bytes(b"no picture")
    cut = data / "images" / "train" / "001.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (data / "labels" / "train" / "002.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.5 0.5 wide 0.2\n")
    before = contents(ground.folder)
    said = command(*ground.words("runs", "--noplots", epochs=1))
    assert said.code == 0, said.err
    told = [line for line in said.lines if line.startswith("warning: ")]
    for name in ("000.png", "001.png", "002.txt:2"):
        assert [line for line in told if name in line], name
    assert "10 images" in said.out
    assert ", 2 left out for training" in said.out
    assert contents(ground.folder) == before
    strict = command(*ground.words("runs", "--noplots", "--strict", epochs=1))
    assert strict.code == 3
    assert "3 findings under --strict" in strict.err
    assert strict.err.count("\n") == 1


# -- networks, hyperparameters, weights

MODELS = {
    "a list": ("- 1\n", ("the file is a list",)),
    "an unknown block": (
        TINY_MODEL.replace("C3,", "C33,", 1),
        ("tiny.yaml:10", "unknown module 'C33'", "Did you mean 'C3'?"),
    ),
    "a part missing": (TINY_MODEL.replace("backbone", "backbon"), ("has no key 'backbone'",)),
    "a word for a number": (TINY_MODEL.replace("[16, 3, 2]", "[16, three, 2]"), ("tiny.yaml:9", "kernel is 'three'")),
    "code": (TINY_MODEL.replace("[16, 3, 2]", "[__import__('os').system('touch PWNED'), 3, 2]"), ("tiny.yaml:9",)),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_network_description_that_cannot_be_built_is_refused(ground, case):
    text, says = MODELS[case]
    ground.cfg.write_text(text)
    refused(ground, ground.words("runs", epochs=1), says)


HYPS = {
    "lr0: .nan\n": ("hyp.yaml:1", "lr0 is nan", "Give a number from 0 to 10"),
    "lr0: fast\n": ("lr0 is 'fast'",),
    "lr0: [1, 2]\n": ("lr0 is ['1', '2']",),
    "lr0: true\n": ("lr0 is 'true'",),
    "lrr0: 0.1\n": ("hyp.yaml:1", "unknown hyperparameter 'lrr0'", "Did you mean 'lr0'?"),
    "lr0: 0.1\nlr0: 0.2\n": ("hyp.yaml:2", "key 'lr0' stands twice"),
    "- 1\n": ("the file is a list",),
    "": ("the file is empty",),
}


@pytest.mark.parametrize("text", HYPS, ids=repr)
def test_a_hyperparameter_file_that_cannot_be_used_is_refused(ground, text):
    hyp = ground.folder / "hyp.yaml"
    hyp.write_text(text)
    refused(ground, ground.words("runs", "--hyp", str(hyp), epochs=1), HYPS[text])


FOREIGN = "Give a checkpoint of a detector, whole"
WEIGHTS = {
    "text": (lambda whole: b"these are no weights", "is no checkpoint", FOREIGN),
    "empty": (lambda whole: b"", "it is empty", FOREIGN),
    "half": (lambda whole: whole[: len(whole) // 2], "a damaged or incomplete zip", FOREIGN),
    "one bit": (
        lambda whole: whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "is damaged: its content does not match its checksum",
        "Give another file",
    ),
}


@pytest.mark.parametrize("verb", ["train", "val", "predict"])
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_not_whole_are_refused_by_every_verb(trained, tmp_path, verb, case):
    spoil, says, remedy = WEIGHTS[case]
    file = tmp_path / "spoilt.pt"
    file.write_bytes(spoil(trained.best.read_bytes()))
    more = {
        "train": trained.ground.words("runs", "--weights", file, epochs=1)[1:],
        "val": ["--weights", file],
        "predict": ["--weights", file, "--source", trained.ground.data.parent / "images" / "val"],
    }
    refused(trained.ground, [verb, *map(str, more[verb])], (str(file), says, remedy))


def test_weights_of_another_trainer_are_not_run(trained, tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'PWNED')!r}, 'w')",)

    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    refused(trained.ground, ["val", "--weights", str(tmp_path / "evil.pt")], (str(tmp_path / "evil.pt"),))
    assert not (tmp_path / "PWNED").exists()


# -- other verbs

VERBS = {
    "val": ("no checkpoint was given", "Give a checkpoint or run folder"),
    "val nope.pt": ("--weights nope.pt: there is no such file",),
    "val BEST --data nope.yaml": ("--data nope.yaml",),
    "val BEST --task test": ("has no key 'test'",),
    "val BEST --task dev": ("task is 'dev'", "train, val, test"),
    "val BEST --imgsz 0": ("imgsz is 0", "from 32 to 8192"),
    "val BEST --imgsz 99999999": ("imgsz is 99999999",),
    "val BEST --device 99": ("--device 99",),
    "val BEST --conf-thres 2": ("conf_thres is 2",),
    "val BEST --data FOUR": ("the network has 3 classes", "the data set 4"),
    "val BEST --project DATA": ("data.yaml", "cannot be written"),
    "predict": ("--weights: no checkpoint was given",),
    "predict --weights BEST": ("--source: nothing to predict on was given",),
    "predict --weights BEST --source nope.jpg": ("--source nope.jpg: there is no such file or folder",),
    "predict --weights BEST --source LABELS": ("the folder holds no images",),
    "predict --weights BEST --source DATA": ("none of the 1 images could be read", "not an image of a known format"),
    "predict --weights BEST --source IMAGES --classes dog": ("--classes: there is no class 'dog'", "red, blue, green"),
    "predict --weights BEST --source IMAGES --classes 9": ("there is no class '9'",),
    "predict --weights BEST --source IMAGES --imgsz 99999999": ("imgsz is 99999999",),
    "predict --weights BEST --source IMAGES --save-conf": ("--save-conf", "Add --save-txt"),
    "predict --weights BEST --source IMAGES --project DATA": ("data.yaml", "cannot be written"),
    "data sample --out DATA": ("data.yaml", "cannot be written"),
    "data sample --seed -1": ("seed is -1",),
    "demo --epochs 0": ("epochs is 0",),
    "demo --epohcs 1": ("Did you mean '--epochs'?",),
    "train --resume BEST": ("was stripped of its training state", "Resume last.pt"),
    "fly": ("there is no verb 'fly'", "train"),
    "data nope": ("there is no 'nope'", "sample"),
}


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_refuses_what_it_cannot_use(trained: Trained, tmp_path, words):
    ground = trained.ground
    four = tmp_path / "four.yaml"
    four.write_text(
        ground.data.read_text().replace("path: .", f"path: {ground.data.parent}").replace("green", "green, grey")
    )
    data = ground.data.parent
    places = {
        "BEST": trained.best,
        "DATA": ground.data,
        "FOUR": four,
        "LABELS": data / "labels",
        "IMAGES": data / "images" / "val",
    }
    refused(ground, [str(places.get(word, word)) for word in words.split()], VERBS[words])


# -- places that cannot be written


def test_a_run_folder_that_cannot_be_made_is_refused(ground):
    Path("file").write_text("mine")
    refused(ground, ground.words("file", epochs=1), ("file/exp", "cannot be written (not a directory)"))
    Path("runs").mkdir()
    Path("runs/exp").write_text("mine")
    refused(ground, ground.words("runs", "--exist-ok", epochs=1), ("runs/exp: is a file, and a run needs a folder",))
    Path("runs/taken").mkdir()
    Path("runs/taken/weights").write_text("mine")
    refused(
        ground,
        ground.words("runs", "--exist-ok", "--name", "taken", epochs=1),
        ("runs/taken/weights", "cannot be written"),
    )


def test_data_that_changed_since_the_run_is_not_resumed_on(ground):
    said = command(*ground.words("runs", "--noplots", epochs=2))
    assert said.code == 0
    (Path("runs/exp") / "done.json").unlink()
    (ground.data.parent / "labels" / "train" / "000.txt").write_text("1 0.5 0.5 0.3 0.3\n")
    refused(
        ground,
        ["train", "--resume", "runs/exp"],
        ("--resume", "held when this run was trained on it", "Restore the data"),
    )


def test_a_setting_that_contradicts_the_resumed_run_is_refused(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "exp")
    (tmp_path / "exp" / "done.json").unlink()
    says = (
        "seed is 8 here and 0 in the run that is resumed, which cannot change on the way",
        "start a new run with --weights",
    )
    refused(trained.ground, ["train", "--resume", str(tmp_path / "exp"), "--seed", "8"], ("--seed", *says))


@pytest.mark.parametrize("words", [("train", "--data"), ("data", "check")])
def test_data_that_is_an_address_is_shown_as_it_is_with_the_way_to_fetch_it(words):
    said = command(*words, "https://user:secret@example.com/sets/cars.zip?token=1")
    assert said.code == 2
    assert "--data https://example.com/sets/cars.zip: is an address, and data is read from files" in said.err
    assert "`boxwright data fetch FILE.yaml` fetches it" in said.err
