# SPDX-License-Identifier: Apache-2.0
"""A page of HTML as it is read: what elements it has, and what its scripts hold."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a file holds: elements with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, _tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]
