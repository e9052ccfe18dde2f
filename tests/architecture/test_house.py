# SPDX-License-Identifier: Apache-2.0
"""The house is still the house: floors, doors, sizes, names. Read from the syntax tree, without importing anything.

There are no exceptions to any rule here, and no list to put one into.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from tests.support.every import every
from tests.support.syntax import nodes_of, tree_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "boxwright"

# A room's floor. Imports go to lower floors, or stay inside the room.
FLOORS = {
    "__main__": 11,
    "cli": 10,
    "__init__": 10,
    "api": 9,
    "commands": 8,
    "evolution": 7,
    "runs": 6,
    **dict.fromkeys(("engine", "infer", "report"), 5),
    **dict.fromkeys(("data", "loss", "export_formats", "search", "ui"), 4),
    **dict.fromkeys(("model", "metrics", "config", "track"), 3),
    **dict.fromkeys(("structures", "system"), 2),
    **dict.fromkeys(("geometry", "drawing", "native", "errors", "keyed", "documents", "paths", "version"), 1),
}
# Floor 1 rooms may lean on these four, which lean on nothing.
GROUND = {"errors", "keyed", "native", "paths"}
# The rooms inside a room, lowest first. Those on one step do not know each other; files beside them stand above all.
INNER = {
    "data": (
        ("drawn", "labels", "pixels"),
        ("formats",),
        ("index",),
        ("splits",),
        ("augment",),
        ("stores",),
        ("sampling",),
    ),
    "runs": (("inputs",), ("weights",), ("datasets", "evaluation", "exporting", "prediction", "sizing")),
    "commands": (("dataset",),),
}

REFUSED_NAMES = {
    "utils",
    "util",
    "common",
    "core",
    "misc",
    "helpers",
    "helper",
    "tools",
    "base",
    "manager",
    "handler",
    "stuff",
}
MAX_LINES = 400
MAX_STATEMENTS = 40
MAX_VERB_LINES = 80  # settings in, one call, an answer out; the work is done below
MAX_POSITIONAL = 8  # block constructors take the words of a YAML row

# Who may use what of the world outside. A prefix of the dotted name, and the only files that may.
DOORS = {
    "ctypes": {"native/binary.py", "system/device.py"},
    "torch.distributed": {"system/distributed/process_launcher.py", "system/distributed/process_group.py"},
    "ray": {
        "system/distributed/ray_launcher.py",
        "system/distributed/ray_tasks.py",
        "system/distributed/ray_worker.py",
    },
    "fsspec": {"system/buckets/remote.py"},
    "s3fs": set(),
    "gcsfs": set(),
    "subprocess": {"system/child_process.py", "system/worker_processes.py"},
    **{
        name: {f"track/sinks/{name.split('_')[0]}.py"} for name in ("clearml", "comet_ml", "mlflow", "trackio", "wandb")
    },
    "os.environ": {
        "system/distributed/launch_environment.py",
        "system/places.py",
        "system/tracker_environment.py",
        "system/waiting.py",
        "cli.py",
    },
    "os.getenv": set(),
    "fcntl": {"system/shared_memory.py"},
    "mmap": {"system/shared_memory.py"},
    "urllib": {"system/addresses.py", "system/tracker_environment.py"},
    "http": {"system/fetch.py", "ui/server.py"},
    "requests": set(),
    "socket": {"system/fetch.py", "ui/server.py"},
    "torch.save": {"system/tensors.py"},
    "torch.load": set(),
    "torch.jit": {"system/torchscript_file.py"},
    "onnxruntime": {"system/onnx_file.py"},
    "openvino": {"system/openvino_file.py"},
    "torch.manual_seed": set(),
    "numpy.random.seed": set(),
    "random": set(),
    "torch.set_num_threads": {"system/device.py"},
    "torch.backends": {"system/device.py"},
    "print": {"system/terminal.py"},
    "rich": {"system/screen.py", "track/sinks/epoch_row.py"},
    "cv2.imread": set(),
    "cv2.VideoCapture": {"data/pixels/video.py", "data/pixels/stream.py"},
    "cv2.VideoWriter": {"system/video_file.py"},
    "mss": {"data/pixels/stream.py"},
    "tkinter": {"system/window.py"},
    "cv2.imdecode": {"data/pixels/image_files.py", "data/pixels/channels.py"},
    "cv2.imdecodemulti": {"data/pixels/channels.py"},
    "PIL.Image.open": set(),  # it tries every format that it knows, and some start programs
    **{f"PIL.{kind}ImagePlugin": {"data/pixels/image_files.py"} for kind in ("Bmp", "Gif", "Png", "Tiff", "WebP")},
    "PIL.JpegImagePlugin": {"data/pixels/image_files.py", "track/sinks/shown_images.py"},
}
FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "os.execv",
    "os.spawnv",
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "shutil.unpack_archive",
    "runpy",
    "pty",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "torch.hub",
}
RUN_FILES = "system/run_folder.py"  # the names of a run's files
STUDY_FILES = "search/study_files.py"  # those of a study
FORBIDDEN_METHODS = {"extractall", "extract", "allow_pickle"}
WORK_AT_IMPORT = (ast.For, ast.While, ast.With, ast.Try, ast.AugAssign, ast.Delete, ast.Assert)


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(module: str) -> str:
    """`boxwright.model.spec` and `model/spec.py` both belong to `model`."""
    parts = module.removeprefix("boxwright").strip(".").split(".")
    return parts[0] or "__init__"


def room_of_file(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_imports(tree: ast.AST) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide where things live"
            if (node.module or "").split(".")[0] == "boxwright":
                submodules = (
                    [f"{node.module}.{alias.name}" for alias in node.names]
                    if node.module == "boxwright"
                    else [node.module]
                )
                found += [(node.lineno, module) for module in submodules]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "boxwright"]
    return found


def dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    """The full name an expression spells, with import aliases resolved: np.random.seed -> numpy.random.seed."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([aliases.get(node.id, node.id), *reversed(parts)])


