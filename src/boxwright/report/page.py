# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file that needs nothing from anywhere: words and tables are in it as they are, pictures and charts are drawn from data it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ASSETS = Path(__file__).parent / "assets"


def page(documents: list[dict[str, Any]]) -> str:
    """The report of one run, or several beside each other."""
    single = len(documents) == 1
    environment = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style, script = ((ASSETS / name).read_text(encoding="utf-8") for name in ("style.css", "page.js" if single else "compare.js"))
    template = environment.get_template("report.html" if single else "compare.html")
    drawn = [{key: value for key, value in one.items() if key in DRAWN} for one in documents]
    data = as_script(drawn[0] if single else [{key: one[key] for key in ("name", "history", "classes")} for one in drawn])
    return template.render(run=documents[0], runs=documents, style=style, script=script, data=data)


DRAWN = {"name", "history", "curves", "classes", "confusion", "gallery", "worst", "best_epoch"}


def as_script(document: Any) -> str:
    """JSON that can stand inside a page: nothing in it can end the element it stands in."""
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")
