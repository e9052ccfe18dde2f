# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file that needs nothing from anywhere.

Words and tables are in it as they are, pictures and charts are drawn from data it holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from boxwright.errors import printable

ASSETS = Path(__file__).parent / "assets"
UNKNOWN = "\N{EN DASH}"


def page(documents: list[dict[str, Any]]) -> str:
    """The report of one run, or several beside each other."""
    single = len(documents) == 1
    documents = told_apart(clear(documents))
    drawn = [{key: value for key, value in one.items() if key in DRAWN} for one in documents]
    data = as_script(
        drawn[0] if single else [{key: one[key] for key in ("name", "history", "classes")} for one in drawn]
    )
    rows = differing(documents)
    beside = {"numbers": numbers(documents), "differing": rows, "other_data": "data" in dict(rows)}
    template, script = ("run.html", "page.js") if single else ("compare.html", "compare.js")
    return rendered(template, script, run=documents[0], runs=documents, data=data, **beside)


def rendered(template: str, script: str, **content: Any) -> str:
    """A page from its template and its script, which may use all that charts.js has."""
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, shared, own = ((ASSETS / name).read_text(encoding="utf-8") for name in ("style.css", "charts.js", script))
    return environment.get_template(template).render(style=style, script=shared + own, **content)


def clear(value: Any) -> Any:
    """The same with every text as it can be shown.

    A name cannot turn the direction of the words around it, nor hide in nothing.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {clear(key): clear(one) for key, one in value.items()}
    return [clear(one) for one in value] if isinstance(value, list | tuple) else value


def told_apart(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with a number behind the names of runs that bear one name."""
    names = [one["name"] for one in documents]
    return [
        one | {"name": name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"}
        for i, (one, name) in enumerate(zip(documents, names, strict=True))
    ]


def numbers(documents: list[dict[str, Any]]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Every number of the runs beside each other, as text, and whether it is the best of several.

    What is below zero is not known.
    """
    rows = []
    for name in dict.fromkeys(name for document in documents for name in document["metrics"]):
        values = [document["metrics"].get(name, -1) for document in documents]
        best = max(values) if len(set(values)) > 1 else None
        rows.append((name, [(UNKNOWN if value < 0 else f"{value:.3f}", value == best) for value in values]))
    return rows


def differing(documents: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Settings that not all runs share, in their order, with the value of each run.

    A dash where a run knows no such setting.
    """
    each = [{one["key"]: one["value"] for one in document["settings"]} for document in documents]
    keys = dict.fromkeys(key for settings in each for key in settings)
    rows = [(key, [settings.get(key, UNKNOWN) for settings in each]) for key in keys]
    return [(key, values) for key, values in rows if any(value != values[0] for value in values)]


DRAWN = {"name", "history", "curves", "classes", "confusion", "gallery", "worst", "best_epoch"}


def as_script(document: Any) -> str:
    """JSON that can stand inside a page: nothing in it can end the element it stands in."""
    return (
        json.dumps(document, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
    )