@functools.cache
def aliases_of(tree: ast.AST) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def uses(tree: ast.Module) -> list[tuple[int, str]]:
    """Every dotted name that a file imports or spells."""
    aliases = aliases_of(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Attribute | ast.Name):
            found.append((node.lineno, dotted(node, aliases)))
    return found


def is_within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


EVERY_FILE = every(files(), name_of)


@EVERY_FILE
def test_imports_go_downward_and_rooms_of_one_floor_do_not_know_each_other(path):
    room = room_of_file(path)
    assert room in FLOORS, f"{room} has no floor"
    for line, module in own_imports(tree_of(path)):
        other = room_of(module)
        assert other in FLOORS, f"{name_of(path)}:{line}: {module} has no floor"
        downward = (
            FLOORS[other] < FLOORS[room] or other == room or (FLOORS[room] == FLOORS[other] == 1 and other in GROUND)
        )
        assert downward, (
            f"{name_of(path)}:{line}: {room} (floor {FLOORS[room]}) imports {module} (floor {FLOORS[other]})"
        )


@EVERY_FILE
def test_inside_a_room_imports_go_downward_as_well(path):
    parts = path.relative_to(PACKAGE).parts
    steps = {name: step for step, names in enumerate(INNER.get(parts[0], ())) for name in names}
    if not steps or path.name == "__init__.py":
        return
    mine = parts[1] if len(parts) > 2 else ""
    assert not mine or mine in steps, f"{name_of(path)}: {mine} has no step in {parts[0]}"
    for line, module in own_imports(tree_of(path)):
        names = module.split(".")[1:]
        if len(names) < 2 or names[0] != parts[0]:
            continue
        other = names[1] if (PACKAGE / names[0] / names[1]).is_dir() else ""
        downward = other == mine or not mine or (other != "" and steps[other] < steps[mine])
        assert downward, f"{name_of(path)}:{line}: {mine} imports {other or 'a file beside it'}"


def test_a_verb_never_imports_a_verb():
    for path in files():
        if room_of_file(path) == "commands":
            for line, module in own_imports(tree_of(path)):
                assert room_of(module) != "commands", f"{name_of(path)}:{line}: {module}"


@pytest.mark.parametrize("path", [path for path in files() if room_of_file(path) == "commands"], ids=name_of)
def test_a_verb_stays_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_VERB_LINES, f"{name_of(path)} has {lines} lines (at most {MAX_VERB_LINES}); move the work below"


def test_no_file_imports_itself_through_others():
    edges = {name_of(path): {to_file(module) for _, module in own_imports(tree_of(path))} - {""} for path in files()}
    state: dict[str, str] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert state.get(name) != "open", " -> ".join((*way, name))
        if name in state:
            return
        state[name] = "open"
        for other in edges[name]:
            visit(other, (*way, name))
        state[name] = "done"

    for name in edges:
        visit(name, ())


