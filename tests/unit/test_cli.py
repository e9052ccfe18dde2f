# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

from boxwright import cli
from boxwright.config import flags as flags_of
from boxwright.config.explained import HOMES
from boxwright.config.flags import read
from boxwright.config.manual import MANUAL

pytestmark = pytest.mark.slow


def run(capsys, *words: str):
    code = cli.main(words)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def verbs():
    for name, verb in cli.VERBS.items():
        if isinstance(verb, cli.Verb):
            yield [name], verb
        else:
            for sub, inner in verb.items():
                yield [name, sub], inner


@pytest.mark.parametrize("words", [words for words, _ in verbs()], ids=" ".join)
def test_every_verb_has_help(capsys, words):
    code, out, err = run(capsys, *words, "--help")
    assert code == 0
    assert out.startswith(f"usage: boxwright {' '.join(words)}")
    assert not err


def test_the_manual_has_an_entry_for_every_verb_and_no_other():
    assert list(MANUAL) == [" ".join(words) for words, _ in verbs()]


@pytest.mark.parametrize("name", list(MANUAL))
def test_the_help_of_a_verb_says_what_it_does_with_an_example_that_is_understood(capsys, name):
    about, example = MANUAL[name]
    verb = {" ".join(words): verb for words, verb in verbs()}[name]
    module, kind = verb.settings.split(":")
    assert about.endswith(".")
    assert example.startswith(name)
    read(
        name,
        getattr(importlib.import_module(f"boxwright.config.schema.{module}"), kind),
        example.removeprefix(name).split(),
        reports=verb.reports,
    )
    out = run(capsys, *name.split(), "--help")[1]
    assert f"\n  boxwright {example}\n" in out
    assert about.split(".")[0] in " ".join(out.split())


@pytest.mark.parametrize("name", [name for name, verb in cli.VERBS.items() if isinstance(verb, dict)])
def test_every_group_lists_what_it_has(capsys, name):
    code, out, _ = run(capsys, name)
    assert code == 0
    assert all(sub in out for sub in cli.VERBS[name])


def test_the_overview_names_every_verb(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(name in out for name in cli.VERBS)
    assert run(capsys)[0] == 2


def test_the_version_is_printed(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("boxwright ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tarin"], "there is no verb 'tarin'. Did you mean 'train'?"),
        (["Train"], "Did you mean 'train'?"),
        (["infer"], "Did you mean 'predict'?"),
        (["data", "chek"], "there is no 'chek'. Did you mean 'check'?"),
        (["train", "lr=0.01"], "unknown setting 'lr'. Did you mean 'lr0=VALUE' (Learning rate after warm-up)?"),
        (["train", "--lr", "0.01"], "unknown flag '--lr'. Did you mean 'lr0=VALUE' (Learning rate after warm-up)?"),
        (["train", "model=a.pt"], "Did you mean '--weights' (Weights to start from) or '--cfg' (Model YAML)?"),
        (["val", "--model", "a.pt"], "or 'RUN' ("),
        (["train", "lr0=value"], "lr0=value: lr0 is 'value'. Give a number from 0 to 10"),
        (["train", "lr0=high"], "lr0=high: lr0 is 'high'. Give a number from 0 to 10"),
        (["train", "--optimizer", "sdg"], "optimizer is 'sdg'. Did you mean 'SGD'? Give one of SGD"),
        (["export", "a.pt", "--include", "tflite"], "TFLite is not written here; other programs make it from ONNX."),
        (["export", "a.pt", "--include", "onnx", "torchscirpt"], "'torchscirpt'. Did you mean 'torchscript'?"),
        (["config", "explain", "learning-rate"], "Did you mean 'lr0'?"),
        (["model", "draww"], "there is no 'draww'"),
        (["model", "info"], "MODEL: is missing. Model YAML"),
        (["report"], "RUNS: is missing. Run folders"),
        (["val", "a.pt", "b.pt"], "unrecognized arguments: b.pt. Several stand behind --weights;"),
        (["predict", "a.pt", "b.jpg"], "unrecognized arguments: b.jpg. Several stand behind --weights or --source"),
        (["export", "a.pt"], "--format: is missing."),
        (["train", "--mosaic", "1.0"], "Write mosaic=VALUE after the flags"),
        (["model", "info", "yolov5q"], "Did you mean 'yolov5"),
        (["model", "info", "a", "b"], "unrecognized arguments"),
        (["schedule", "--epocks", "3"], "Did you mean '--epochs'?"),
        (["config", "explain", "lr9"], "Did you mean 'lr"),
        (["recipes", "4.0"], "Packaged: 2020.7, 2020.8, 6.0, 6.2, 7.0"),
    ],
)
def test_a_users_mistake_is_one_line_on_stderr_and_exit_code_2(capsys, words, says):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert not out
    assert err.startswith("error: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["--best-by", "-val/box_loss"], ["--best-by=-val/box_loss"], ["best_by=-val/box_loss"]],
    ids=["apart", "joined", "word"],
)
def test_a_value_may_begin_with_a_minus(capsys, words):
    code, out, err = run(capsys, "config", "show", "--json", *words, "--save-period", "-1")
    assert (code, err) == (0, "")
    settings = json.loads(out)["settings"]
    assert (settings["best_by"], settings["save_period"]) == ("-val/box_loss", -1)


