# SPDX-License-Identifier: Apache-2.0
"""Random damage to weights files: python -m tests.fuzz.weights [ROUNDS]

A damaged file is refused with an error for people, or read as exactly what was stored. Anything else is a find: its
round is printed, and the same round makes the same damage again. The plain format has no checksums: there only
tracebacks count.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boxwright.errors import UserError
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs.inputs.open_weights import open_weights, spec_of_weights
from boxwright.structures.checkpoint import Origin
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.tensors import packed
from tests.support.legacy_files import REAL, plain_bytes
from tests.support.networks import tiny

ROUNDS = 20_000
REAL_EVERY = 25  # the real file is larger, and reading it takes longer


@dataclass(frozen=True)
class Victim:
    """A sound file, what it reads as, and whether its format can tell every damage."""

    name: str
    content: bytes
    meaning: str
    checksums: bool


def victims(folder: Path) -> list[Victim]:
    """One file of each kind; the real one last."""
    network = tiny()
    document = {
        "kind": "checkpoint",
        "network": "nc: 3\n",
        "names": ["a", "b", "c"],
        "model": dict(network.state_dict()),
        "epoch": 3,
    }
    write_safetensors(folder / "s", network.state_dict(), {"format": "pt"})
    made = {
        "written.pt": (legacy_bytes(LegacyContent(network, ("a", "b", "c"))), True),
        "half.pt": (legacy_bytes(LegacyContent(network, ("a", "b", "c")), half=True), True),
        "ours.pt": (packed(document), True),
        "plain.pt": (plain_bytes(network), False),
        "tensors.safetensors": ((folder / "s").read_bytes(), False),
        "real.pt": (REAL.read_bytes(), True),
    }
    return [
        Victim(name, content, meaning_of(folder, name, content), checksums)
        for name, (content, checksums) in made.items()
    ]


def meaning_of(folder: Path, name: str, content: bytes) -> str:
    """A digest of everything that a file is read as. Raises UserError."""
    path = folder / name
    path.write_bytes(content)
    weights = open_weights(str(path))
    checkpoint = weights.checkpoint
    if checkpoint.network.text is not None and checkpoint.origin is Origin.LEGACY:
        spec_of_weights(weights)
    total = hashlib.sha256(repr([checkpoint.network, checkpoint.epoch]).encode())
    for tensors in (checkpoint.model, checkpoint.ema or {}):
        for key, tensor in tensors.items():
            total.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
            total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """The content with one damage of a random kind at a random place.

    The ends, where structure is, are hit more often.
    """
    size = len(content)
    at = int(
        draw.choice([draw.integers(size), draw.integers(min(size, 4096)), size - 1 - draw.integers(min(size, 4096))])
    )
    length = int(min(draw.integers(1, 1 + int(draw.choice([1, 8, 200, 5000]))), size - at))
    made = bytearray(content)
    match int(draw.integers(8)):
        case 0:
            made[at] ^= 1 << int(draw.integers(8))
        case 1:
            made[at] = int(draw.integers(256))
        case 2:
            made[at : at + length] = bytes(length)
        case 3:
            made[at : at + length] = draw.integers(0, 256, length, dtype=np.uint8).tobytes()
        case 4:
            del made[at : at + length]
        case 5:
            made[at:at] = draw.integers(0, 256, length, dtype=np.uint8).tobytes()
        case 6:
            del made[at:]
        case _:
            other = int(draw.integers(size))
            made[at : at + length] = content[other : other + length]
    return bytes(made)


def outcome(folder: Path, victim: Victim, number: int) -> str:
    """'refused', 'same', 'undetectable' (no checksum, other numbers), or in words what is wrong."""
    content = damaged(victim.content, np.random.default_rng([8, number]))
    try:
        meaning = meaning_of(folder, victim.name, content)
    except UserError as error:
        return "refused" if "\n" not in str(error) else f"an error of several lines: {error}"
    except Exception as error:  # noqa: BLE001 -- exactly this is looked for
        return f"{type(error).__name__}: {error}"
    if meaning == victim.meaning:
        return "same"
    return "wrongly loaded" if victim.checksums else "undetectable"


def survey(rounds: int, folder: Path, first: int = 0) -> tuple[Counter[str], list[str]]:
    """What came of so many rounds: counts, and the finds."""
    *small, real = victims(folder)
    counts: Counter[str] = Counter()
    finds = []
    for number in range(first, first + rounds):
        victim = real if number % REAL_EVERY == 0 else small[number % len(small)]
        came = outcome(folder, victim, number)
        counts[came if came in {"refused", "same", "undetectable"} else "find"] += 1
        if came not in {"refused", "same", "undetectable"}:
            finds.append(f"round {number}, {victim.name}: {came}")
    return counts, finds


def main(words: list[str]) -> int:
    """Run; exit code 1 when something was found."""
    with tempfile.TemporaryDirectory() as folder:
        counts, finds = survey(int(words[0]) if words else ROUNDS, Path(folder), int(words[1]) if len(words) > 1 else 0)
    sys.stdout.write("\n".join([str(dict(counts)), *finds]) + "\n")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
