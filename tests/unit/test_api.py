# SPDX-License-Identifier: Apache-2.0
"""The Python interface takes what the settings say, in the same words and types, and speaks of arguments."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import boxwright
from boxwright import api
from boxwright.config import options
from boxwright.config.arguments import ONLY_AT_THE_COMMAND_LINE, errors_in_python, in_python, layer_of
from boxwright.config.assemble import resolve_verb
from boxwright.config.load import Layer
from boxwright.config.origin import PYTHON
from boxwright.config.schema.export import ExportSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import PredictSettings, ValSettings
from boxwright.config.setting import spelling_of
from boxwright.errors import SettingError, WeightsError

FACES = {
    "train": (api.train, options.TrainOptions, TrainSettings, "batch"),
    "validate": (api.validate, options.ValOptions, ValSettings, "batch"),
    "predict": (api.predict, options.PredictOptions, PredictSettings, "batch_size"),
    "export": (api.export, options.ExportOptions, ExportSettings, "batch_size"),
}
ROOT = Path(__file__).parents[2]
EVERY_FACE = pytest.mark.parametrize("name", FACES)
FILES = {"PT", "YAML", "DIR", "FILE", "PATH", "JSON"}  # what stands for files in help
WIDER = {  # what says more in Python than its setting does
    "device": {str, int},
    "workers_ray": {str, int},
    "class_weights": {str, ("several", frozenset({str, float})), Mapping[str, float]},
}


def members(annotation: Any) -> set[Any]:
    """The types that a hint allows, None aside; a union within a sequence is one of its own."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return set().union(*(members(part) for part in get_args(annotation)))
    return {annotation} - {type(None)}


def wanted(key: str, kind: Any) -> set[Any]:
    """What an argument has to take, from the type of its setting."""
    field = kind.model_fields[key]
    if key in WIDER:
        return WIDER[key]
    single: set[Any] = set()
    several = False
    fixed = False
    for member in members(field.annotation):
        if get_origin(member) is tuple:
            several, fixed = True, Ellipsis not in get_args(member)
            single |= set().union(*(members(part) for part in get_args(member) if part is not Ellipsis))
        else:
            single.add(member)
    if str in single and (spelling_of(field).metavar in FILES or key in {"project", "weights", "out"}):
        single.add(Path)
    rows = {("several", frozenset(single))} if several else set()
    return rows if fixed else single | rows


def canonical(hint: Any) -> set[Any]:
    """The types that a hint allows, with a sequence as the set of what it holds: the order within it does not count."""
    return {
        ("several", frozenset(members(get_args(one)[0]))) if get_origin(one) is Sequence else one
        for one in members(hint)
    }


def taken(function: Any, extra: Any, other: str) -> dict[str, Any]:
    hints = get_type_hints(function)
    named = {key: hints[key] for key in inspect.signature(function).parameters if key not in {"settings", "observers"}}
    more = get_type_hints(extra)
    assert not set(named) & set(more)
    assert named.pop(other) == int | None
    return named | more


@EVERY_FACE
def test_every_setting_is_an_argument_and_every_argument_a_setting(name):
    function, extra, kind, other = FACES[name]
    first_words = {key for key, field in kind.model_fields.items() if spelling_of(field).positional}
    assert set(taken(function, extra, other)) == set(kind.model_fields) - first_words - set(ONLY_AT_THE_COMMAND_LINE)


@EVERY_FACE
def test_arguments_have_the_types_of_their_settings(name):
    function, extra, kind, other = FACES[name]
    for key, hint in taken(function, extra, other).items():
        assert canonical(hint) == wanted(key, kind), key


@EVERY_FACE
def test_what_is_not_given_is_none(name):
    for key, parameter in inspect.signature(FACES[name][0]).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and key != "observers":
            assert parameter.default is None, key
    assert not layer_of("f", FACES[name][2], dict.fromkeys(FACES[name][2].model_fields)).values


def test_options_that_act_nowhere_in_python_are_settings_that_exist():
    assert set(ONLY_AT_THE_COMMAND_LINE) <= {*TrainSettings.model_fields, *PredictSettings.model_fields}
    with pytest.raises(SettingError, match="dry_run is for the command line alone"):
        boxwright.train(dry_run=True)


def test_the_help_of_train_names_every_parameter():
    words = inspect.getdoc(api.train)
    for name in inspect.signature(api.train).parameters:
        assert name == "settings" or name in words, name


# -- values


def values(kind: Any = TrainSettings, **given: Any) -> Any:
    return resolve_verb(kind, layer_of("boxwright.train", kind, given), Layer(PYTHON, {})).settings


def test_paths_numbers_of_numpy_and_lists_are_understood():
    found = values(
        data=Path("a.yaml"), imgsz=[np.int64(320), 256], epochs=np.int32(3), lr0=np.float64(0.5), device=0, freeze=3
    )
    assert (found.data, found.imgsz, found.epochs, found.lr0, found.device) == ("a.yaml", (320, 256), 3, 0.5, "0")
    assert found.freeze == (3,)
    assert values(class_weights={"a": 2}).class_weights == ("a:2",)
    assert values(class_weights=[1.0, 2]).class_weights == ("1.0", "2")


def test_a_comma_in_a_path_stays_in_the_path():
    assert values(ValSettings, weights="lr0,01/best.pt").weights == ("lr0,01/best.pt",)
    assert values(ValSettings, weights=[Path("a,b.pt"), "c.pt"]).weights == ("a,b.pt", "c.pt")


