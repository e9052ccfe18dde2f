# SPDX-License-Identifier: Apache-2.0
"""Whether a change moves a number: eleven small runs through the command line, each boiled down to digests.

`python -m benchmarks.bits` compares the working tree with an earlier commit, both run on this machine, one after the
other. What is compared: the final weights (bytes of every tensor), results.csv, and what the network then predicts.
Digests are of a machine and its library versions; they are kept by commit below build/bits and never compared across
machines.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from tests.support import datasets

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "bits"
LEGACY = Path("legacy") / "yolov5n_bccd_final.pt"
FIRST = "HEAD"  # the last commit: what the working tree changes
COMMON = (
    "--data",
    "data/data.yaml",
    "--imgsz",
    "64",
    "--batch",
    "4",
    "--epochs",
    "3",
    "--workers",
    "0",
    "--threads",
    "1",
    "--noplots",
)
STOPPED_BY_ITSELF = 75  # exit code of a run that used its time budget and can go on


@dataclass(frozen=True)
class Case:
    """One training: words beside the common ones; `network` a packaged one or the tiny one.

    `resumed` = stopped in mid-epoch first.
    """

    words: tuple[str, ...] = ()
    network: str = "tiny.yaml"
    resumed: bool = False


CASES = {
    "recipe-7.0": Case(("--recipe", "7.0"), network="yolov5n"),
    "recipe-2020.7": Case(("--recipe", "2020.7")),
    "small-data": Case(("--hyp", "small-data")),
    "quad": Case(("--quad",)),
    "rect-multi-scale": Case(("--rect",)),
    "multi-scale": Case(("--multi-scale",)),
    "image-weights": Case(("--image-weights",)),
    "accumulate-4": Case(("warmup_epochs=0", "nominal_batch=16", "warmup_min_batches=0")),
    "freeze": Case(("--freeze", "3")),
    "two-loader-threads": Case(("--workers", "2")),
    "resumed-in-mid-epoch": Case(("warmup_epochs=0", "nominal_batch=8", "warmup_min_batches=0"), resumed=True),
}


def main() -> int:
    """Run what is not kept yet, print a table, and say whether anything moved."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bits", description=__doc__)
    parser.add_argument("--base", default=FIRST, help="commit to compare the working tree with")
    parser.add_argument("--only", nargs="*", help="names of cases")
    asked = parser.parse_args()
    names = asked.only or [*CASES, "val-legacy"]
    before, after = _of_commit(asked.base, names), _digests(ROOT, names)
    moved = 0
    for name in names:
        equal = before[name] == after[name]
        moved += not equal
        print(f"{name:<22}{'equal' if equal else 'MOVED: ' + ', '.join(_differing(before[name], after[name]))}")
    print(f"{len(names) - moved} of {len(names)} equal to {asked.base}")
    return 1 if moved else 0


def _differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def _of_commit(revision: str, names: list[str]) -> dict[str, dict[str, str]]:
    """Digests of a commit: kept ones, else its files in a folder of their own are run."""
    commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}")
    kept = KEPT / f"{commit}.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    missing = [name for name in names if name not in found]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            _git("worktree", "add", "--detach", folder, commit)
            try:
                for library in (ROOT / "src" / "boxwright" / "native").glob("*.so"):
                    (Path(folder) / "src" / "boxwright" / "native" / library.name).write_bytes(library.read_bytes())
                found |= _digests(Path(folder), missing)
            finally:
                _git("worktree", "remove", "--force", folder)
        KEPT.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found, indent=1))
    return found


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True).stdout.strip()


def _digests(tree: Path, names: list[str]) -> dict[str, dict[str, str]]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(lambda name: _digest(tree, name), names), strict=True))


def _digest(tree: Path, name: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if name == "val-legacy":
            return _legacy(tree, work)
        datasets.write(work / "data")
        datasets.write_model(work)
        return _training(tree, work, CASES[name])


def _training(tree: Path, work: Path, case: Case) -> dict[str, str]:
    words = ("train", *COMMON, "--cfg", case.network, "--name", "run", *case.words)
    if case.resumed:
        _run(tree, work, *words, "--time", "1e-9", codes=(STOPPED_BY_ITSELF,))
        _run(tree, work, "train", "--resume", str(_run_folder(work)), "--time", "0")
    else:
        _run(tree, work, *words)
    run = _run_folder(work)
    last = next(path for path in sorted((run / "weights").glob("last*.pt")) if "prev" not in path.name)
    _run(tree, work, "weights", "convert", str(last), "--to", "safetensors", "--out", "last.safetensors")
    table = run / "results.csv"
    predicted = _run(
        tree,
        work,
        "predict",
        str(last),
        "--source",
        "data/images/val",
        "--conf-thres",
        "0.01",
        "--nosave",
        "--threads",
        "1",
        "--json",
    )
    return {
        "weights": _of_tensors(work / "last.safetensors"),
        "results": _of_bytes(table.read_bytes()),
        "predictions": _of_bytes(predicted.encode()),
    }


def _run_folder(work: Path) -> Path:
    """The only run below a folder: each recipe has its own place for runs."""
    return next((work / "runs").rglob("hyp.yaml")).parent


def _legacy(tree: Path, work: Path) -> dict[str, str]:
    data = Path(os.environ.get("BOXWRIGHT_DATA", ROOT.parent / "shared" / "data"))
    if not (data / LEGACY).is_file():
        return {"left out": f"no {data / LEGACY}"}
    words = ("--data", str(data / "bccd" / "bccd.yaml"), "--imgsz", "160", "--threads", "1", "--noplots", "--json")
    document = json.loads(_run(tree, work, "val", str(data / LEGACY), *words))
    document.pop("speed_ms")
    return {
        "numbers": _of_bytes(
            json.dumps({key: document[key] for key in ("metrics", "classes")}, sort_keys=True).encode()
        )
    }


def _of_tensors(path: Path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes())
    return digest.hexdigest()


def _of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _run(tree: Path, work: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """One command of that tree's program; returns what it printed, its own paths taken out."""
    env = {
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "OMP_NUM_THREADS": "1",
        "BOXWRIGHT_CACHE": str(work / "cache"),
        "HOME": str(work),
    }
    done = subprocess.run(
        [sys.executable, "-m", "boxwright", *words], cwd=work, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.replace(str(work), "")


if __name__ == "__main__":
    sys.exit(main())