def to_file(module: str) -> str:
    relative = module.removeprefix("boxwright").strip(".").replace(".", "/")
    for candidate in (
        f"{relative}.py",
        f"{relative}/__init__.py",
        f"{relative.rsplit('/', 1)[0]}.py",
        f"{relative.rsplit('/', 1)[0]}/__init__.py",
    ):
        if (PACKAGE / candidate).is_file():
            return candidate
    return ""


@EVERY_FILE
def test_own_imports_stand_at_the_top_and_are_real(path):
    tree = tree_of(path)
    top = {id(node) for node in tree.body}
    hidden = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom | ast.Import) and id(n) not in top and own_imports(ast.Module([n], []))
    ]
    assert not hidden, (
        f"{name_of(path)}:{hidden[0].lineno}: an import of our own inside a function, or for type checking only"
    )
    for _, name in uses(tree):
        assert not is_within(name, "importlib.import_module") or name_of(path) in {"cli.py", "__init__.py"}


@EVERY_FILE
def test_the_world_outside_is_reached_through_doors_only(path):
    for line, name in uses(tree_of(path)):
        for door, keepers in DOORS.items():
            if is_within(name, door):
                assert name_of(path) in keepers, (
                    f"{name_of(path)}:{line}: {name} belongs in {sorted(keepers) or 'no file'}"
                )


@pytest.mark.parametrize("path", [path for path in files() if room_of_file(path) in {"data", "infer"}], ids=name_of)
def test_files_of_strangers_are_opened_through_one_door_only(path):
    """What data sets and sources name may be a device or a pipe, or of any size."""
    for node in nodes_of(path):
        name = (
            dotted(node.func, aliases_of(tree_of(path))) or getattr(node.func, "attr", "")
            if isinstance(node, ast.Call)
            else ""
        )
        reads = name in {"open", "os.open", "io.open", "numpy.load", "numpy.fromfile", "numpy.memmap"} or name.split(
            "."
        )[-1] in {"read_bytes", "read_text"}
        assert not reads, f"{name_of(path)}:{node.lineno}: {name} opens; use read_regular of paths.py"


@EVERY_FILE
def test_files_are_written_through_one_door_only(path):
    if name_of(path) == "system/files.py":
        return
    for node in nodes_of(path):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        assert name not in {
            "write_text",
            "write_bytes",
            "savez",
            "savez_compressed",
            "imwrite",
            "savefig",
            "unlink",
            "rmtree",
            "rename",
            "replace_file",
        }, f"{name_of(path)}:{node.lineno}: {name} writes; use system/files.py"
        if name == "open" and isinstance(node.func, ast.Name):
            mode = (
                node.args[1]
                if len(node.args) > 1
                else next((k.value for k in node.keywords if k.arg == "mode"), ast.Constant("r"))
            )
            assert isinstance(mode, ast.Constant), f"{name_of(path)}:{node.lineno}: open with a computed mode"
            assert not set(str(mode.value)) & set("wax+"), (
                f"{name_of(path)}:{node.lineno}: opens for writing; use system/files.py"
            )


@EVERY_FILE
def test_no_code_comes_from_data(path):
    tree = tree_of(path)
    for line, name in uses(tree):
        for word in FORBIDDEN:
            assert not is_within(name, word), f"{name_of(path)}:{line}: {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert node.attr not in FORBIDDEN_METHODS, f"{name_of(path)}:{node.lineno}: .{node.attr}"
        if isinstance(node, ast.keyword) and node.arg == "shell":
            raise AssertionError(f"{name_of(path)}:{node.value.lineno}: shell=")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), f"{name_of(path)}:{node.value.lineno}"
            assert node.value.value is False, f"{name_of(path)}:{node.value.lineno}: allow_pickle"


@EVERY_FILE
def test_importing_a_module_does_no_work(path):
    for node in tree_of(path).body:
        assert not isinstance(node, WORK_AT_IMPORT), f"{name_of(path)}:{node.lineno}: runs at import"
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"{name_of(path)}:{node.lineno}: runs at import"
        if isinstance(node, ast.If):
            word = ast.unparse(node.test)
            assert word in {"TYPE_CHECKING", "__name__ == '__main__'"}, (
                f"{name_of(path)}:{node.lineno}: decides at import"
            )


