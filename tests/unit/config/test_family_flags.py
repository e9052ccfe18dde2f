# SPDX-License-Identifier: Apache-2.0
"""Every flag of every program of the family does what the table says, and the page says what the table says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from boxwright import cli
from boxwright.config.assemble import resolve_verb
from boxwright.config.family_flags import ERAS, FLAGS, Outcome
from boxwright.config.flags import flag_names, parser, read
from boxwright.config.not_yet import NEEDS, NOT_YET, UNREAD, is_not_yet, refuse_what_cannot_act
from boxwright.config.schema.export import ExportSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import PredictSettings
from boxwright.config.setting import spelling_of
from boxwright.errors import SettingError
from tests.support.flag_page import KINDS, PAGE, page
from tests.support.syntax import nodes_of

PACKAGE = Path(cli.__file__).parent
EVERY_FLAG = pytest.mark.parametrize("row", FLAGS, ids=lambda row: f"{row.verb} {row.flag}")


def given(row):
    """The words of a row through the real parser, and the settings that come of them."""
    needed = ["--format", "onnx"] if row.verb == "export" and row.key != "format" else []
    needed += ["--track", "mlflow"] if NEEDS.get(row.key, ("",))[0] == "track" else []
    needed += ["--evolve", "2"] if NEEDS.get(row.key, ("",))[0] == "evolve" else []
    line = read(row.verb, KINDS[row.verb], [row.flag, *row.words.split(), *needed], reports=True)
    return line, resolve_verb(KINDS[row.verb], line.flags, line.words)


@EVERY_FLAG
def test_every_flag_of_the_family_does_what_the_table_says(row):
    if row.outcome is Outcome.REFUSED:
        assert row.about
        assert row.remedy
        with pytest.raises(SettingError, match=re.escape(f"{row.flag}: {row.about}")):
            given(row)
        return
    line, resolved = given(row)
    if row.outcome is Outcome.WITHOUT_EFFECT:
        assert line.notes == (f"{row.flag} has no effect here. {row.about}",)
        bare = read(row.verb, KINDS[row.verb], [], reports=True)
        assert set(line.flags.values) - {"format"} == set(bare.flags.values)
        return
    default = KINDS[row.verb].model_fields[row.key].default
    assert getattr(resolved.settings, row.key) != default or row.words in {str(default), f"({default},)"}, (
        "it sets nothing"
    )
    assert resolved.sources[row.key].typed
    if row.outcome is Outcome.NOT_YET:
        with pytest.raises(SettingError, match=r"is not offered yet|there is none in this run"):
            refuse_what_cannot_act(resolved)
        assert is_not_yet(row.key)
    else:
        assert bool(line.notes) == (row.outcome is Outcome.RENAMED), line.notes
        assert all(f"{row.flag} is now --" in note for note in line.notes)
        if row.verb == "train":
            refuse_what_cannot_act(resolved)


@EVERY_FLAG
def test_eras_of_a_flag_are_those_of_the_trainers(row):
    first, _, last = row.eras.partition("-")
    assert first in ERAS
    assert (last or first) in ERAS
    assert ERAS.index(first) <= ERAS.index(last or first)


def test_a_flag_stands_in_the_table_once():
    names = [(row.verb, row.flag.replace("_", "-"), row.eras) for row in FLAGS]
    assert len(names) == len(set(names))


def test_every_original_flag_of_the_schema_stands_in_the_table():
    """What the schema calls original is a claim about the family, which the table makes."""
    for verb, kind in KINDS.items():
        shown = {row.flag[2:].replace("-", "_") for row in FLAGS if row.verb == verb}
        original = {
            key
            for key, info in kind.model_fields.items()
            if spelling_of(info).original and spelling_of(info).kind == "flag"
        }
        known = {row.key for row in FLAGS if row.verb == verb} | shown
        assert original <= known, verb


def read_somewhere() -> set[str]:
    """Every name that code above the settings asks a value for."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if "config" in path.relative_to(PACKAGE).parts[:1]:
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_no_setting_is_accepted_and_read_by_nobody():
    """One that nobody asks for is silently without effect."""
    by_config = {
        "recipe",
        "hyp",
        "config",
        "default_hyp",
        "default_hyp_finetune",
        "later_hyp_keys",
        "local_rank",
        "aug",
    }
    used = read_somewhere() | by_config | set(NOT_YET) | set(NEEDS) | set(UNREAD)
    for kind in KINDS.values():
        assert set(kind.model_fields) <= used, set(kind.model_fields) - used


