# SPDX-License-Identifier: Apache-2.0
"""The page about a data set: one HTML file with everything in it, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import html
import io
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from PIL import Image

from boxwright.drawing.palette import colour
from boxwright.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

MAX_PAIRS = 100  # of pictures in a table
LOOK_ALIKE = (
    "<p class=soft>Seen small and grey they are nearly the same: frames of one scene or of a fixed camera, or one "
    "picture in two sizes. Look at some of them.</p>"
)
STYLE = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#667085;--line:#e3e7ee;
--paper:#fff;--ground:#f5f7fa;--bar:#3b6fd4;--bad:#b42318;--good:#067647}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#2c3440;--paper:#171c24;
--ground:#0f131a;--bar:#6f9bf0;--bad:#f97066;--good:#47cd89}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 20px 80px}h1{font-size:26px;margin:0 0 4px}
h2{font-size:19px;margin:40px 0 12px}
h3{font-size:15px;margin:0 0 10px}
.soft{color:var(--soft)}.grid{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(330px,1fr))}
.card{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:16px;overflow:auto}
.figures{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));margin:16px 0}
.figure{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.figure b{display:block;font-size:24px}
table{border-collapse:collapse;width:100%}
td,th{padding:4px 10px 4px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
.bars td{vertical-align:middle}
.bars td:first-child{white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.track{background:var(--line);border-radius:3px;height:10px;min-width:80px}
.fill{background:var(--bar);border-radius:3px;height:10px}.bad{color:var(--bad)}.good{color:var(--good)}
.map{display:grid;gap:2px}.map i{aspect-ratio:1;border-radius:2px;background:var(--bar);display:block}
.long{max-height:560px;overflow:auto}ol{margin:0;padding-left:20px}li{margin:6px 0}
img{max-width:100%;border-radius:8px;border:1px solid var(--line)}code{font-size:13px;overflow-wrap:anywhere}
"""


def page(document: dict[str, Any], mosaics: dict[str, np.ndarray]) -> str:
    """The whole page.

    `document` is what report.json holds, `mosaics` a sheet of samples per split, (H, W, 3) uint8 RGB.
    """
    names = document["names"]
    body = [
        f"<h1>{_text(document['title'])}</h1><div class=soft>{_text(document['data'])}</div>",
        _figures(document),
        _stands_out(document),
        _faults(document),
    ]
    for split, facts in document["splits"].items():
        body += [f"<h2>{_text(split)}</h2>", _split(facts, names, document["image_size"])]
        if split in mosaics:
            body.append(
                f"<div class=card style='margin-top:16px'><h3>Samples</h3><img alt='samples of {_text(split)}' "
                f"src='{_embedded(mosaics[split])}'></div>"
            )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = f'<meta charset=utf-8><meta http-equiv=Content-Security-Policy content="{policy}">'
    head += (
        "<meta "
        "name=viewport "
        f"content='width=device-width'><title>{_text(document['title'])}</title><style>{STYLE}</style>"
    )
    return f"<!doctype html><html lang=en><head>{head}</head><body><main>{''.join(body)}</main></body></html>\n"


def _text(value: object) -> str:
    return html.escape(printable(str(value)))