@EVERY_FILE
def test_files_and_functions_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES, f"{name_of(path)} is over {MAX_LINES} lines"
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 1
            assert statements <= MAX_STATEMENTS, (
                f"{name_of(path)}:{node.lineno}: {node.name} has {statements} statements"
            )
            positional = len(node.args.posonlyargs) + len(node.args.args)
            assert positional <= MAX_POSITIONAL, (
                f"{name_of(path)}:{node.lineno}: {node.name} takes {positional} by position"
            )


@EVERY_FILE
def test_names_say_what_is_inside_and_every_file_states_its_licence(path):
    for part in (*path.relative_to(PACKAGE).parts[:-1], path.stem):
        assert part not in REFUSED_NAMES, f"{name_of(path)}: '{part}' says nothing"
    assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: Apache-2.0\n"), name_of(path)


@EVERY_FILE
def test_nothing_is_swallowed(path):
    for node in nodes_of(path):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name_of(path)}:{node.lineno}: bare except"
            only_pass = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not only_pass, f"{name_of(path)}:{node.lineno}: an error disappears"


@functools.cache
def names_of_files(place: str, table_name: str) -> dict[str, str]:
    """Every name in a table of files, whole and without its folder -> the word for it."""
    table = next(
        node for node in tree_of(PACKAGE / place).body if isinstance(node, ast.ClassDef) and node.name == table_name
    )
    found = {}
    for line in table.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            name = str(line.value.value)
            found |= dict.fromkeys((name, name.rsplit("/", 1)[-1]), ast.unparse(line.targets[0]))
    return found


@EVERY_FILE
def test_names_of_run_files_stand_in_one_place(path):
    """Prose may name them; a whole text that is one, or a path that ends in a computed .pt, is a name spelt again."""
    if name_of(path) == RUN_FILES:
        return
    names = {name: word for name, word in names_of_files(RUN_FILES, "RunFile").items() if "." in name}
    assert {"results.csv", "last.pt", "done.json", "claim.json", "report.html"} <= set(names)
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = names.get(node.value.strip("/"))
            assert word is None, f"{name_of(path)}:{node.lineno}: '{node.value}' is RunFile.{word}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            end = ast.unparse(node.right)
            joined = end == "'weights'" or (isinstance(node.right, ast.JoinedStr) and end.endswith(".pt'"))
            assert not joined, f"{name_of(path)}:{node.lineno}: {end} belongs in {RUN_FILES}"


@EVERY_FILE
def test_names_of_study_files_stand_in_one_place(path):
    names = names_of_files(STUDY_FILES, "StudyFile")
    assert {"plan.json", "claims/", "results/"} <= set(names)
    for node in nodes_of(path):
        if name_of(path) != STUDY_FILES and isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = node.value and names.get(node.value)
            assert not word, f"{name_of(path)}:{node.lineno}: '{node.value}' is StudyFile.{word}"


def test_no_room_is_empty_and_every_folder_is_a_package():
    for folder in (
        path
        for path in PACKAGE.rglob("*")
        if path.is_dir() and path.name != "__pycache__" and "presets" not in path.parts
    ):
        inside = [path for path in folder.iterdir() if path.name not in {"__init__.py", "__pycache__"}]
        assert inside, f"{folder.relative_to(PACKAGE)} is empty"
        assert (folder / "__init__.py").is_file() or folder.name in {"assets", "source"}, folder


def test_below_the_commands_nobody_names_a_whole_configuration():
    whole = {"TrainSettings", "ValSettings", "PredictSettings", "ExportSettings"}
    for path in files():
        if room_of_file(path) in {
            "engine",
            "infer",
            "report",
            "export_formats",
            "data",
            "loss",
            "model",
            "metrics",
            "track",
            "search",
        }:
            for line, name in uses(tree_of(path)):
                assert name.split(".")[-1] not in whole, f"{name_of(path)}:{line}: takes {name}; a room takes its slice"


def tracked(folder: Path) -> list[Path]:
    """The sources of the kernels, without what a build leaves beside them."""
    return [*folder.glob("*.cpp"), *folder.glob("*.h"), *folder.glob("*.py"), folder / "CMakeLists.txt"]


def test_presets_and_scripts_state_their_licence():
    others = [
        *PACKAGE.rglob("*.yaml"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
        *tracked(ROOT / "native"),
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    ]
    for path in others:
        assert "SPDX-License-Identifier: Apache-2.0" in path.read_text(encoding="utf-8")[:200], path