@pytest.mark.parametrize("verb", KINDS)
def test_help_names_what_is_not_offered_yet(verb):
    text = parser(verb, KINDS[verb], reports=True).format_help()
    later = [flag_names(key, info)[0] for key, info in KINDS[verb].model_fields.items() if is_not_yet(key)]
    assert bool(later) == ("not offered yet:" in text)
    together = " ".join(text.partition("not offered yet:")[2].split())
    for flag in later:
        assert flag in together
        assert (
            f"Not offered yet. {KINDS[verb].model_fields[flag[2:].replace('-', '_')].description}".split(".")[0] in text
        )
    assert verb != "train" or later == ["--upload-dataset", "--device-check"]


@pytest.mark.parametrize("key", UNREAD)
def test_a_constant_that_nothing_reads_is_refused_where_it_is_written_alone(key):
    line = read("train", TrainSettings, [f"{key}=0.5"], reports=False)
    with pytest.raises(SettingError, match=rf"{key}=value: no trainer"):
        refuse_what_cannot_act(resolve_verb(TrainSettings, line.flags, line.words))


@pytest.mark.parametrize("word", ["evolve_method=mutation", "evolve_table=6.0", "evolve_file=txt"])
def test_a_constant_of_evolutions_is_refused_where_there_is_none(word):
    line = read("train", TrainSettings, [word], reports=False)
    with pytest.raises(SettingError, match="it is for an evolution, and there is none in this run"):
        refuse_what_cannot_act(resolve_verb(TrainSettings, line.flags, line.words))


def test_a_flag_without_effect_takes_its_value_along_and_leaves_the_others():
    line = read(
        "export", ExportSettings, ["--workspace", "4", "--device=0", "--half", "--format", "onnx"], reports=True
    )
    assert dict(line.flags.values) == {"half": True, "format": ["onnx"]}
    assert [note.split()[0] for note in line.notes] == ["--workspace", "--device"]
    with pytest.raises(SettingError, match="expected one argument"):
        read("export", ExportSettings, ["--workspace"], reports=True)


@pytest.mark.parametrize(
    ("words", "size", "run"),
    [
        (["--imgsz", "320", "256", "runs/exp"], (320, 256), "runs/exp"),
        (["--imgsz", "320", "runs/exp"], (320,), "runs/exp"),
        (["runs/exp", "--img", "320"], (320,), "runs/exp"),
        (["--imgsz=320", "runs/exp"], (320,), "runs/exp"),
        (["runs/exp", "imgsz=320,256"], (320, 256), "runs/exp"),
    ],
)
def test_height_and_width_end_where_numbers_end(words, size, run):
    line = read("predict", PredictSettings, words, reports=True)
    settings = resolve_verb(PredictSettings, line.flags, line.words).settings
    assert (settings.imgsz, settings.run) == (size, run)


def test_other_spellings_work_as_words_too():
    line = read("predict", PredictSettings, ["runs/exp", "batch=4", "img=320"], reports=True)
    settings = resolve_verb(PredictSettings, line.flags, line.words).settings
    assert (settings.run, settings.batch, settings.imgsz) == ("runs/exp", 4, (320,))
    line = read("export", ExportSettings, ["runs/exp", "batch_size=2", "include=onnx"], reports=True)
    settings = resolve_verb(ExportSettings, line.flags, line.words).settings
    assert (settings.batch, settings.format) == (2, ("onnx",))


@pytest.mark.parametrize("words", [["--adam", "--optimizer", "SGD"], ["--optimizer", "SGD", "--adam"]])
def test_a_flag_that_stands_for_a_value_is_refused_beside_one_that_takes_it(words):
    with pytest.raises(SettingError, match="both say the same thing"):
        read("train", TrainSettings, words, reports=True)


@pytest.mark.parametrize("old", cli.OLD_VERBS)
def test_old_names_of_programs_mean_verbs(capsys, old):
    assert cli.main([old, "--help"]) == 0
    assert f"usage: boxwright {cli.OLD_VERBS[old]} " in capsys.readouterr().out


@pytest.mark.parametrize("verb", cli.NOT_YET_VERBS)
def test_verbs_that_are_not_offered_yet_say_so(capsys, verb):
    assert cli.main([verb]) == 2
    assert f"error: boxwright {verb}: it is not offered yet. Verbs: " in capsys.readouterr().err
    assert cli.main(["--help"]) == 0
    assert verb in capsys.readouterr().out.partition("Not offered yet: ")[2].splitlines()[0]
    assert verb not in cli.VERBS


def test_the_page_says_what_the_table_says():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.support.flag_page"
