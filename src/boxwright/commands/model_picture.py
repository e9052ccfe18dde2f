# SPDX-License-Identifier: Apache-2.0
"""`boxwright model draw`: a network as a picture."""

from __future__ import annotations

from pathlib import Path

from boxwright.commands.model import notes_of, spec_of
from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ModelDrawSettings
from boxwright.errors import SettingError
from boxwright.model.summary import summarize
from boxwright.report.network_layout import laid_out
from boxwright.report.network_picture import as_pixels, as_svg
from boxwright.structures.answer import Answer
from boxwright.system.files import write_image, write_text

MAX_PIXEL_ROWS = 250  # more rows make a picture that no viewer opens


def draw(resolved: Resolved[ModelDrawSettings]) -> Answer:
    """The rows in a column for every stride, with lines for what goes where."""
    settings = resolved.settings
    out = Path(settings.out)
    suffix = out.suffix.lower()
    if suffix not in {".svg", ".png"}:
        raise SettingError(
            f"--out {settings.out}",
            f"'{out.suffix}' is no kind of picture that is drawn here",
            "End the name in .svg or .png",
        )
    spec = spec_of(settings)
    if suffix == ".png" and len(spec.rows) > MAX_PIXEL_ROWS:
        raise SettingError(
            f"--out {settings.out}", f"{len(spec.rows)} rows are too many for pixels", "End the name in .svg"
        )
    summary = summarize(spec, settings.imgsz)
    drawing = laid_out(spec, summary)
    if suffix == ".svg":
        write_text(out, as_svg(drawing))
    else:
        write_image(out, as_pixels(drawing))
    document = {"picture": str(out), "rows": len(summary.rows), "size_wh": [drawing.width, drawing.height]}
    return Answer([str(out)], document, notes_of(spec, settings, summary))