def test_explanations_cover_the_settings_of_every_verb():
    assert {
        " ".join(words): cli._named("boxwright.config.schema", verb.settings)
        for words, verb in verbs()
        if verb.settings != "verbs:NoSettings" and words != ["config", "show"]
    } == HOMES


def test_every_flag_of_every_verb_is_explained(capsys):
    flags = {"--version"}
    for name, kind in HOMES.items():
        parser = flags_of.parser(name, kind, reports=True)
        flags |= {option for action in parser._actions for option in action.option_strings}
        flags |= {f"--{spelt}" for spelt in dict(flags_of._spellings(kind))}
    for flag in sorted(flags - {"-h", "--help"}):
        code, out, err = run(capsys, "config", "explain", flag)
        assert (code, err) == (0, ""), (flag, err)
        assert out.split()[0] == "key"
        assert "help" in out


def test_an_explanation_says_what_a_flag_does_in_each_verb(capsys):
    found = as_json(capsys, "config", "explain", "--conf-thres")
    assert found["verbs"] == ["val", "predict", "export"]
    assert [one["verb"] for one in found["elsewhere"]] == ["predict", "export"]
    assert "in predict" in run(capsys, "config", "explain", "conf_thres")[1]


def test_help_of_a_verb_may_be_asked_for_in_front_of_it(capsys):
    assert run(capsys, "help", "train") == run(capsys, "train", "--help")


def test_a_flag_without_its_value_says_so(capsys):
    for words in (["--best-by"], ["--best-by", "--epochs", "3"]):
        code, _, err = run(capsys, "config", "show", *words)
        assert code == 2
        assert "argument --best-by: expected one argument" in err


def test_our_own_fault_is_one_line_and_exit_code_1(capsys, monkeypatch):
    monkeypatch.setattr(cli, "_verb", lambda words: (_ for _ in ()).throw(ZeroDivisionError("a\nb")))
    code, _, err = run(capsys, "recipes")
    assert code == 1
    assert "This is our fault" in err
    assert err.count("\n") == 1


def test_debugging_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("BOXWRIGHT_DEBUG", "1")
    with pytest.raises(Exception, match="no verb"):
        cli.main(["nope"])


