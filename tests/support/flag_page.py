# SPDX-License-Identifier: Apache-2.0
"""docs/reference/flags.md from the table of flags; run as a program it writes the page."""

from __future__ import annotations

from pathlib import Path

from boxwright.cli import OLD_VERBS
from boxwright.config.family_flags import FLAGS, FamilyFlag, Outcome
from boxwright.config.schema.export import ExportSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import PredictSettings, ValSettings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "flags.md"
HEAD = """# Flags of this family, and what they do here

Every flag of the training, validation, detection and export programs of five years, as the verbs of `boxwright` take
it. The parser works by the same table (`config/family_flags.py`), and a test passes every row to it. What stands
nowhere here is our own: `boxwright VERB --help` shows it.

`boxwright detect` is `predict`, and `boxwright test` is `val`. Words such as `imgsz=320` may stand for flags.

| what it says | means |
| --- | --- |
| works | the flag is taken as it is |
| works, spelt otherwise | the same; one line names today's spelling |
| no effect, and says so | the command runs, and one line says why nothing comes of the flag |
| refused: not offered yet | an error; a later version takes it |
| refused | an error, with the reason and what to do instead |

A flag of another verb, or of nobody, is an error that names the nearest.
"""
KINDS = {"train": TrainSettings, "val": ValSettings, "predict": PredictSettings, "export": ExportSettings}
TITLES = {"train": "Training", "val": "Validation", "predict": "Detection", "export": "Export"}


def page() -> str:
    """The page as the table has it."""
    assert set(OLD_VERBS) == {"detect", "test"}
    parts = [HEAD]
    for verb, title in TITLES.items():
        rows = [row for row in FLAGS if row.verb == verb]
        parts.append(
            f"\n## {title}: `boxwright {verb}`\n\n| flag | trainers | what it does | |\n| --- | --- | --- | --- |\n"
        )
        parts += [_line(row) for row in rows]
    return "".join(parts)


def _line(row: FamilyFlag) -> str:
    what = row.outcome.value
    if row.outcome in {Outcome.TAKEN, Outcome.RENAMED} and row.flag != _current(row):
        what += f" (`{_current(row)}`)"
    texts = [str(KINDS[row.verb].model_fields[row.key].description)] if row.key else []
    texts += [f"{text[:1].upper()}{text[1:]}" for text in (row.about, row.remedy) if text]
    about = ". ".join(text.rstrip(".") for text in texts).replace("|", "\\|")
    return f"| `{row.flag}` | {row.eras.replace('-', ' - ')} | {what} | {about}{'.' if about else ''} |\n"


def _current(row: FamilyFlag) -> str:
    return f"--{row.key.replace('_', '-')}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