def _embedded(image_rgb: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _figures(document: dict[str, Any]) -> str:
    splits = document["splits"]
    anchors = document["anchors"]
    shown = [
        (sum(s["images"] for s in splits.values()), "images"),
        (sum(s["objects"] for s in splits.values()), "objects"),
        (len(document["names"]), "classes"),
    ]
    shown += [
        (len(document["duplicates"]), "pairs alike"),
        (len(document["leakage"]), "across splits"),
        (sum(document["findings"].values()), "findings"),
    ]
    shown += [(f"{anchors['recall']:.1%}", f"of boxes fit the anchors of {anchors['network']}")]
    cells = "".join(
        f"<div class=figure><b>{_text(value)}</b><span class=soft>{_text(what)}</span></div>" for value, what in shown
    )
    return f"<div class=figures>{cells}</div>"


def _stands_out(document: dict[str, Any]) -> str:
    """What to know before a training."""
    rows = "".join(
        f"<li><b>{_text(what[:1].upper() + what[1:])}.</b> {_text(remedy)}</li>" for what, remedy in document["advice"]
    )
    content = f"<ol>{rows}</ol>" if rows else "Nothing that a training would suffer from."
    return f"<h2>What stands out</h2><div class=card>{content}</div>"


def _faults(document: dict[str, Any]) -> str:
    """The same file twice is a fault; pictures that only look alike, as frames of one scene do, are a note."""
    within = [pair for pair in document["duplicates"] if len(set(pair["splits"])) == 1]
    twice = (
        ("The same picture in two splits", [pair for pair in document["leakage"] if pair["exact"]], "bad"),
        ("The same picture twice", [pair for pair in within if pair["exact"]], "bad"),
    )
    alike = (
        ("Pictures in two splits that look alike", [pair for pair in document["leakage"] if not pair["exact"]], ""),
        ("Pictures that look alike", [pair for pair in within if not pair["exact"]], ""),
    )
    cards = [_card(title, _pairs(pairs), kind) for title, pairs, kind in twice if pairs]
    if document["findings"]:
        cards.append(
            _card(
                "Findings by rule",
                _bars(document["findings"].items())
                + "<p class=soft><code>boxwright data check</code> lists each of them.</p>",
            )
        )
    if not cards:
        cards.append(_card("Faults", "No finding, no picture twice, none in two splits.", "good"))
    notes = [_card(title, f"{LOOK_ALIKE}{_pairs(pairs)}", kind) for title, pairs, kind in alike if pairs]
    noted = f"<h2>To know</h2><div class=grid>{''.join(notes)}</div>" if notes else ""
    return f"<h2>Faults</h2><div class=grid>{''.join(cards)}</div>{noted}"


def _pairs(pairs: Sequence[dict[str, Any]]) -> str:
    """A table of pictures beside each other, of which so many are shown."""
    more = f"<p class=soft>and {len(pairs) - MAX_PAIRS:,} more</p>" if len(pairs) > MAX_PAIRS else ""
    return _table(("one", "other"), [(pair["first"], pair["second"]) for pair in pairs[:MAX_PAIRS]]) + more


def _card(title: str, content: str, kind: str = "") -> str:
    return f"<div class=card><h3 class='{kind}'>{_text(title)}</h3>{content}</div>"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{_text(word)}</th>" for word in header)
    lines = "".join(
        "<tr>" + "".join(f"<td><code>{_text(_short(cell))}</code></td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{lines}</table>"


def _short(cell: object) -> str:
    """The end of a path says most."""
    parts = PurePath(str(cell)).parts
    return "/".join(parts[-3:]) if len(parts) > 3 else str(cell)  # noqa: PLR2004 -- split, folder and name


def _bars(counts: Iterable[tuple[str, int]], inks: Sequence[str] | None = None) -> str:
    """Rows with bars; empty ones at both ends are left out, unless each row has an ink of its own."""
    rows = list(counts)
    while not inks and len(rows) > 1 and not rows[-1][1]:
        rows.pop()
    while not inks and len(rows) > 1 and not rows[0][1]:
        rows.pop(0)
    most = max((count for _, count in rows), default=0) or 1
    lines = []
    for number, (label, count) in enumerate(rows):
        ink = f";background:{inks[number]}" if inks else ""
        fill = f"<div class=track><div class=fill style='width:{100 * count / most:.1f}%{ink}'></div></div>"
        lines.append(f"<tr><td>{_text(label)}</td><td style='width:55%'>{fill}</td><td class=n>{count:,}</td></tr>")
    return f"<table class=bars>{''.join(lines)}</table>"


def _split(facts: dict[str, Any], names: Sequence[str], image_size: int) -> str:
    backgrounds = facts["backgrounds_by_kind"]
    summary = [
        ("images", facts["images"]),
        ("objects", facts["objects"]),
        ("regions to ignore", facts["ignored"]),
        ("left out", facts["skipped"]),
    ]
    summary += [
        ("without objects, empty label file", len(backgrounds["empty file"])),
        ("without objects, no label file", len(backgrounds["no file"])),
    ]
    summary += [
        (f"boxes under 8 px at {image_size}", facts["tiny_count"]),
        ("boxes that fill the image", facts["huge_count"]),
    ]
    cards = [
        _card(
            "In short",
            "<table>"
            + "".join(f"<tr><td>{_text(what)}</td><td class=n>{value:,}</td></tr>" for what, value in summary)
            + "</table>",
        ),
        _card("Objects of each class", _by_class(facts["classes"], names)),
        _card("Images with each class", _by_class(facts["images_with_class"], names)),
        _card(f"Size of objects at {image_size} (root of area)", _bars(facts["size_px"].items())),
        _card("Width by height of objects", _bars(facts["aspect"].items())),
        _card("Objects in an image", _bars(facts["per_image"].items())),
        _card("Where their centres lie", _map(facts["places"])),
        _card("Sizes of images", _bars(facts["image_sizes"].items())),
        _card("Classes in one image", _together(facts["together"], names)),
    ]
    return f"<div class=grid>{''.join(cards)}</div>"


MAX_IN_ORDER = 20  # classes; more of them stand by size, and those without objects below


def _by_class(counts: Sequence[int], names: Sequence[str]) -> str:
    """A bar for each class."""
    order, none = list(range(len(names))), ""
    if len(names) > MAX_IN_ORDER:
        order = sorted((number for number in order if counts[number]), key=lambda number: -counts[number])
        empty = [name for name, count in zip(names, counts, strict=True) if not count]
        none = f"<p class=soft>None: {_text(', '.join(empty))}</p>" if empty else ""
    inks = ["#{:02x}{:02x}{:02x}".format(*colour(number)) for number in order]
    return f"<div class=long>{_bars([(names[number], counts[number]) for number in order], inks)}{none}</div>"


def _map(places: list[list[int]]) -> str:
    most = max((count for row in places for count in row), default=0) or 1
    cells = "".join(
        f"<i title='{count}' style='opacity:{0.06 + 0.94 * count / most:.3f}'></i>" for row in places for count in row
    )
    return f"<div class=map style='grid-template-columns:repeat({len(places)},1fr);max-width:280px'>{cells}</div>"


MAX_TOGETHER = 20


def _together(counts: list[list[int]], names: Sequence[str]) -> str:
    """The pairs of classes that are seen together most often."""
    pairs = [(f"{names[i]} + {names[j]}", counts[i][j]) for i in range(len(names)) for j in range(i) if counts[i][j]]
    pairs.sort(key=lambda pair: -pair[1])
    return _bars(pairs[:MAX_TOGETHER]) if pairs else "<span class=soft>No two classes are seen in one image.</span>"