def test_an_interrupt_has_its_exit_code(capsys, monkeypatch):
    monkeypatch.setattr(cli, "_run", lambda words: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(capsys, "recipes")[0] == 130


def as_json(capsys, *words: str):
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    return json.loads(out)


def test_schedule_has_one_row_per_batch_as_the_contract_says(capsys):
    document = as_json(
        capsys, "schedule", "--recipe", "7.0", "--batches-per-epoch", "40", "--epochs", "3", "--batch", "16", "lr0=0.02"
    )
    rows = document["rows"]
    assert len(rows) == 120
    assert set(rows[0]) == {"iteration", "epoch", "lr", "momentum", "accumulate", "step"}
    assert set(rows[0]["lr"]) == {"bias", "weight", "norm"}
    assert rows[0]["lr"] == {"bias": 0.1, "weight": 0.0, "norm": 0.0}
    assert rows[0]["step"] is True
    assert rows[119]["lr"]["weight"] == pytest.approx(0.02 * (1 - 2 / 3 * 0.99) * 119 / 120)
    assert rows[119]["momentum"] == pytest.approx(0.8 + 0.137 * 119 / 120)


def test_schedule_prints_a_table_for_people(capsys):
    code, out, _ = run(capsys, "schedule", "--batches-per-epoch", "40", "--epochs", "3")
    assert code == 0
    assert "warm-up to batch 120, accumulate 4" in out


def test_schedule_tells_what_the_moving_average_keeps_at_every_step(capsys):
    document = as_json(
        capsys,
        "schedule",
        "--recipe",
        "7.0",
        "--batches-per-epoch",
        "40",
        "--epochs",
        "3",
        "--batch",
        "32",
        "ema_ramp=100",
        "ema_decay=0.9",
    )
    updates = np.cumsum([row["step"] for row in document["rows"]])
    assert 0 < updates[-1] < len(document["rows"])
    assert document["ema_decay"] == pytest.approx(0.9 * (1 - np.exp(-updates / 100)), abs=1e-12)
    code, out, _ = run(capsys, "schedule", "--batches-per-epoch", "40", "--epochs", "3")
    assert (code, out.splitlines()[0].endswith("EMA decay"), out.splitlines()[1].split()[-1]) == (0, True, "0.0004998")


def test_schedule_is_drawn_where_a_picture_is_asked_for(capsys, tmp_path):
    code, out, _ = run(
        capsys, "schedule", "--batches-per-epoch", "40", "--epochs", "3", "--out", str(tmp_path / "plan.png")
    )
    assert (code, out.splitlines()[-1]) == (0, f"picture in {tmp_path / 'plan.png'}")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run(capsys, "schedule", "--out", str(tmp_path / "plan.gif"))
    assert (code, "End the name in .png" in err, (tmp_path / "plan.gif").exists()) == (2, True, False)


def test_model_info_has_the_fields_of_the_contract(capsys):
    document = as_json(capsys, "model", "info", "yolov5n")
    assert {"layers", "parameters", "gflops", "strides", "anchors", "rows"} <= set(document)
    assert (document["layers"], document["parameters"], document["strides"]) == (125, 1872157, [8, 16, 32])
    assert len(document["rows"]) == 25
    assert document["anchors"][0][0] == [10, 13]


def test_model_list_and_check(capsys):
    assert {"yolov5n", "yolov5x6"} <= {model["name"] for model in as_json(capsys, "model", "list")["models"]}
    assert as_json(capsys, "model", "check", "yolov5s6", "--nc", "3")["num_classes"] == 3
    assert "sound" in run(capsys, "model", "check", "yolov5n")[1]


def test_recipes_are_listed_shown_and_compared(capsys):
    assert as_json(capsys, "recipes")["recipes"] == ["2020.7", "2020.8", "6.0", "6.2", "7.0"]
    assert as_json(capsys, "recipes", "2020.7")["settings"]["nominal_batch"] == 32
    difference = as_json(capsys, "recipes", "2020.7", "--diff", "7.0")["difference"]
    assert difference["nominal_batch"] == [32, 64]
    assert difference["epochs"] == [300, 100]
    assert "do not differ" in run(capsys, "recipes", "7.0", "--diff", "7.0")[1]


def test_settings_are_shown_with_their_sources_and_explained(capsys):
    document = as_json(capsys, "config", "show", "--epochs", "5", "lr0=0.5")
    assert document["settings"]["epochs"] == 5
    assert document["sources"]["epochs"] == "--epochs"
    assert document["sources"]["lr0"] == "lr0=value"
    assert document["sources"]["save_minutes"] == "built-in"
    explained = as_json(capsys, "config", "explain", "batch")
    assert explained["key"] == "batch_size"
    assert explained["written"] == ["--batch-size", "--batch", "batch_size=VALUE"]
    assert "LossSettings" in run(capsys, "config", "explain", "giou")[1]


def test_notes_go_to_stderr_so_that_json_stays_json(capsys):
    code, out, err = run(capsys, "config", "show", "--notest", "--json")
    assert code == 0
    assert json.loads(out)["settings"]["noval"] is True
    assert err == "warning: --notest is now --noval; both work\n"