def test_batch_and_batch_size_are_one_argument_everywhere():
    assert values(batch=4).batch_size == values(batch_size=4).batch_size == 4
    for kind, key in ((ValSettings, "batch_size"), (PredictSettings, "batch")):
        assert getattr(values(kind, batch=4), key) == getattr(values(kind, batch_size=4), key) == 4
    with pytest.raises(
        SettingError, match=r"^boxwright.train: batch and batch_size are two names of one argument. Give"
    ):
        boxwright.train(batch=4, batch_size=4)


# -- messages


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epohcs": 3}, "boxwright.train: there is no argument 'epohcs'. Did you mean 'epochs'?"),
        ({"bach": 3}, "boxwright.train: there is no argument 'bach'. Did you mean 'batch'?"),
        ({"zzz": 3}, "boxwright.train: there is no argument 'zzz'. help(boxwright.train) lists them"),
        ({"epochs": -1}, "boxwright.train: epochs is -1. Give a whole number above 0"),
        ({"epochs": True}, "boxwright.train: epochs is True, which is yes or no. Give a whole number above 0"),
        ({"hyp": {"lr0": 1}}, "boxwright.train: hyp is a mapping. Give a word"),
        ({"cfg": ""}, "argument cfg: an empty 'cfg' leaves no network to build. Leave 'cfg' out or name a network"),
        (
            {"aug": "none", "albumentations": True},
            "argument aug + albumentations: aug='none' leaves every image as it is",
        ),
        ({"data": "nope.yaml"}, "argument data nope.yaml: there is no such file"),
        ({"batch": 0}, "argument batch_size: batch_size is 0. Give a whole number from 1"),
    ],
)
def test_messages_speak_of_arguments_in_one_line(given, says):
    with pytest.raises(boxwright.UserError) as error:
        boxwright.train(**given)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)


@EVERY_FACE
def test_no_flag_of_any_setting_is_left_in_a_message(name):
    kind = FACES[name][2]
    for key, field in kind.model_fields.items():
        if spelling_of(field).kind == "flag":
            for spelt in (key, *spelling_of(field).names, *spelling_of(field).renamed):
                said = in_python(f"Give --{spelt.replace('_', '-')}, or leave it out", kind)
                assert said in {f"Give {key}=True, or leave it out", f"Give '{key}', or leave it out"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Add --save-txt", "Add save_txt=True"),
        ("see `boxwright val --help`, or give --data", "see `boxwright val --help`, or give 'data'"),
        ("--task val judges all", "task='val' judges all"),
        ("Give --names-by-position", "Give names_by_position=True"),
        ("Give --of-another-verb", "Give 'of_another_verb'"),
        ("nothing -- at all - here", "nothing -- at all - here"),
    ],
)
def test_flags_become_arguments_and_command_lines_stay(before, after):
    assert in_python(before, ValSettings) == after


def test_an_error_keeps_its_kind_and_where_it_came_from():
    def fails():
        raise WeightsError("--weights a.pt", "is torn", "Give --weights another")

    with (
        pytest.raises(WeightsError, match=r"^argument weights a\.pt: is torn\. Give 'weights' another$") as error,
        errors_in_python("f", ValSettings),
    ):
        fails()
    assert error.traceback[-1].name == "fails"


def test_wrong_places_of_data_and_weights_are_one_line():
    for call in (
        lambda: boxwright.open_data(None),
        lambda: boxwright.open_data("nope.yaml"),
        lambda: boxwright.load("nope"),
        lambda: boxwright.load([]),
        lambda: boxwright.load(None),
        lambda: boxwright.validate("nope"),
        lambda: boxwright.predict("nope", "a.jpg"),
        lambda: boxwright.export("nope", format="onnx"),
        lambda: boxwright.export("nope"),
    ):
        with pytest.raises(boxwright.UserError, match=r"^argument ") as error:
            call()
        assert "--" not in str(error.value)


# -- the package


def test_public_names_are_the_same_for_programs_and_for_type_checkers():
    stub = (Path(boxwright.__file__).parent / "__init__.pyi").read_text()
    typed = {line.split(" as ")[1] for line in stub.splitlines() if " as " in line}
    assert typed == set(boxwright.__all__) == set(dir(boxwright))
    for name in boxwright.__all__:
        assert getattr(boxwright, name) is not None


def test_no_room_bears_the_name_of_a_public_function_and_could_take_its_place():
    folder = Path(boxwright.__file__).parent
    rooms = {path.stem for path in folder.iterdir()}
    assert not rooms & set(boxwright.__all__)


def test_functions_stay_functions_whatever_is_imported():
    program = (
        "import boxwright, pkgutil, importlib\n"
        "for one in pkgutil.iter_modules(boxwright.__path__):\n"
        "    if one.name != '__main__': importlib.import_module('boxwright.' + one.name)\n"
        "import boxwright.export_formats.onnx_graph, boxwright.engine.loop\n"
        "print([callable(getattr(boxwright, name)) for name in boxwright.__all__ if name != '__version__'])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(said.strip("[]\n").split(", ")) == {"True"}


def test_the_package_says_that_it_is_typed():
    assert (Path(boxwright.__file__).parent / "py.typed").exists()


def test_the_wheel_holds_what_type_checkers_look_for(tmp_path):
    program = (
        "import sys; sys.path.insert(0, 'native'); import backend; "
        "backend.build_wheel(sys.argv[1], {'wheel.cmake': 'false'})"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as inside:
        assert {"boxwright/py.typed", "boxwright/__init__.pyi", "boxwright/api.py"} <= set(inside.namelist())
